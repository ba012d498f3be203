"""What `pathshift intervene` found, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pathshift.analysis.result import plain_values

SCHEMA = 1


class Estimate(NamedTuple):
    """A value with its interval; None where nothing was measured or a count of zero leaves none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One source at one length.

    Attributes:
        length: In the result's unit; 0 is the base alone.
        problems: With a prefix that was given.
        prefixes: Given, over all problems.
        leaked: Left out because the answer stands in them.
        short: Left out because the sample is no longer than that.
        completion: Mean success over problems, the band simultaneous over lengths.
        gain: The same minus the base alone on the same problems.
    """

    length: float
    problems: int
    prefixes: int
    leaked: int
    short: int
    completion: Estimate
    gain: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Whose beginnings were given (`store.prefixes.SOURCES`), by length."""

    source: str
    points: list[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """log(p_tuned / p_base) = access + execution, natural logs of ratios of mean success.

    Attributes:
        problems: That both models completed from a prefix of this length.
        share: access / total; told only where the total's band excludes 0.
    """

    length: float
    problems: int
    total: Estimate
    access: Estimate
    execution: Estimate
    share: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPath:
    """One problem: counts (correct, judged), and the split where no count is 0.

    Attributes:
        base: The base alone.
        tuned: The tuned model alone, freshly drawn; None if it was not asked.
        right: By length, the base from right beginnings of the tuned model.
        tuned_right: By length, the tuned model from the same.
        access, execution: By length; None where a count of 0 leaves no ratio.
            These two and `tuned_right` are empty if the tuned model was not asked.
    """

    id: str
    cluster: str
    base: tuple[int, int]
    tuned: tuple[int, int] | None
    right: list[tuple[int, int] | None]
    tuned_right: list[tuple[int, int] | None]
    access: list[float | None]
    execution: list[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Everything `pathshift intervene` found.

    Attributes:
        names: What to call `base` and `tuned`: model specs.
        unit: What lengths count: tokens (of the tuned model), words, or shares of characters.
        n: Samples of every prefix.
        curves: One a source; the first is the tuned model's right beginnings.
        over_wrong: By length, right minus wrong beginnings on problems with both.
        certified: Lengths at which completion is certified above the base alone.
        certified_from: The smallest length from which on all measured ones are certified; or None.
        splits: None if the tuned model was not asked.
    """

    names: Mapping[str, str]
    unit: str
    n: int
    n_problems: int
    n_clusters: int
    lengths: list[float]
    curves: list[Curve]
    over_wrong: list[Estimate]
    certified: list[float]
    certified_from: float | None
    splits: list[Split] | None
    sentence: str
    problems: list[ProblemPath]
    notes: list[str]
    settings: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what `--json` writes."""
        plain: dict[str, Any] = plain_values({"schema": SCHEMA, **asdict(self)})
        return plain
