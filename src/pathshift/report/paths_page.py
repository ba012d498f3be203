"""Where answers come from, as a page: every text and chart that `pathshift paths` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pathshift.analysis.diversity_result import Diversity
from pathshift.analysis.origins import ONE_MODEL, Missing, Origins
from pathshift.analysis.perplexity import Perplexities
from pathshift.analysis.reach_result import Reach
from pathshift.analysis.shift_result import Shift
from pathshift.report import paths_tables as tables
from pathshift.report.formats import (
    counted,
    interval,
    percent,
    rate,
)
from pathshift.report.page import Figure, KeyNumber
from pathshift.report.paths_figures import forks_caption, paths_figures
from pathshift.report.paths_tables import TokenTable
from pathshift.report.samples import visible
from pathshift.report.tables import Table, settings_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part's sentence."""

    part: str
    sentence: str


class Folded(NamedTuple):
    """A table behind a line that opens it."""

    summary: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part: figures by their id, tables, folded ones, tokens in context, what to know of it."""

    id: str
    title: str
    lead: str
    figures: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Folded, ...] = ()
    tokens: tuple[TokenTable, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsPage:
    """Everything the report shows, as texts; figures by their id."""

    title: str
    scale: str
    names: Mapping[str, str]
    findings: tuple[Finding, ...]
    alarms: tuple[str, ...]
    missing: tuple[Finding, ...]
    key_numbers: tuple[KeyNumber, ...]
    figures: Mapping[str, Figure]
    sections: tuple[Section, ...]
    settings: Table
    command: str


def build_paths_page(found: Origins, *, command: str = "") -> PathsPage:
    """The page of where the tuned model's answers come from.

    Args:
        command: The command line that made it, for the footer.
    """
    names = {side: visible(found.names[side]) for side in ("base", "tuned")}
    return PathsPage(
        title=f"{names['base']} → {names['tuned']}",
        scale=visible(found.scale),
        names=names,
        findings=tuple(_findings(found)),
        alarms=tuple(visible(a) for a in (found.reach.alarms if found.reach else ())),
        missing=tuple(_missing(one) for one in found.missing),
        key_numbers=tuple(_key_numbers(found)),
        figures={figure.id: figure for figure in paths_figures(found)},
        sections=tuple(_sections(found)),
        settings=settings_table(found.settings),
        command=visible(command),
    )


def _findings(found: Origins) -> Iterator[Finding]:
    parts = (("Perplexity", found.perplexity), ("Reach", found.reach), ("Shift", found.shift))
    for name, part in parts:
        if name == "Shift" and found.is_one_model and part is not None:
            yield Finding(part=name, sentence=_sentence(ONE_MODEL))
        elif part is not None:
            yield Finding(part=name, sentence=visible(part.sentence))
    yield Finding(part="Diversity", sentence=visible(_sentence(found.diversity.summary)))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _missing(one: Missing) -> Finding:
    what = f"Missing for {', '.join(one.parts)}" if one.command else f"No {', '.join(one.parts)}"
    return Finding(part=what, sentence=visible(one.command or one.reason))


def _key_numbers(found: Origins) -> Iterator[KeyNumber]:
    floor = "" if found.floor is None else f"; a blind guess {rate(found.floor)}"
    if found.reach is not None:
        yield KeyNumber(
            label="the base succeeds in at least",
            value=rate(found.reach.bound.low),
            detail=(
                f"{percent(found.level)}; estimate {rate(found.reach.bound.value)}, its own samples"
                f" {rate(found.reach.agreement.direct)}{floor}"
            ),
        )
    if found.shift is not None and not found.is_one_model:
        change = found.shift.tuned.per_sample
        yield KeyNumber(
            label="change of ln p a tuned sample",
            value=tables.change(change.value),
            unit="nats",
            detail=interval(change.low, change.high, tables.change),
        )
    yield from _diversity_number(found.diversity)
    value, unit = counted(found.n_problems, "problem").split(" ")
    yield KeyNumber(
        label="measured on", value=value, unit=unit,
        detail=f"{percent(found.level)} intervals over problems like these",
    )  # fmt: skip


def _diversity_number(found: Diversity) -> Iterator[KeyNumber]:
    if found.paths is not None:
        one = found.paths
        low, high = (f"{end:+.2f}".replace("-", "−") for end in (one.low, one.high))
        yield KeyNumber(
            label=f"distinct paths in {one.m:.1f} right samples",
            base=tables.hundredths(one.base),
            tuned=tables.hundredths(one.tuned),
            detail=f"difference [{low}, {high}], {counted(one.n_problems, 'problem')}",
        )


def _sections(found: Origins) -> Iterator[Section]:
    if found.perplexity is not None:
        yield _perplexity_section(found.perplexity)
    if found.reach is not None:
        yield _reach_section(found.reach, found.level)
    if found.shift is not None:
        yield _one_model(found.shift) if found.is_one_model else _shift_section(found.shift)
    yield _diversity_section(found.diversity)


def _notes(notes: list[str]) -> tuple[str, ...]:
    return tuple(visible(note) for note in notes)


def _perplexity_section(found: Perplexities) -> Section:
    return Section(
        id="perplexity",
        title="Perplexity: how far samples moved",
        lead=(
            "A low perplexity under the base says that the base was sure of each token on the way. "
            "It does not say that the base gives such answers: sharpening alone lowers it, and "
            "whether an answer is within reach depends on the probability of all of it, the last "
            "column. The control is the first line, the base's own samples."
        ),
        figures=("perplexities",),
        tables=(tables.below_table(found), tables.perplexity_table(found)),
        folded=(Folded("By who solved the problem", tables.perplexity_table(found, by_cell=True)),),
        notes=_notes(found.notes),
    )


def _reach_section(found: Reach, level: float) -> Section:
    return Section(
        id="reach",
        title="Reach: what of it the base would find",
        lead=(
            "All of this can prove that an answer is within the base's reach, and none of it can "
            "prove that one is not: the base may know ways that the tuned model did not take."
        ),
        figures=("coverage", "bounds", "absolute"),
        tables=(tables.certified_table(found, level),),
        folded=(
            Folded("Both curves in numbers", tables.share_table(found)),
            Folded("What the bound rests on", tables.weight_table(found)),
        ),
        notes=_notes(found.notes),
    )


def _one_model(found: Shift) -> Section:
    """In place of the shift where there can be none."""
    return Section(
        id="shift",
        title="Shift: where probability moved",
        lead=_sentence(ONE_MODEL),
        tables=(tables.side_table(found),),
        notes=_notes(found.notes),
    )


_SUMMED = "By the sum of their changes, with the place of the largest; tokens seen at least 5 times"

_SINGLE = "The largest changes at one place each, up or down"


def _shift_section(found: Shift) -> Section:
    tuned = found.tuned
    asked = (
        tables.token_table(tuned.raised, "Tokens raised most", _SUMMED),
        tables.token_table(tuned.lowered, "Tokens lowered most", _SUMMED),
        tables.place_table(
            tuned.largest,
            "Single places with the largest changes",
            "The largest changes of single tokens, up or down",
        ),
    )
    return Section(
        id="shift",
        title="Shift: where probability moved",
        lead=(
            "Both models on the same prefixes: ln p of each token by the tuned model minus that by "
            "the base, at temperature 1. On the tuned model's samples this shows what was raised, "
            "on the base's own, the control, what was lowered. It says where, not whether that "
            "made an answer right."
        ),
        figures=("classes", "forks", "phases", "positions"),
        tables=(tables.side_table(found),),
        folded=(
            Folded(
                "By kind of token, in numbers",
                tables.group_table(found, "by_class", "On the tuned model's samples, nats"),
            ),
            Folded(
                "Around forks, in numbers",
                tables.group_table(found, "by_fork", forks_caption(found)),
            ),
            Folded(
                "Around the first operation, in numbers",
                tables.group_table(found, "by_phase", "On the tuned model's samples, nats"),
            ),
            Folded(
                "By place, in numbers",
                tables.group_table(found, "by_position", "On the tuned model's samples, nats"),
            ),
        ),
        tokens=tuple(table for table in asked if table is not None),
        notes=_notes(found.notes),
    )


def _diversity_section(found: Diversity) -> Section:
    found_tables = (tables.diversity_table(found), tables.sides_table(found))
    return Section(
        id="diversity",
        title="Diversity: how many ways to a right answer",
        lead=(
            f"Distinct paths are counted {visible(found.reading)}. Both sides are brought to "
            "equally many right samples of each problem; problems that one side solved less than "
            "twice are not in it, and a way that was lost with its problem is in the comparison."
        ),
        figures=("rarefaction", "differences"),
        tables=tuple(table for table in found_tables if table is not None and table.rows),
        notes=_notes(found.notes),
    )
