"""What was not measured: what would decide, and what may be said of pass@k beyond the samples.

Covers the texts of both sections. No word of the verdict rests on either.
"""

from __future__ import annotations

from pathshift.analysis.beyond import Prediction, SidePrediction
from pathshift.analysis.planning import Cost
from pathshift.analysis.result import Comparison, WouldDecide
from pathshift.report.formats import amount, counted, interval, percent, rate, signed, span, whole
from pathshift.report.tables import Section, Table

NOTHING = "–"
SIMULATES = (
    "A normal approximation: a difference that was seen by chance misleads it. The command"
    " pathshift plan on the same two inputs simulates more problems, and more samples of the open"
    " ones."
)
LAWS = (
    "No word of the verdict rests on these numbers. BB, a beta-binomial law, lets every problem be"
    " solved in the end and tends to run high; ZIBB keeps a share of them out of reach and tends to"
    " run low. The last column is what the counts allow without any law."
)


def decide_section(result: Comparison) -> Section | None:
    """What would decide an undecided comparison; None where there is nothing to decide."""
    if not result.decide_at:
        return None
    costs = [at.problems_cost for at in result.decide_at]
    has_tokens, has_minutes = (
        any(cost is not None and getattr(cost, name) is not None for cost in costs)
        for name in ("tokens", "minutes")
    )
    shown = (True, has_tokens, has_minutes)
    extra = ("samples in all", "tokens", "minutes")
    return Section(
        title="What would decide it",
        tables=(
            Table(
                caption=f"To decide with a chance of {percent(result.decide_at[0].power)}, if the "
                "difference is really as it looks here",
                head=("decided at", "problems", "samples of each", *_only(extra, shown)),
                rows=tuple((*row[:3], *_only(row[3:], shown)) for row in _ways(result)),
            ),
        ),
        texts=(*_no_way(result), SIMULATES),
    )


def _ways(result: Comparison) -> list[tuple[str, ...]]:
    now, ends = _samples_now(result), result.decide_at
    rows: list[tuple[str, ...]] = [
        (f"k = {whole(at.k)}", _count(at.problems), now, *_cost(at.problems_cost)) for at in ends
    ]
    easiest = result.would_decide
    if easiest is not None and all(at.problems != easiest.problems for at in ends):
        rows.insert(0, ("the easiest k", whole(easiest.problems), now, *_cost(easiest)))
    same = f"the same {whole(result.n_problems)}"
    for at in ends:
        if at.n is not None:
            in_all, *rest = _cost(at.n_cost)
            rows.append((f"k = {whole(at.k)}", same, whole(at.n), f"{in_all} more", *rest))
    return rows


def _no_way(result: Comparison) -> list[str]:
    said = [
        f"At k = {whole(at.k)} no number of samples of these same problems would do: the"
        " difference varies too much from one to the next."
        for at in result.decide_at
        if at.n_known and at.n is None and at.problems is not None
    ]
    none = [whole(at.k) for at in result.decide_at if at.problems is None]
    if none:
        said.append(f"No difference was seen at k = {' and '.join(none)}: no number can be given.")
    return said


def _samples_now(result: Comparison) -> str:
    base, tuned = (span(result.n[side]) for side in ("base", "tuned"))
    return base if base == tuned else f"{base}; {tuned}"


def _count(value: int | None) -> str:
    return NOTHING if value is None else whole(value)


def _cost(cost: Cost | WouldDecide | None) -> tuple[str, str, str]:
    if cost is None:
        return NOTHING, NOTHING, NOTHING
    minutes = NOTHING if cost.minutes is None else amount(cost.minutes)
    return whole(cost.samples), _count(cost.tokens), minutes


def _only(fields: tuple[str, ...], shown: tuple[bool, ...]) -> tuple[str, ...]:
    return tuple(field for field, is_shown in zip(fields, shown, strict=True) if is_shown)


def beyond_section(found: Prediction | None) -> Section | None:
    """Both models' predicted pass@k as ranges; None where no prediction was asked for."""
    if found is None:
        return None
    level = percent(found.level)
    return Section(
        title="Beyond the samples",
        tables=(
            Table(
                caption=f"pass@k predicted from {counted(found.n, 'sample')} a problem; ranges over"
                f" laws at {level}",
                head=("", "predicted", "ZIBB", "BB", "without any law"),
                rows=tuple(
                    _predicted(f"pass@{whole(k)} {name}", side, i)
                    for i, k in enumerate(found.k)
                    for name, side in (("base", found.base), ("tuned", found.tuned))
                ),
            ),
            Table(
                caption=f"The predicted difference, over all pairs of laws at {level}",
                head=("k", "tuned − base", "its sign"),
                rows=tuple(_gap(found, i) for i in range(len(found.k))),
            ),
        ),
        texts=(LAWS,),
    )


def _predicted(name: str, side: SidePrediction, i: int) -> tuple[str, ...]:
    return (
        name,
        f"{rate(side.middle[i])} {interval(side.low[i], side.high[i])}",
        rate(side.zibb[i]),
        rate(side.bb[i]),
        interval(side.free_low[i], side.free_high[i]),
    )


def _gap(found: Prediction, i: int) -> tuple[str, ...]:
    low, high = found.difference_low[i], found.difference_high[i]
    sign = "above 0" if low > 0 else "below 0" if high < 0 else "open"
    return (
        whole(found.k[i]),
        f"{signed(found.difference[i])} {interval(low, high, signed)}",
        sign,
    )
