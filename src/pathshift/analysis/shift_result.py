"""The result of a shift analysis, field by field; computed by `pathshift.analysis.shift`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pathshift.analysis.result import plain_values
from pathshift.stats.quantiles import Estimate

SHIFT_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShift:
    """Tokens of one kind; every problem weighs the same. Nats.

    Attributes:
        mean: Mean change of ln p, tuned minus base, a token.
        size: Mean absolute change.
        share: Part of the summed change of all tokens; may be negative or above 1.
        base_entropy, tuned_entropy: Mean entropy of either model at these tokens.
    """

    name: str
    n_tokens: int
    mean: Estimate
    size: Estimate
    share: float
    base_entropy: float
    tuned_entropy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One token with what stood before it, control characters escaped."""

    problem_id: str
    sample_no: int
    position: int
    context: str
    token: str
    change: float
    base_logprob: float
    tuned_logprob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShift:
    """One kind of token: how often it stood there, and its mean change with the largest of it."""

    token: str
    count: int
    mean: float
    total: float
    example: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideShift:
    """One run's samples.

    Attributes:
        samples: "base" or "tuned".
        left_out: Samples without token scores of the same tokens by both models.
        infinite: Tokens that one of the models cannot say at all, left out of all means.
        per_sample: Summed change a sample at T=1.
        divergence: Kullback-Leibler divergence a sample, from the model that drew to the other,
            both under their policies; None where a policy is unknown, infinite where the other's
            policy leaves out what was drawn (then also None in JSON).
        excluded: Samples that the other's policy leaves out.
        entrance: Mean absolute change before the first operation over that after it.
        by_position: Bins 0, 1, 2-3, 4-7, ...
        by_decile: Tenths of the sample's length.
    """

    samples: str
    n_problems: int
    n_samples: int
    n_tokens: int
    left_out: int
    infinite: int
    per_sample: Estimate
    divergence: Estimate | None
    excluded: int
    base_entropy: Estimate
    tuned_entropy: Estimate
    entrance: Estimate
    by_class: list[GroupShift]
    by_phase: list[GroupShift]
    by_fork: list[GroupShift]
    by_position: list[GroupShift]
    by_decile: list[GroupShift]
    raised: list[TokenShift]
    lowered: list[TokenShift]
    largest: list[Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Everything.

    Attributes:
        fork_entropy: A token is a fork where the base's entropy is above this, in nats.
        tuned: The tuned model's samples.
        base: The base's own, as control; None where the tuned model has not scored them.
    """

    sentence: str
    n_problems: int
    fork_quantile: float
    fork_entropy: float
    tuned: SideShift
    base: SideShift | None
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values({"schema": SHIFT_SCHEMA, **asdict(self)})
        return plain
