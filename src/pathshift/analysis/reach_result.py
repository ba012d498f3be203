"""The result of a reach analysis, field by field; computed by `pathshift.analysis.reach`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pathshift.analysis.result import plain_values
from pathshift.stats.quantiles import Estimate

REACH_SCHEMA = 1

WHY_WRONG = (
    "ln p >= -ln k asks for one text to be as likely as 1/k; a right answer can be written in very "
    "many ways, so each of them is rare whoever writes it, and a model's own samples fail the test"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsoluteTest:
    """Shares that pass ln p_base >= -ln k at T=1, by k; the first is the control.

    Attributes:
        own: Of the base's own samples; None where the base run stores no ln p.
        tuned_correct: Of the tuned model's right samples; None if it has none.
    """

    k: list[int]
    own: list[float] | None
    tuned_correct: list[float] | None
    why_wrong: str = WHY_WRONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Share of the tuned model's right samples with p_tuned / p_base <= N, by N.

    Mean over problems with a right sample of each problem's share; the band holds at all N at once.

    Attributes:
        under: "policy": both models under the policies they are sampled with; "T=1": neither
            heated nor truncated.
        median_factor: Smallest N of `FACTORS` at which half is covered; None if none is.
    """

    under: str
    n_problems: int
    factor: list[int]
    share: list[float]
    low: list[float]
    high: list[float]
    median_factor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemReach:
    """One problem.

    Attributes:
        value: Mean of correct x min(p_base/p_tuned, cap): a part of the base's success rate.
        low: The base's success rate lies below it in at most 1 - level of all cases.
        effective: Effective number of samples behind the weights.
        largest: Largest weight's share of their sum.
        n_base, c_base: The base's own samples.
    """

    id: str
    n: int
    correct: int
    value: float
    low: float
    effective: float
    largest: float
    n_base: int
    c_base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Problems whose base success rate is above 1/k, false discoveries at most 1 - level.

    Attributes:
        never_solved: Those among them that the base never solved in its own samples.
        pass_low: Lower limit of the base's pass@k on these problems, from limits that hold for all
            problems at once.
    """

    k: int
    problems: int
    never_solved: int
    pass_low: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The bound against the base's own samples.

    Attributes:
        r: Correlation over problems of the estimate and c/n; None if either does not vary.
        direct: Mean of c/n.
        is_comparable: Whether both are about one policy, prompt, stop rule and token limit.
        conflicts: Problems whose direct upper limit lies below the bound's lower limit; None where
            not comparable.
        expected: At most so many by chance.
        p: Chance of so many.
    """

    r: float | None
    n_problems: int
    direct: float
    is_comparable: bool
    conflicts: int | None
    expected: float | None
    p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFacts:
    """What the weights rest on.

    Attributes:
        used, correct: Samples, and right ones among them.
        unknown: Samples that count as 0: no score, or tokens that may not be the drawn ones.
        excluded: Samples that the base's policy leaves out: a true 0.
        effective_share: Median over problems of effective samples over samples.
        largest: Median over problems of the largest weight's share.
        mean, mean_low: Mean untruncated weight over problems, at most 1 where all is right, and
            its lower limit.
    """

    used: int
    correct: int
    unknown: int
    excluded: int
    effective_share: float
    largest: float
    mean: float
    mean_low: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Everything.

    Attributes:
        bound: The base's success rate, mean over problems like these: estimate of the part that
            the tuned samples show, its lower limit, and 1, since nothing bounds it from above.
        alarms: Why not to trust the scores; empty if nothing speaks against them.
    """

    sentence: str
    n_problems: int
    bound: Estimate
    absolute: AbsoluteTest
    profiles: list[Profile]
    certified: list[Certified]
    agreement: Agreement
    weights: WeightFacts
    problems: list[ProblemReach]
    alarms: list[str]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values({"schema": REACH_SCHEMA, **asdict(self)})
        return plain
