"""What stands beside pass@k: how reliably problems are solved, and what guessing and slips explain.

Covers the texts of both sections. The readings come from `pathshift.analysis.readings`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pathshift.analysis.readings import CoverPoint, CurvePoint, Readings
from pathshift.analysis.result import Comparison
from pathshift.report.formats import amount, interval, percent, rate, span, whole
from pathshift.report.tables import Section, Table

NOTHING = "–"
Points = list[tuple[CurvePoint, CurvePoint]]
"""Base and tuned at the same k."""


def reliability_section(result: Comparison) -> Section | None:
    """Cover@tau and G-pass@k beside pass@k; None where a rule stopped the draws of both models."""
    sides = _sides(result)
    if sides is None or all(side.cover is None for side in sides):
        return None
    points = _common(sides)
    (first, last), k = (points[0], points[-1]), whole(points[-1][0].k)
    stopped = "" if all(side.cover for side in sides) else (
        " A model whose draws a rule stopped has no such reading."
    )  # fmt: skip
    return Section(
        title="How reliably problems are solved",
        tables=(
            Table(
                caption="From solved once to solved nearly always",
                head=("", "base", "tuned"),
                rows=(
                    (f"pass@{k}: one of {k} right", *(rate(point.value) for point in last)),
                    *_covers(sides),
                    (f"G-pass@{k}: half of {k} right", *(_or_nothing(p.g_pass) for p in last)),
                    ("pass@1: mean success rate", *(rate(point.value) for point in first)),
                ),
            ),
        ),
        texts=(
            "Cover@τ is the share of problems with a success probability of at least τ; no unbiased"
            " estimate of it exists, and its brackets hold in expectation for any number of"
            f" samples.{stopped}",
        ),
    )


def _covers(sides: Sequence[Readings]) -> list[tuple[str, ...]]:
    known = next(side.cover for side in sides if side.cover is not None)
    return [
        (
            f"Cover@{at.tau:g}",
            *(NOTHING if side.cover is None else _cover(side.cover[i]) for side in sides),
        )
        for i, at in enumerate(known)
    ]


def _cover(point: CoverPoint) -> str:
    return f"{rate(point.share)} {interval(point.low, point.high)}"


def guessing_section(result: Comparison) -> Section | None:
    """pass@k beside what needs no ability; None if no floor is known and no rate was given."""
    sides = _sides(result)
    if sides is None:
        return None
    given = sides[0].false_positive
    if given is None and all(side.beyond is None for side in sides):
        return None
    tables = (_beside(sides), _beyond(result, sides))
    return Section(
        title="Guessing and verifier error",
        tables=tuple(table for table in tables if table is not None),
        texts=_explained(sides),
    )


def _beside(sides: Sequence[Readings]) -> Table:
    points = _few(_common(sides))
    first = points[0][0]
    floor = () if first.floor is None else ("floor",)
    slips = () if first.corrected is None else (
        "base without slips", "tuned without slips", "no ability reaches",
    )  # fmt: skip
    return Table(
        caption="pass@k beside what needs no ability",
        head=("k", "base", "tuned", *floor, *slips),
        rows=tuple(
            (whole(b.k), rate(b.value), rate(t.value), *_floor(b), *_slips(b, t)) for b, t in points
        ),
    )


def _floor(point: CurvePoint) -> tuple[str, ...]:
    return () if point.floor is None else (rate(point.floor),)


def _slips(base: CurvePoint, tuned: CurvePoint) -> tuple[str, ...]:
    if base.corrected is None or tuned.corrected is None:
        return ()
    # Below 0 the rate explains more than there is: nothing is left.
    left = (max(0.0, base.corrected), max(0.0, tuned.corrected))
    return rate(left[0]), rate(left[1]), rate(base.no_ability)


def _beyond(result: Comparison, sides: Sequence[Readings]) -> Table | None:
    counts = [side.beyond for side in sides]
    base, tuned = counts
    if base is None or tuned is None:
        return None
    sizes = (span(result.n[side]) for side in ("base", "tuned"))
    return Table(
        caption=f"Of {whole(base.problems)} problems",
        head=("", "base", "tuned"),
        rows=(
            ("samples of each", *sizes),
            ("solved at least once", whole(base.any_success), whole(tuned.any_success)),
            ("expected so without ability", amount(base.by_chance), amount(tuned.by_chance)),
            ("solved beyond the floor", whole(base.solved), whole(tuned.solved)),
        ),
    )


def _explained(sides: Sequence[Readings]) -> tuple[str, ...]:
    given = sides[0].false_positive
    null = "guessing explains" if given is None else "guessing and the verifier's slips explain"
    texts = []
    if sides[0].beyond is not None:
        texts.append(
            f"Solved beyond the floor: with more successes than {null}, false discoveries at most"
            " 5%."
        )
    if given is not None:
        texts.append(
            f"Slips: the verifier taken to pass {percent(given)} of wrong answers. That rate was"
            " given, not measured here."
        )
    return tuple(texts)


def _sides(result: Comparison) -> tuple[Readings, Readings] | None:
    found = result.readings
    return None if found is None else (found["base"], found["tuned"])


def _common(sides: Sequence[Readings]) -> Points:
    """The k that both models have."""
    base, tuned = ({point.k: point for point in side.curve} for side in sides)
    return [(base[k], tuned[k]) for k in base if k in tuned]


def _few(points: Points) -> Points:
    """Every second k from the first, and the last."""
    return [pair for i, pair in enumerate(points) if i % 2 == 0 or i == len(points) - 1]


def _or_nothing(value: float | None) -> str:
    return NOTHING if value is None else rate(value)
