"""Rewards to advantages: pure tensor functions, one for each way of the papers.

A sample whose verdict failed has no reward and no penalty: it stands in no mean and in no standard
deviation, and its advantage is 0. So is that of every sample whose group tells nothing: all judged
rewards are equal, or too few are judged for the estimate to be defined. Nothing has a gradient.

Does not cover: which reward an answer gets, and the loss (`losses.py`).

Shapes: G prompts, N samples of each, B rows, T tokens of the completions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-4
"""Added to a group's standard deviation, as TRL does; it tames rewards that hardly differ."""
WHITENING_EPSILON = 1e-8
"""Added to the variance over the tokens of a batch, as verl does."""


class Generalised(NamedTuple):
    """Advantages and what the values should have been, (B, T); 0 outside the mask."""

    advantage_BT: Tensor
    return_BT: Tensor


# --- rewards -----------------------------------------------------------------------------------


def random_rewards(rewards: Tensor, *, seed: int) -> Tensor:
    """Control: a fair coin, 0 or 1, in place of each reward, whatever the answer was.

    Source: Shao et al. 2025 (2506.10947), the random reward with probability one half.
    """
    generator = torch.Generator().manual_seed(seed)
    coin = torch.rand(rewards.shape, generator=generator, dtype=torch.float64) < 0.5
    return coin.to(device=rewards.device, dtype=rewards.dtype)


def wrong_sign_rewards(rewards: Tensor) -> Tensor:
    """Control: the negated reward, which pays for what the verifier refuses."""
    return -rewards


def penalised_rewards(
    rewards_GN: Tensor, kl_BT: Tensor, mask_BT: Tensor, *, coefficient: float
) -> Tensor:
    """Rewards less the coefficient times the completion's log ratio to the reference, (G, N).

    The sum over a completion of k1 = ln p - ln p_reference estimates the KL divergence of the two
    distributions over completions.

    Source: Ahmadian et al. 2024 (2402.14740), section 2, the KL-shaped reward.
    """
    kl_B = torch.where(mask_BT, kl_BT, 0.0).sum(-1)
    return rewards_GN - coefficient * kl_B.view_as(rewards_GN)


def token_rewards(
    rewards_GN: Tensor, kl_BT: Tensor | None, mask_BT: Tensor, *, coefficient: float
) -> Tensor:
    """The reward at each completion's last token, less the coefficient times k1 at every token.

    Returns:
        (B, T); 0 outside the mask.

    Source: Ouyang et al. 2022 (2203.02155), equation 2; token by token as in 2501.03262.
    """
    place_T = torch.arange(1, mask_BT.shape[-1] + 1, device=mask_BT.device)
    last_B1 = (mask_BT * place_T).amax(-1, keepdim=True)
    is_last_BT = place_T == last_B1  # nowhere in a row without a token
    reward_BT = torch.where(is_last_BT, rewards_GN.reshape(-1, 1), 0.0)
    if kl_BT is None:
        return reward_BT
    return reward_BT - coefficient * torch.where(mask_BT, kl_BT, 0.0)


# --- groups ------------------------------------------------------------------------------------


def group_normalised(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    """(r - mean) / (std + `EPSILON`) within each group, std with n - 1.

    Source: Shao et al. 2024, DeepSeekMath (2402.03300), section 4.1.2, outcome supervision.
    """
    std_G1 = _variance(rewards_GN, is_judged_GN).sqrt()
    return _told(_centred(rewards_GN, is_judged_GN) / (std_G1 + EPSILON), rewards_GN, is_judged_GN)


def group_centred(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    """r - mean within each group: no division, which would favour easy and hard prompts.

    Source: Liu et al. 2025, Dr. GRPO (2503.20783), section 3.2.
    """
    return _told(_centred(rewards_GN, is_judged_GN), rewards_GN, is_judged_GN)


def leave_one_out(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    """r less the mean of the group's other rewards: n / (n - 1) times r - mean.

    Unbiased: the baseline of a sample does not depend on that sample.

    Source: Ahmadian et al. 2024, RLOO (2402.14740), section 3.2.
    """
    n_G1 = is_judged_GN.sum(-1, keepdim=True).double()
    factor_G1 = n_G1 / (n_G1 - 1).clamp_min(1)
    return _told(_centred(rewards_GN, is_judged_GN) * factor_G1, rewards_GN, is_judged_GN)


def greedy_baseline(rewards_GN: Tensor, is_judged_GN: Tensor, greedy_G: Tensor) -> Tensor:
    """r less the reward of the prompt's greedy completion; 0 where that one is NaN (no verdict).

    Source: Li et al. 2023, ReMax (2310.10505), equation 5 and algorithm 1.
    """
    over_GN = rewards_GN.double() - greedy_G.double()[:, None]
    has_reward_GN = is_judged_GN & ~greedy_G.isnan()[:, None]
    return torch.where(has_reward_GN, over_GN, 0.0).float()


def pass_at_k_gradient(rewards_GN: Tensor, is_judged_GN: Tensor, *, k: int) -> Tensor:
    """What each sample adds to the best of k: the unbiased gradient of pass@k from n >= k samples.

    Of a group's n judged samples: k times the mean, over all sets of k that hold sample i, of the
    set's best reward less the best of the set without i. For rewards 0 and 1 that is
    n C(n - c, k - 1) / C(n, k) for each of c correct samples and 0 for the others. The best
    without i reduces the variance and no more: it does not depend on sample i. Rewards may be any
    numbers; then it is the gradient of the expected best of k. For k = 1, where nothing is left of
    a set without i, the baseline is the mean of the other samples: `leave_one_out`.

    Returns:
        (G, N); 0 in a group with fewer than k judged samples, which cannot estimate pass@k.

    Source: Walder and Karkhanis 2025 (2505.15201), equation 33; equation 29 for k = 1; both times
    n, because the losses here take the mean over samples where the paper takes the sum.

    Raises:
        ValueError: k is not in 1..N.
    """
    if not 1 <= k <= rewards_GN.shape[-1]:
        raise ValueError(f"pass@{k} needs groups of at least {max(1, k)}, got {rewards_GN.shape}")
    if k == 1:
        return leave_one_out(rewards_GN, is_judged_GN)
    # Sample i raises the maximum of a set by r_i - r_j if j is the best of the others. With the
    # judged in rising order those sets are the k - 2 others from below j. Equal rewards may stand
    # in any order: where r_i = r_j nothing is added.
    judged_GN = torch.where(is_judged_GN, rewards_GN.double(), torch.inf)
    n_G1 = is_judged_GN.sum(-1, keepdim=True)
    rank_GN = judged_GN.argsort(dim=-1, stable=True).argsort(dim=-1)
    sets_GN = (_log_choose(rank_GN, k - 2) - _log_choose(n_G1, k)).exp() * is_judged_GN
    sets_GN = torch.where(n_G1 >= k, sets_GN, 0.0)
    value_GN = torch.where(is_judged_GN, rewards_GN.double(), 0.0)
    raised_GNN = (value_GN[:, :, None] - value_GN[:, None, :]).clamp_min(0)
    share_GN = (raised_GNN * sets_GN[:, None, :]).sum(-1)
    return torch.where(is_judged_GN, n_G1 * share_GN, 0.0).float()


def has_spread(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    """Which groups hold two judged samples with different rewards, (G,) bool.

    For rewards of right and wrong these are the groups that DAPO's dynamic sampling keeps: neither
    all right nor all wrong.

    Source: Yu et al. 2025, DAPO (2503.14476), equation 11.
    """
    top_G = torch.where(is_judged_GN, rewards_GN, -torch.inf).amax(-1)
    bottom_G = torch.where(is_judged_GN, rewards_GN, torch.inf).amin(-1)
    return top_G > bottom_G


def zero_variance_share(rewards_GN: Tensor, is_judged_GN: Tensor) -> float | None:
    """Share of the groups with a judged sample whose judged rewards are all equal.

    Returns:
        In 0..1; None if nothing was judged.
    """
    has_any_G = is_judged_GN.any(-1)
    if not bool(has_any_G.any()):
        return None
    flat_G = ~has_spread(rewards_GN, is_judged_GN)
    return float(flat_G[has_any_G].double().mean())


# --- tokens ------------------------------------------------------------------------------------


def generalised(
    reward_BT: Tensor, value_BT: Tensor, mask_BT: Tensor, *, gamma: float, lam: float
) -> Generalised:
    """The generalised advantage estimate: A_t = sum over l of (gamma lambda)^l delta_(t+l).

    delta_t = r_t + gamma V_(t+1) - V_t, and V is 0 after a completion's last token.

    Args:
        value_BT: V of the text before each token.
        mask_BT: In one piece a row.

    Source: Schulman et al. 2015 (1506.02438), equation 16.

    Raises:
        ValueError: A row of the mask has a gap.
    """
    _require_one_piece(mask_BT)
    value_BT = torch.where(mask_BT, value_BT, 0.0)
    next_BT = torch.nn.functional.pad(value_BT[:, 1:], (0, 1))
    delta_BT = torch.where(mask_BT, reward_BT + gamma * next_BT - value_BT, 0.0)
    advantage_BT = _discounted(delta_BT, gamma * lam) * mask_BT
    return Generalised(advantage_BT, advantage_BT + value_BT)


def to_go(reward_BT: Tensor, mask_BT: Tensor, *, gamma: float) -> Tensor:
    """The discounted sum of the rewards from each token on, (B, T); 0 outside the mask.

    Source: Hu et al. 2025, REINFORCE++ (2501.03262), its advantage before normalisation.

    Raises:
        ValueError: A row of the mask has a gap.
    """
    _require_one_piece(mask_BT)
    return _discounted(torch.where(mask_BT, reward_BT, 0.0), gamma) * mask_BT


def whitened(advantage_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the tokens of the whole batch; 0 outside the mask.

    A long completion weighs with all its tokens, as in verl and OpenRLHF. All 0 where the tokens
    do not differ.

    Source: Hu et al. 2025, REINFORCE++ (2501.03262), global advantage normalisation.
    """
    inside = advantage_BT[mask_BT].double()
    if inside.numel() < 2 or bool(inside.max() == inside.min()):
        return torch.zeros_like(advantage_BT)
    scaled_BT = (advantage_BT.double() - inside.mean()) / (inside.var() + WHITENING_EPSILON).sqrt()
    return torch.where(mask_BT, scaled_BT, 0.0).to(advantage_BT.dtype)


# --- helpers: fp64, so that a sum over a group costs no digits -----------------------------------


def _centred(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    kept_GN = torch.where(is_judged_GN, rewards_GN.double(), 0.0)
    n_G1 = is_judged_GN.sum(-1, keepdim=True).clamp_min(1)
    return torch.where(is_judged_GN, kept_GN - kept_GN.sum(-1, keepdim=True) / n_G1, 0.0)


def _variance(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    n_G1 = is_judged_GN.sum(-1, keepdim=True)
    squares_G1 = _centred(rewards_GN, is_judged_GN).square().sum(-1, keepdim=True)
    return squares_G1 / (n_G1 - 1).clamp_min(1)


def _told(advantage_GN: Tensor, rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    """Exactly 0 in a group without spread, where rounding would leave something else."""
    return torch.where(has_spread(rewards_GN, is_judged_GN)[:, None], advantage_GN, 0.0).float()


def _log_choose(n: Tensor, k: int) -> Tensor:
    """ln C(n, k), fp64; -inf where n < k."""
    n = n.double()
    found = (n + 1).lgamma() - torch.lgamma(torch.tensor(k + 1.0, dtype=torch.float64))
    found = found - (n - k + 1).clamp_min(1).lgamma()
    return torch.where(n >= k, found, -torch.inf)


def _discounted(value_BT: Tensor, discount: float) -> Tensor:
    running_B = torch.zeros_like(value_BT[:, 0])
    out_BT = torch.empty_like(value_BT)
    for place in reversed(range(value_BT.shape[-1])):
        running_B = value_BT[:, place] + discount * running_B
        out_BT[:, place] = running_B
    return out_BT


def _require_one_piece(mask_BT: Tensor) -> None:
    starts_B = (mask_BT[:, 1:] & ~mask_BT[:, :-1]).sum(-1) + mask_BT[:, 0]
    if bool((starts_B > 1).any()):
        row = int(starts_B.argmax())
        raise ValueError(f"the tokens of row {row} must stand in one piece, the mask has a gap")
