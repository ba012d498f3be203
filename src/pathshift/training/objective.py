"""An algorithm as data: one frozen record of settings and functions, and what it does to a batch.

The loop is the same for all algorithms: draw groups, judge, `credit`, then for each part of the
batch `policy_loss`, whose `weights` come from the whole batch, so that the parts' losses add up to
the loss of the batch. The algorithms themselves stand in `algorithms.py`.

Does not cover: drawing, judging, the reference's log-probabilities, the value head, the optimizer.

Shapes: G prompts, N samples of each, B = G * N rows in that order, T tokens of the completions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from pathshift.errors import ConfigError
from pathshift.training import advantages, losses
from pathshift.training.losses import Clip, Diagnostics

KlPlace = Literal["loss", "reward"]
"""Where a penalty for leaving the reference acts: k3 in the loss, or k1 in each token's reward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A batch of judged samples, as credit is given to it.

    Attributes:
        rewards_GN: fp32; what stands where there is no verdict is not looked at.
        is_judged_GN: False where a verdict failed.
        mask_BT: True at the completion's tokens, its end token included, in one piece a row.
        greedy_G: Rewards of the greedy completions, where the algorithm asks for them; NaN where
            the verdict failed.
        kl_BT: ln p - ln p_reference of the tokens drawn (k1), where the penalty is in the reward.
        value_BT: The value head's estimates, without gradient, where the algorithm asks for them.
    """

    rewards_GN: Tensor
    is_judged_GN: Tensor
    mask_BT: Tensor
    greedy_G: Tensor | None = None
    kl_BT: Tensor | None = None
    value_BT: Tensor | None = None


class Estimate(NamedTuple):
    """Advantages, and for a value head what it should have said; both (B, T)."""

    advantage_BT: Tensor
    return_BT: Tensor | None


class Credit(NamedTuple):
    """What each token is worth, without gradient.

    Attributes:
        advantage_BT: 0 where the mask is False.
        return_BT: What the value head should have said; None if there is no value head.
        mask_BT: The tokens that count: of judged samples, in groups that are kept.
        is_kept_G: False for groups that the algorithm leaves out of the batch.
    """

    advantage_BT: Tensor
    return_BT: Tensor | None
    mask_BT: Tensor
    is_kept_G: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows of a batch, as their loss is computed.

    Attributes:
        logp_BT: ln p of the tokens drawn, with gradient, under the policy they were drawn with
            (its temperature).
        old_logp_BT: The same when they were drawn (`sampling_logprob` of the engine).
        advantage_BT: These rows of `Credit`.
        mask_BT: The same.
        weight_BT: These rows of `Algorithm.weights` of the whole batch.
        reference_logp_BT: ln p under the reference; needed where `kl_place` is "loss" and the
            coefficient is not 0, otherwise only reported.
        entropy_BT: In nats, with gradient; needed where `entropy_coefficient` is not 0, otherwise
            only reported.
    """

    logp_BT: Tensor
    old_logp_BT: Tensor
    advantage_BT: Tensor
    mask_BT: Tensor
    weight_BT: Tensor
    reference_logp_BT: Tensor | None = None
    entropy_BT: Tensor | None = None

    def inside(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """logp, reference_logp and entropy, with 0 outside the mask."""
        optional = [
            None if values_BT is None else torch.where(self.mask_BT, values_BT, 0.0)
            for values_BT in (self.reference_logp_BT, self.entropy_BT)
        ]
        return torch.where(self.mask_BT, self.logp_BT, 0.0), optional[0], optional[1]


class PolicyLoss(NamedTuple):
    """The loss of a part (a scalar with gradient) and what it tells about the step."""

    loss: Tensor
    diagnostics: Diagnostics


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm; `dataclasses.replace` changes a setting.

    Attributes:
        source: The paper.
        estimate: From a batch and this record to advantages (and returns) of its tokens.
        aggregate: From the mask of a batch and the longest completion allowed to weights.
        clip: How far a ratio may go; None for REINFORCE, which has no ratio.
        ratio: Of each token, or of the whole completion.
        needs_value: The batch must hold `value_BT`, and the returns train the value head.
        needs_greedy: The batch must hold `greedy_G`.
        filters_groups: Groups without spread are left out of the batch, and more may be drawn.
        kl_place: Where the penalty acts if `kl_coefficient` is not 0.
        corrects_kl: k3 in the loss times the ratio, whose gradient counts (DeepSeek-V3.2,
            2512.02556; TRL's default). In the mean it then climbs down each token's
            KL(p || p_reference); without it KL(p_reference || p), as DeepSeekMath's does.
        entropy_coefficient: What a nat of entropy a token is worth in the loss.
        epochs: Passes over each batch.
        k: Of pass@k, for the algorithm that climbs it; None for the others.
        gamma: Discount a token.
        lam: Lambda of the generalised advantage estimate.
        value_coefficient: Weight of the value head's loss.
        value_clip: How far a value may move from its old one within a batch; None for any way.

    Raises:
        ConfigError: A setting is out of its range.
    """

    name: str
    source: str
    estimate: Callable[[Scored, Algorithm], Estimate]
    aggregate: Callable[[Tensor, int], Tensor]
    clip: Clip | None = Clip(0.2, 0.2)  # noqa: RUF009 - a NamedTuple, immutable
    ratio: Literal["token", "sequence"] = "token"
    needs_value: bool = False
    needs_greedy: bool = False
    filters_groups: bool = False
    kl_place: KlPlace = "loss"
    kl_coefficient: float = 0.0
    corrects_kl: bool = False
    entropy_coefficient: float = 0.0
    epochs: int = 1
    k: int | None = None
    gamma: float = 1.0
    lam: float = 1.0
    value_coefficient: float = 0.1
    value_clip: float | None = 0.2

    def __post_init__(self) -> None:
        _require_settings(self)

    @property
    def needs_reference(self) -> bool:
        """Whether a penalty to a reference acts at all."""
        return self.kl_coefficient != 0

    @torch.no_grad()
    def credit(self, scored: Scored) -> Credit:
        """What each token of a batch is worth.

        Raises:
            ValueError: The batch lacks what this algorithm needs.
        """
        self._require_inputs(scored)
        is_kept_G = torch.ones_like(scored.is_judged_GN[:, 0])
        if self.filters_groups:
            is_kept_G = advantages.has_spread(scored.rewards_GN, scored.is_judged_GN)
        is_counted_B1 = (scored.is_judged_GN & is_kept_G[:, None]).reshape(-1, 1)
        counted_BT = scored.mask_BT & is_counted_B1
        estimate = self.estimate(replace(scored, mask_BT=counted_BT), self)
        advantage_BT = torch.where(counted_BT, estimate.advantage_BT, 0.0)
        return Credit(advantage_BT, estimate.return_BT, counted_BT, is_kept_G)

    def weights(self, mask_BT: Tensor, most_tokens: int) -> Tensor:
        """The weight of each token's loss, (B, T); they sum to 1 or less or more, see `losses`.

        Args:
            mask_BT: `Credit.mask_BT` of all rows of one optimizer step.
            most_tokens: The longest completion allowed.
        """
        return self.aggregate(mask_BT, most_tokens)

    def policy_loss(self, part: Part) -> PolicyLoss:
        """The loss of some rows: the surrogate, plus k3 to the reference, less the entropy bonus.

        All three are added up with the same weights.

        Raises:
            ValueError: The part lacks what this algorithm needs.
        """
        ratio = losses.token_log_ratio if self.ratio == "token" else losses.sequence_log_ratio
        log_ratio_BT = ratio(part.logp_BT, part.old_logp_BT, part.mask_BT)
        # What stands outside the mask may be infinite, and 0 times infinity is no gradient of 0.
        logp_BT, reference_logp_BT, entropy_BT = part.inside()
        if self.clip is None:
            loss_BT = losses.reinforce(logp_BT, part.advantage_BT)
        else:
            loss_BT = losses.clipped_surrogate(log_ratio_BT, part.advantage_BT, self.clip)
        kl_BT = None if reference_logp_BT is None else losses.k3(logp_BT, reference_logp_BT)
        if self.kl_place == "loss" and self.kl_coefficient:
            penalty_BT = given(kl_BT, "reference_logp_BT")
            if self.corrects_kl:
                penalty_BT = penalty_BT * log_ratio_BT.exp()
            loss_BT = loss_BT + self.kl_coefficient * penalty_BT
        if self.entropy_coefficient:
            loss_BT = loss_BT - self.entropy_coefficient * given(entropy_BT, "entropy_BT")
        diagnostics = losses.diagnose(
            log_ratio_BT, part.advantage_BT, part.mask_BT, clip=self.clip,
            entropy_BT=entropy_BT, reference_kl_BT=kl_BT,
        )  # fmt: skip
        return PolicyLoss(losses.weighed(loss_BT, part.weight_BT), diagnostics)

    def value_loss(
        self, value_BT: Tensor, old_value_BT: Tensor, return_BT: Tensor, weight_BT: Tensor
    ) -> Tensor:
        """The value head's loss of some rows, with its coefficient; a scalar with gradient."""
        error_BT = losses.value_error(value_BT, old_value_BT, return_BT, self.value_clip)
        return self.value_coefficient * losses.weighed(error_BT, weight_BT)

    def settings(self) -> dict[str, Any]:
        """All settings as plain values, functions by their names; for `training.json`."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def _require_inputs(self, scored: Scored) -> None:
        if self.needs_value:
            given(scored.value_BT, "value_BT")
        if self.needs_greedy:
            given(scored.greedy_G, "greedy_G")
        if self.kl_place == "reward" and self.kl_coefficient:
            given(scored.kl_BT, "kl_BT")


def given(value: Tensor | None, field: str) -> Tensor:
    """The value.

    Raises:
        ValueError: It is None.
    """
    if value is None:
        raise ValueError(f"this algorithm needs {field}, and it was not given")
    return value


def _require_settings(a: Algorithm) -> None:
    clip = a.clip or Clip()
    rules = (
        ("epochs", a.epochs, a.epochs >= 1, "at least 1"),
        ("kl_coefficient", a.kl_coefficient, 0 <= a.kl_coefficient < math.inf, "0 or more"),
        (
            "entropy_coefficient",
            a.entropy_coefficient,
            math.isfinite(a.entropy_coefficient),
            "finite",
        ),
        ("gamma", a.gamma, 0 < a.gamma <= 1, "in (0, 1]"),
        ("lam", a.lam, 0 <= a.lam <= 1, "in [0, 1]"),
        ("k", a.k, a.k is None or a.k >= 1, "at least 1"),
        ("value_coefficient", a.value_coefficient, 0 < a.value_coefficient < math.inf, "above 0"),
        ("value_clip", a.value_clip, a.value_clip is None or a.value_clip > 0, "above 0"),
        ("clip.low", clip.low, 0 < clip.low <= 1, "in (0, 1]"),
        ("clip.high", clip.high, clip.high > 0, "above 0"),
    )
    for field, value, holds, rule in rules:
        if not holds:
            raise ConfigError(f"{a.name}: {field} must be {rule}, got {value}")
    if a.clip is None and a.epochs > 1:
        raise ConfigError(
            f"{a.name}: {a.epochs} epochs need a ratio, and without a clip there is none; "
            "set epochs to 1 or a clip"
        )


def _plain(value: Any) -> Any:
    if callable(value):
        return value.__name__
    return list(value) if isinstance(value, Clip) else value
