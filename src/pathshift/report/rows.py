"""The rows of data behind each chart: thinned, rounded, undefined values left out.

Plain lists of dicts, as a chart specification embeds them. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from pathshift.analysis.result import Comparison, ProblemRow, Range
from pathshift.report.formats import interval, is_number, reached

Row = dict[str, Any]

MOST_POINTS = 160
"""Points drawn of a curve: more than a screen can show apart, less than a file should hold."""
MOST_IDS = 6
"""Problem ids named in the tooltip of one point of the scatter plot."""
ID_LENGTH = 60
DIGITS = 6


class Certified(Protocol):
    """Anything with certified ranges on one axis."""

    @property
    def k(self) -> list[int]:
        """The axis."""
        ...

    @property
    def gain_certified(self) -> list[Range]:
        """Where the tuned model is certain to be ahead."""
        ...

    @property
    def loss_certified(self) -> list[Range]:
        """Where it is certain to be behind."""
        ...


def drawn(k: Sequence[int]) -> list[int]:
    """Positions in `k` that a log axis needs: all if few, else evenly spread by ln k.

    >>> drawn([1, 2, 4])
    [0, 1, 2]
    >>> len(drawn(range(1, 1025))) <= MOST_POINTS
    True
    """
    if len(k) <= MOST_POINTS:
        return list(range(len(k)))
    wanted = np.geomspace(k[0], k[-1], MOST_POINTS)
    found = np.searchsorted(np.asarray(k), wanted, side="right") - 1
    return sorted({0, len(k) - 1, *(int(i) for i in found)})


def curve_rows(result: Comparison) -> list[Row]:
    """One row a k: both curves, the floor, the difference and all bands."""
    columns = (
        "base", "base_low", "base_high", "tuned", "tuned_low", "tuned_high",
        "difference", "low", "high",
    )  # fmt: skip
    lists = {name: getattr(result, name) for name in columns}
    if result.floor is not None:
        lists["floor"] = result.floor
    return [
        {"k": result.k[i], **_defined({name: values[i] for name, values in lists.items()})}
        for i in drawn(result.k)
    ]


def long_rows(wide: Iterable[Row]) -> list[Row]:
    """The three curves below each other: `curve`, `value`, `low`, `high`."""
    return [
        {"k": row["k"], "curve": name, "value": row[name]}
        | {end: row[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in row}
        for row in wide
        for name in ("base", "tuned", "floor")
        if name in row
    ]


def worth_rows(result: Comparison) -> list[Row]:
    """Amplification by k: `base_k` where it exists, `low`, and `high` cut at the base's samples.

    A k whose lower end already lies above the base's samples has nothing to draw. A lower end of
    zero has no place on a log axis: it is cut at the smallest positive value, at most 1.
    """
    curve, k_max = result.amplification.curve, result.k[-1]
    table = zip(*(curve[name] for name in ("k", "base_k", "low", "high")), strict=True)
    found = [row for row in table if is_number(row[2])]
    positive = [v for row in found for v in row[1:3] if is_number(v) and v > 0]
    least = _round(min([1.0, *positive]))
    return [_worth_row(found[i], least, k_max) for i in drawn([row[0] for row in found])]


def _worth_row(values: tuple[Any, ...], least: float, k_max: int) -> Row:
    k, base_k, low, high = values
    return {
        "k": k,
        "low": max(_round(low), least),
        "high": _round(high) if is_number(high) else k_max,
        "interval": interval(low, high, lambda end: reached(end, k_max)),
    } | _defined({"base_k": base_k} if is_number(base_k) and base_k > 0 else {})


def scatter_rows(problems: Iterable[ProblemRow]) -> list[Row]:
    """One row for all problems with the same counts, in the order of the counts."""
    groups: dict[tuple[int, int, int, int], list[str]] = defaultdict(list)
    for row in problems:
        groups[row.c_base, row.n_base, row.c_tuned, row.n_tuned].append(row.id)
    return [_scatter_row(counts, groups[counts]) for counts in sorted(groups)]


def _scatter_row(counts: tuple[int, int, int, int], ids: list[str]) -> Row:
    c_base, n_base, c_tuned, n_tuned = counts
    more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
    return {
        "base_rate": _share(c_base, n_base),
        "tuned_rate": _share(c_tuned, n_tuned),
        "solved_by": solved_by(c_base, c_tuned),
        "base": f"{c_base} of {n_base}",
        "tuned": f"{c_tuned} of {n_tuned}",
        "problems": len(ids),
        "ids": ", ".join(name[:ID_LENGTH] for name in ids[:MOST_IDS]) + more,
    }


def solved_by(c_base: int, c_tuned: int) -> str:
    """Which model solved a problem at least once in all its samples.

    >>> solved_by(0, 3)
    'tuned only'
    """
    if c_base and c_tuned:
        return "both"
    if c_base:
        return "base only"
    return "tuned only" if c_tuned else "neither"


def certified_rows(result: Certified) -> list[Row]:
    """The certified ranges of k as stretches of the log axis, `start` to `end`."""
    kinds = (("gain certified", result.gain_certified), ("loss certified", result.loss_certified))
    return [
        {"kind": kind, **_stretch(found, result.k)} for kind, ranges in kinds for found in ranges
    ]


def _stretch(found: Range, k: list[int]) -> Row:
    """A range reaches half way (by ln k) to the next k on either side: a single k has a width."""
    before = max((x for x in k if x < found.low), default=found.low)
    after = min((x for x in k if x > found.high), default=found.high)
    start, end = (found.low * before) ** 0.5, (found.high * after) ** 0.5
    return {"start": _round(start), "end": _round(end)}


def _share(part: int, whole: int) -> float:
    return _round(part / whole) if whole else 0.0


def _defined(values: Row) -> Row:
    return {name: _round(value) for name, value in values.items() if is_number(value)}


def _round(value: float) -> float:
    return round(float(value), DIGITS)
