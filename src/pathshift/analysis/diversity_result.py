"""The result of a comparison of diversity, field by field; computed by `analysis.diversity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pathshift.analysis.result import plain_values

READING = (
    "from 1 (all correct samples of a problem took one path) to m (no two alike), m being the "
    "smaller of the two numbers of correct samples; no blind sampler is defined for it"
)
"""The scale of the numbers of paths, in place of a floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Means over problems of both sides and how they differ.

    Attributes:
        n_problems: Problems in the means.
        m: Mean number of samples to which both sides of a problem were brought.
        difference: tuned minus base, with its interval `low`, `high`.
        ratio: tuned over base, with its interval; None where the base's mean is 0.
    """

    n_problems: int
    m: float
    base: float
    tuned: float
    difference: float
    low: float
    high: float
    ratio: float | None
    ratio_low: float
    ratio_high: float

    @property
    def word(self) -> str:
        """One of more, less and undecided: whether the interval excludes 0."""
        return "more" if self.low > 0 else "less" if self.high < 0 else "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Distinct paths in m correct samples, over the problems that have so many on both sides.

    The problems change with m, so two points differ by more than m; each interval is by itself.
    """

    m: int
    paths: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePaths:
    """One side's correct samples, means over the problems of `Diversity.paths`.

    Attributes:
        correct: Correct samples a problem.
        distinct: Distinct paths among all of them: not comparable between sides.
        coverage: Share of what this side does when right that the paths seen make up (Good-Turing).
        same: Chance that two correct samples take one path.
        effective: Equally frequent paths that would give that chance; None if no two were alike.
        fewest: Lower bound of all paths this side has (Chao 1984); a hint.
        kinds: Share of correct samples by the most certain kind that each has.
        left_out: Share of correct samples without a path of their problem's kind.
    """

    correct: float
    distinct: float
    coverage: float
    same: float
    effective: float | None
    fewest: float
    kinds: Mapping[str, float]
    left_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDiversity:
    """One problem: `base` and `tuned` are the distinct paths expected in m correct samples."""

    id: str
    kind: str
    m: int
    base: float
    tuned: float
    correct_base: int
    correct_tuned: int
    distinct_base: int
    distinct_tuned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Distinct correct paths and the entropy of answers, base against tuned.

    Attributes:
        scale: Badge of the models' size.
        n_problems: Problems that both runs have.
        paths: Distinct paths among equally many correct samples, over the problems that both sides
            solved at least twice; None if there is none.
        reading: The scale of the numbers of paths.
        sides: More of `base` and `tuned`, at their own numbers of correct samples.
        curve: The same at m = 2, 4, 8, ...
        by_kind: The same by the kind of path that told them apart.
        answer_entropy: Entropy of the answers in nats, as far as equally many answered samples tell
            (a lower bound); all right answers are one. None if no problem has two on both sides.
        problems: One row for each problem in `paths`.
        notes: One line each: what to know before trusting the numbers.
    """

    names: Mapping[str, str]
    scale: str
    n_problems: int
    paths: Estimate | None
    reading: str = READING
    sides: Mapping[str, SidePaths] = field(default_factory=dict)
    curve: list[CurvePoint] = field(default_factory=list)
    by_kind: Mapping[str, Estimate] = field(default_factory=dict)
    answer_entropy: Estimate | None = None
    problems: list[ProblemDiversity] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The finding in one sentence."""
        found = self.paths
        if found is None:
            return "undecided: no problem has two correct samples on both sides"
        count = "1 problem" if found.n_problems == 1 else f"{found.n_problems} problems"
        verdict = "undecided" if found.word == "undecided" else f"{found.word} diverse after tuning"
        return (
            f"{verdict}: {found.m:.1f} correct samples a side hold {found.base:.1f} distinct paths "
            f"in {self.names['base']} and {found.tuned:.1f} in {self.names['tuned']}, difference "
            f"{found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}] "
            f"({count}, {self.scale})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where a number is undefined. Holds `summary` as well."""
        plain: dict[str, Any] = plain_values({**asdict(self), "summary": self.summary})
        return plain
