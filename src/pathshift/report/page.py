"""A comparison as a page: every text and chart it shows, ready to be set by the template.

All arithmetic, rounding and wording of the report happens here and in the modules it calls; the
template only places the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pathshift.analysis.fairness import Fairness
from pathshift.analysis.result import Amplification, Comparison, SampleView, WouldDecide
from pathshift.report import charts, tables
from pathshift.report.fair import FairPart, fair_part
from pathshift.report.formats import (
    counted,
    interval,
    percent,
    ranges,
    rate,
    reached,
    signed,
    span,
    whole,
)
from pathshift.report.grid import Grid, problem_grid
from pathshift.report.outlook import beyond_section, decide_section
from pathshift.report.parts import WORD_LABELS, Figure
from pathshift.report.reliability import guessing_section, reliability_section
from pathshift.report.samples import DrillDown, drill_down, visible
from pathshift.report.tables import CellTable, Section, Table

__all__ = ["WORD_LABELS", "Figure", "KeyNumber", "Page", "build_page"]

ONE_K = "There is one k only, so there is no curve to draw; the number stands above."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNumber:
    """One of the numbers on top: a pair of values or a single one with unit, and a line below."""

    label: str
    detail: str
    value: str = ""
    unit: str = ""
    base: str = ""
    tuned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything a report shows, as texts; figures by their id."""

    title: str
    scale: str
    names: Mapping[str, str]
    word: str
    word_label: str
    sentence: str
    notes: tuple[str, ...]
    key_numbers: tuple[KeyNumber, ...]
    figures: Mapping[str, Figure]
    by_k: Table
    decide: Section | None
    fair: FairPart
    beyond: Section | None
    cells: CellTable
    certainty: Table | None
    never: str
    support: Table | None
    reliability: Section | None
    guessing: Section | None
    efficiency: str
    grid: Grid
    drill_down: DrillDown
    outcomes: Table | None
    bounds: Table | None
    settings: Table
    runs: Table
    command: str


def build_page(
    comparison: Comparison,
    *,
    title: str,
    scale: str,
    command: str = "",
    samples: Sequence[SampleView] = (),
    fair: Fairness | None = None,
) -> Page:
    """The page of a comparison.

    Args:
        scale: Badge that says what the data are worth: "toy", "135M", "re-analysis".
        command: The command line that made it, for the footer.
        samples: Real samples to look at, best first; a bounded number is shown.
        fair: Hygiene and the comparison at each side's best setting.
    """
    verdict, beside = comparison.verdict, fair_part(fair)
    figures = (
        _curves(comparison), _difference(comparison), _amplification(comparison),
        _histogram(comparison), _scatter(comparison), *beside.figures,
    )  # fmt: skip
    return Page(
        title=visible(title),
        scale=visible(scale),
        names={side: visible(comparison.names[side]) for side in ("base", "tuned")},
        word=verdict.word,
        word_label=WORD_LABELS[verdict.word],
        sentence=visible(verdict.sentence),
        notes=tuple(visible(note) for note in comparison.notes),
        key_numbers=_key_numbers(comparison),
        figures={figure.id: figure for figure in figures},
        by_k=tables.by_k(comparison),
        decide=decide_section(comparison),
        fair=beside,
        beyond=beyond_section(comparison.beyond),
        cells=tables.cell_table(comparison.cells, comparison.null),
        certainty=tables.certainty_table(comparison.certainty),
        never=_never(comparison),
        support=tables.support_table(comparison.support),
        reliability=reliability_section(comparison),
        guessing=guessing_section(comparison),
        efficiency=_efficiency(comparison),
        grid=problem_grid(comparison.problems),
        drill_down=drill_down(samples, comparison.problems),
        outcomes=tables.outcome_table(comparison.outcomes),
        bounds=tables.bounds_table(comparison),
        settings=tables.settings_table(comparison.settings),
        runs=tables.runs_table(comparison),
        command=visible(command),
    )


def _key_numbers(result: Comparison) -> tuple[KeyNumber, ...]:
    ends = sorted({0, len(result.k) - 1})
    need = () if result.would_decide is None else (_would_decide(result.would_decide),)
    return (*(_pass_at(result, i) for i in ends), _worth(result), _size(result), *need)


def _pass_at(result: Comparison, i: int) -> KeyNumber:
    band = interval(result.low[i], result.high[i], signed)
    return KeyNumber(
        label=f"pass@{whole(result.k[i])}",
        base=rate(result.base[i]),
        tuned=rate(result.tuned[i]),
        detail=f"difference {signed(result.difference[i])} {band}",
    )


def _worth(result: Comparison) -> KeyNumber:
    found, k_max = result.amplification, result.k[-1]
    label = "one tuned sample is worth" if found.k == 1 else f"{found.k} tuned samples are worth"
    if found.base_k is None and result.tuned[0] == 0:
        return KeyNumber(label=label, value="–", detail="neither model solved anything")
    return KeyNumber(
        label=label,
        value=reached(found.base_k, k_max),
        unit="base samples",
        detail=_worth_interval(found, k_max),
    )


def _worth_interval(found: Amplification, k_max: int) -> str:
    if found.low is None and found.base_k is None:
        return "beyond what the base's samples can show"
    return interval(found.low, found.high, lambda end: reached(end, k_max))


def _size(result: Comparison) -> KeyNumber:
    base, tuned = (span(result.n[side]) for side in ("base", "tuned"))
    detail = f"{counted(base, 'sample')} a problem from each model"
    if base != tuned:
        detail = f"samples a problem: base {base}, tuned {tuned}"
    value, unit = counted(result.n_problems, "problem").split(" ")
    return KeyNumber(label="measured on", value=value, unit=unit, detail=detail)


def _would_decide(need: WouldDecide) -> KeyNumber:
    value, unit = counted(need.problems, "problem").split(" ")
    detail = f"{counted(need.samples, 'sample')} of both models together"
    if need.tokens is not None:
        detail += f", {counted(need.tokens, 'token')}"
    return KeyNumber(label="would decide it, about", value=value, unit=unit, detail=detail)


def _level(result: Comparison) -> str:
    level = percent(result.settings.get("level"))
    return f"{level} " if level else ""


def _ends(values: Sequence[float], k: Sequence[int]) -> str:
    """Both ends of a curve in words, for a reader who cannot see it."""
    return f"{rate(values[0])} at k = {whole(k[0])} to {rate(values[-1])} at k = {whole(k[-1])}"


def _curves(result: Comparison) -> Figure:
    floor = " The dashed line is the floor: what blind guessing reaches."
    return Figure(
        id="curves",
        title="pass@k: the chance that k samples hold a correct one",
        caption=f"Mean over the problems; the shades are {_level(result)}bands."
        + ("" if result.floor is None else floor),
        label=(
            f"Line chart of pass@k. Base: {_ends(result.base, result.k)}."
            f" Tuned: {_ends(result.tuned, result.k)}."
        ),
        spec=charts.curves(result) if len(result.k) > 1 else None,
        instead=ONE_K,
    )


def _difference(result: Comparison) -> Figure:
    return Figure(
        id="difference",
        title="The difference: tuned minus base",
        caption=(
            f"The shade is a simultaneous {_level(result)}band: it holds at every k together. "
            + _certified(result)
        ),
        label=f"Line chart of tuned minus base by k. {_certified(result)}",
        spec=charts.difference(result) if len(result.k) > 1 else None,
        instead=_certified(result),
    )


def _certified(result: Comparison) -> str:
    parts = []
    if result.gain_certified:
        parts.append(f"Gain certified for {ranges(result.gain_certified)}.")
    if result.loss_certified:
        parts.append(f"Loss certified for {ranges(result.loss_certified)}.")
    if result.first_loss is not None:
        parts.append(f"The loss begins within {ranges([result.first_loss])}.")
    return " ".join(parts) or "No gain and no loss is certified at any k."


def _amplification(result: Comparison) -> Figure:
    spec = charts.amplification(result) if len(result.k) > 1 else None
    return Figure(
        id="amplification",
        title="Tuned samples counted in base samples",
        caption=(
            "How many base samples reach what k tuned ones reach. Above the dashed line of equal"
            " worth the tuned model saves samples; below it the base is ahead. The curve ends where"
            " the base's samples do."
        ),
        label="Line chart of the number of base samples that k tuned samples are worth.",
        spec=spec,
        instead=ONE_K if len(result.k) == 1 else (
            "At every k the tuned model is outside what the base reaches with its samples."
        ),
    )  # fmt: skip


def _histogram(result: Comparison) -> Figure:
    never, always = (
        ", ".join(f"{side} {whole(result.histogram[side][i])}" for side in ("base", "tuned"))
        for i in (0, -1)
    )
    return Figure(
        id="histogram",
        title="Problems by share of correct samples",
        caption=f"Problems with no correct sample: {never}; with only correct ones: {always}.",
        label=f"Bar chart. No correct sample: {never}. All correct: {always}.",
        spec=charts.histogram(result),
    )


def _scatter(result: Comparison) -> Figure:
    return Figure(
        id="scatter",
        title="Every problem: base against tuned",
        caption=(
            "One circle for all problems with the same counts, its area growing with their number;"
            " colours say who was correct at least once among all samples. Above the dashed line"
            " the tuned model is the better one."
        ),
        label="Scatter plot of each problem's share of correct samples, base against tuned.",
        spec=charts.scatter(result),
    )


def _never(result: Comparison) -> str:
    """What can be said of a problem without a success."""
    if result.certainty is None:
        return ""
    draws = min(result.n["base"]["min"], result.n["tuned"]["min"])
    return (
        f"A problem without a success in {counted(draws, 'sample')} has a success rate below "
        f"{rate(result.certainty.below)} with 95% confidence, no more than that."
    )


def _efficiency(result: Comparison) -> str:
    gap = result.delta_se
    return (
        f"{signed(gap.value)} {interval(gap.low, gap.high, signed)}: pass@{whole(gap.k)} of the"
        " base minus pass@1 of the tuned model. What the base can reach with that many samples and"
        " the tuned model does not yet reach with one."
    )
