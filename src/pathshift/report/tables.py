"""The page's tables: numbers by k, cells, outcomes, bounds, settings. Texts in, no arithmetic left.

Covers what is written in each field of a table. Does not know how a table looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pathshift.analysis.result import Cells, Certainty, Comparison, SplitHalfNull, Support
from pathshift.report.formats import (
    amount,
    counted,
    interval,
    p_value,
    rate,
    setting,
    signed,
    whole,
)
from pathshift.report.samples import shortened

SETTING_LENGTH = 1500
OUTCOME_ORDER = ("correct", "wrong", "unparsed", "failed", "truncated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts; the first field of every row is its heading."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of tables and of what must be known to read them."""

    title: str
    tables: tuple[Table, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTable:
    """The four cells as a square, the exact test, and what chance alone would give."""

    samples: str
    both: str
    base_only: str
    tuned_only: str
    neither: str
    test: str
    null: Table | None


def by_k(result: Comparison) -> Table:
    """The numbers behind both curves at powers of two and at the last k."""
    shown = [i for i, k in enumerate(result.k) if k & (k - 1) == 0 or k == result.k[-1]]
    floor = () if result.floor is None else ("floor",)
    return Table(
        caption="pass@k in numbers, with their bands",
        head=("k", "base", "tuned", "tuned − base", *floor),
        rows=tuple(_row_at(result, i) for i in shown),
    )


def _row_at(result: Comparison, i: int) -> tuple[str, ...]:
    floor = () if result.floor is None else (rate(result.floor[i]),)
    return (
        whole(result.k[i]),
        f"{rate(result.base[i])} {interval(result.base_low[i], result.base_high[i])}",
        f"{rate(result.tuned[i])} {interval(result.tuned_low[i], result.tuned_high[i])}",
        f"{signed(result.difference[i])} {interval(result.low[i], result.high[i], signed)}",
        *floor,
    )


def cell_table(cells: Cells, null: SplitHalfNull | None) -> CellTable:
    """Problems solved by both, one or neither, with McNemar's test and the split-half null."""
    return CellTable(
        samples=counted(cells.k, "sample"),
        both=whole(cells.both),
        base_only=whole(cells.base_only),
        tuned_only=whole(cells.tuned_only),
        neither=whole(cells.neither),
        test=p_value(cells.mcnemar_p),
        null=None if null is None else _null_table(null),
    )


def _null_table(null: SplitHalfNull) -> Table:
    return Table(
        caption=f"At k = {whole(null.k)}: expected by chance, and observed",
        head=("problems", "one model against itself", "base against tuned"),
        rows=(
            ("solved by the base only", amount(null.base_only), amount(null.observed_base_only)),
            ("solved by the tuned only", amount(null.tuned_only), amount(null.observed_tuned_only)),
        ),
    )


CERTAINTY_MEANING = {
    "gained": "never solved by the base, by tuned more often than chance has it",
    "lost": "never solved by tuned, by the base more often than chance has it",
    "both": "solved by both at least once",
    "undecided": "anything else, also what nobody solved",
}


def certainty_table(found: Certainty | None) -> Table | None:
    """How many problems are certain to be gained, lost, solved by both; None for stopped runs."""
    if found is None:
        return None
    return Table(
        caption="What is certain of single problems: false discoveries at most 5%",
        head=("class", "problems", "meaning"),
        rows=tuple(
            (name, whole(getattr(found, name)), meaning)
            for name, meaning in CERTAINTY_MEANING.items()
        ),
    )


def support_table(found: Support | None) -> Table | None:
    """What was kept and found of all that either solved; None where nobody solved anything."""
    if found is None or found.nscr.value is None:
        return None
    rows = (
        ("kept: of what the base solves", found.srr, rate),
        ("new: of what tuned solves", found.ndr, rate),
        ("net: of what either solves", found.nscr, signed),
    )
    return Table(
        caption=f"Support at k = {whole(found.k)}, problems like these",
        head=("share", "value", "95% interval"),
        rows=tuple(
            (name, write(share.value), interval(share.low, share.high, write))
            for name, share, write in rows
        ),
    )


def outcome_table(outcomes: Mapping[str, Mapping[str, int | None]]) -> Table | None:
    """What became of the samples, by model; None if the source says nothing of it."""
    found = {name for counts in outcomes.values() for name in counts}
    if not found:
        return None
    names = [name for name in OUTCOME_ORDER if name in found]
    names += sorted(found.difference(OUTCOME_ORDER))
    sides = [outcomes.get(side, {}) for side in ("base", "tuned")]
    return Table(
        caption="Samples by outcome",
        head=("outcome", "base", "tuned"),
        rows=tuple((name, *(whole(side.get(name)) for side in sides)) for name in names),
    )


def bounds_table(result: Comparison) -> Table | None:
    """pass@k if every failed sample had been wrong, and if every one had been right."""
    if result.bounds is None:
        return None
    ends = sorted({0, len(result.k) - 1})
    return Table(
        caption="pass@k with failed samples taken as wrong, and as right",
        head=("model and k", "failed as wrong", "failed as right"),
        rows=tuple(
            (
                f"{side} pass@{whole(result.k[i])}",
                *(rate(_at(result.bounds.get(side, {}).get(end), i)) for end in ("low", "high")),
            )
            for side in ("base", "tuned")
            for i in ends
        ),
    )


def _at(values: list[float] | None, i: int) -> float | None:
    return values[i] if values is not None and i < len(values) else None


def settings_table(settings: Mapping[str, Any]) -> Table:
    """How the numbers were computed."""
    return Table(
        caption="How the numbers were computed",
        head=("setting", "value"),
        rows=tuple((name, _text(value)) for name, value in flat(settings)),
    )


def runs_table(result: Comparison) -> Table:
    """How both models were sampled, field by field, and which fields differ."""
    base, tuned = (dict(flat(result.runs.get(side, {}))) for side in ("base", "tuned"))
    names = [*base, *(name for name in tuned if name not in base)]
    return Table(
        caption="How the samples were drawn",
        head=("field", "base", "tuned", ""),
        rows=(
            ("name", _text(result.names["base"]), _text(result.names["tuned"]), ""),
            *(_run_row(name, base.get(name), tuned.get(name)) for name in names),
        ),
    )


def _run_row(name: str, base: Any, tuned: Any) -> tuple[str, ...]:
    return name, _text(base), _text(tuned), "" if base == tuned else "differs"


def _text(value: Any) -> str:
    return shortened(setting(value), SETTING_LENGTH)


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested settings as one list, inner names after a dot.

    >>> list(flat({"versions": {"numpy": "2"}, "seed": 0}))
    [('versions.numpy', '2'), ('seed', 0)]
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
