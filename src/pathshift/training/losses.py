"""Losses a token, the weights that add them up, and what a step tells about itself.

A loss is a sum over tokens of weight times loss. The weights depend on the mask of the whole batch
alone, so a batch may go through the network in parts of any size: their losses add up.

Does not cover: where the log-probabilities come from. They are of the policy that drew, with its
temperature; the old ones are those the engine stored when it drew.

Shapes: B rows, T tokens of the completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Clip(NamedTuple):
    """The ratio is held in [1 - low, 1 + high] where leaving would pay."""

    low: float = 0.2
    high: float = 0.2


class Diagnostics(NamedTuple):
    """What the policy did since it drew; means are over the tokens that count.

    Attributes:
        n_tokens: Tokens that count; the means are weighted by it when parts are put together.
        clip_fraction_low: Share whose ratio is below 1 - low and whose advantage is negative: no
            gradient.
        clip_fraction_high: The same above 1 + high with a positive advantage.
        approx_kl: KL of the old policy to the new one, by k3, in nats a token (a completion, if the
            ratio is of that).
        entropy: In nats a token; NaN if none was given.
        reference_kl: KL to the reference, in nats a token, by k3; NaN if there is no reference.
        ratio_min: Of the new to the old probability of a token (or completion).
        ratio_max: The same.
    """

    n_tokens: int
    clip_fraction_low: float
    clip_fraction_high: float
    approx_kl: float
    entropy: float
    reference_kl: float
    ratio_min: float
    ratio_max: float


# --- ratios ------------------------------------------------------------------------------------


def token_log_ratio(logp_BT: Tensor, old_logp_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """ln of the new to the old probability of each token, (B, T); 0 outside the mask."""
    return torch.where(mask_BT, logp_BT - old_logp_BT, 0.0)


def sequence_log_ratio(logp_BT: Tensor, old_logp_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """ln of the new to the old probability of the whole completion, at each of its tokens.

    With `sequence_mean` every completion then counts once, as one action.

    Source: Ahmadian et al. 2024, RLOO (2402.14740), section 3: the completion is the action.
    """
    summed_B1 = token_log_ratio(logp_BT, old_logp_BT, mask_BT).sum(-1, keepdim=True)
    return torch.where(mask_BT, summed_B1, 0.0)


# --- losses a token ----------------------------------------------------------------------------


def clipped_surrogate(log_ratio_BT: Tensor, advantage_BT: Tensor, clip: Clip) -> Tensor:
    """-min(ratio A, clip(ratio, 1 - low, 1 + high) A), (B, T).

    Source: Schulman et al. 2017, PPO (1707.06347), equation 7; with two bounds Yu et al. 2025,
    DAPO (2503.14476), equation 10.
    """
    ratio_BT = log_ratio_BT.exp()
    held_BT = ratio_BT.clamp(1 - clip.low, 1 + clip.high)
    return -torch.minimum(ratio_BT * advantage_BT, held_BT * advantage_BT)


def reinforce(logp_BT: Tensor, advantage_BT: Tensor) -> Tensor:
    """-A ln p, (B, T): the gradient for samples of the present policy, with no ratio to clip.

    Source: Williams 1992; Ahmadian et al. 2024 (2402.14740), equation 6; ReMax (2310.10505).
    """
    return -advantage_BT * logp_BT


def k1(logp_BT: Tensor, reference_logp_BT: Tensor) -> Tensor:
    """ln p - ln p_reference: unbiased for the KL divergence in the mean over samples of p.

    For the reward, never as a loss: its gradient there is 0 in the mean.

    Source: Schulman 2020, Approximating KL divergence.
    """
    return logp_BT - reference_logp_BT


def k3(logp_BT: Tensor, reference_logp_BT: Tensor) -> Tensor:
    """p_reference / p - 1 - ln(p_reference / p): unbiased as k1, and never negative.

    Source: Schulman 2020, Approximating KL divergence; DeepSeekMath (2402.03300), equation 4.
    """
    log_ratio_BT = reference_logp_BT - logp_BT
    return torch.expm1(log_ratio_BT) - log_ratio_BT


def value_error(
    value_BT: Tensor, old_value_BT: Tensor, return_BT: Tensor, clip: float | None
) -> Tensor:
    """Half the squared error of the values, (B, T); the larger one of clipped and unclipped.

    Args:
        clip: How far a value may move from its old one and still gain; None for any way.

    Source: Schulman et al. 2017 (1707.06347), equation 9, with the clipping of its published code.
    """
    error_BT = (value_BT - return_BT).square()
    if clip is not None:
        moved_BT = old_value_BT + (value_BT - old_value_BT).clamp(-clip, clip)
        error_BT = torch.maximum(error_BT, (moved_BT - return_BT).square())
    return 0.5 * error_BT


# --- weights -----------------------------------------------------------------------------------


def token_mean(mask_BT: Tensor, most_tokens: int) -> Tensor:
    """Every token of the batch counts the same: 1 / number of tokens.

    Source: Yu et al. 2025, DAPO (2503.14476), equation 12.
    """
    del most_tokens
    return mask_BT.float() / mask_BT.sum().clamp_min(1)


def sequence_mean(mask_BT: Tensor, most_tokens: int) -> Tensor:
    """Every completion counts the same, its tokens share: 1 / (completions times its length).

    Rows without a token are no completions.

    Source: Shao et al. 2024, DeepSeekMath (2402.03300), equation 3.
    """
    del most_tokens
    length_B1 = mask_BT.sum(-1, keepdim=True)
    return mask_BT.float() / (length_B1.clamp_min(1) * _n_rows(mask_BT))


def constant_length(mask_BT: Tensor, most_tokens: int) -> Tensor:
    """The sum over a completion's tokens over a constant: 1 / (completions times most_tokens).

    Args:
        most_tokens: The longest completion allowed.

    Source: Liu et al. 2025, Dr. GRPO (2503.20783), section 3.2 and its listing 1.
    """
    return mask_BT.float() / (most_tokens * _n_rows(mask_BT))


def sequence_sum(mask_BT: Tensor, most_tokens: int) -> Tensor:
    """The sum over a completion's tokens, the mean over completions: ln p of the whole text.

    Source: Ahmadian et al. 2024, RLOO (2402.14740), equation 6; ReMax (2310.10505), equation 5.
    """
    del most_tokens
    return mask_BT.float() / _n_rows(mask_BT)


def weighed(loss_BT: Tensor, weight_BT: Tensor) -> Tensor:
    """The sum of weight times loss; a loss of infinity or NaN at weight 0 does not count."""
    return (torch.where(weight_BT > 0, loss_BT, 0.0) * weight_BT).sum()


def _n_rows(mask_BT: Tensor) -> Tensor:
    return mask_BT.any(-1).sum().clamp_min(1)


# --- diagnostics -------------------------------------------------------------------------------


@torch.no_grad()
def diagnose(
    log_ratio_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    *,
    clip: Clip | None,
    entropy_BT: Tensor | None = None,
    reference_kl_BT: Tensor | None = None,
) -> Diagnostics:
    """What the policy did since it drew; all means NaN if no token counts."""
    log_ratio = log_ratio_BT[mask_BT].float()
    ratio, advantage = log_ratio.exp(), advantage_BT[mask_BT]
    low, high = (-torch.inf, torch.inf) if clip is None else (1 - clip.low, 1 + clip.high)
    return Diagnostics(
        n_tokens=int(mask_BT.sum()),
        clip_fraction_low=_mean((ratio < low) & (advantage < 0)),
        clip_fraction_high=_mean((ratio > high) & (advantage > 0)),
        approx_kl=_mean(torch.expm1(log_ratio) - log_ratio),
        entropy=_mean_inside(entropy_BT, mask_BT),
        reference_kl=_mean_inside(reference_kl_BT, mask_BT),
        ratio_min=float(ratio.min()) if len(ratio) else torch.nan,
        ratio_max=float(ratio.max()) if len(ratio) else torch.nan,
    )


def together(parts: Sequence[Diagnostics]) -> Diagnostics:
    """The diagnostics of a batch from those of its parts; parts without a token do not count.

    Raises:
        ValueError: There is no part.
    """
    if not parts:
        raise ValueError("diagnostics of no part at all")
    counted = [part for part in parts if part.n_tokens]
    if not counted:
        return parts[0]
    total = sum(part.n_tokens for part in counted)

    def mean(field: str) -> float:
        return sum(float(getattr(part, field)) * part.n_tokens for part in counted) / total

    return Diagnostics(
        n_tokens=total,
        clip_fraction_low=mean("clip_fraction_low"),
        clip_fraction_high=mean("clip_fraction_high"),
        approx_kl=mean("approx_kl"),
        entropy=mean("entropy"),
        reference_kl=mean("reference_kl"),
        ratio_min=min(part.ratio_min for part in counted),
        ratio_max=max(part.ratio_max for part in counted),
    )


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _mean_inside(values_BT: Tensor | None, mask_BT: Tensor) -> float:
    return torch.nan if values_BT is None else _mean(values_BT[mask_BT])
