"""The charts of where answers come from, each with its caption and what stands in its place."""

from __future__ import annotations

from pathshift.analysis.diversity_result import Diversity
from pathshift.analysis.origins import Origins
from pathshift.analysis.perplexity import Perplexities
from pathshift.analysis.reach_result import Reach
from pathshift.analysis.shift_result import Shift
from pathshift.report import paths_charts as charts
from pathshift.report import paths_tables as tables
from pathshift.report.formats import UNDEFINED, is_number, percent, rate, whole
from pathshift.report.page import Figure

HAS_NO_CURVE = "Too few right samples on both sides for a curve; the table holds what there is."


def paths_figures(found: Origins) -> list[Figure]:
    """All charts in their order."""
    return [
        *_perplexity_figures(found.perplexity), *_reach_figures(found.reach, found.level),
        *_shift_figures(None if found.is_one_model else found.shift),
        *_diversity_figures(found.diversity),
    ]  # fmt: skip


def _perplexity_figures(found: Perplexities | None) -> tuple[Figure, ...]:
    if found is None:
        return ()
    medians = "; ".join(_median(found, i) for i in range(len(found.distributions)))
    figure = Figure(
        id="perplexities",
        title="Samples by their perplexity",
        caption=(
            "Colour says whose samples, solid and dashed by which model; the outermost points hold "
            f"what lies beyond. Medians: {medians}."
        ),
        label=f"Line chart of samples by perplexity. Medians: {medians}.",
        spec=charts.perplexities(found),
        instead="The models cut texts into different tokens: bits per byte stand in the table.",
    )
    return (figure,)


def _median(found: Perplexities, i: int) -> str:
    one = found.distributions[i]
    part = one.parts[0]
    spread = part.perplexity if found.measure == "perplexity" else part.bits_per_byte
    value = UNDEFINED if spread is None else tables.digits(spread.quantiles[tables.MEDIAN].value)
    return f"{tables.OWNERS[one.samples]} by {tables.MODELS[one.model]} {value}"


def _reach_figures(found: Reach | None, level: float) -> tuple[Figure, ...]:
    return () if found is None else (
        _coverage(found, level), _bounds(found, level), _absolute(found)
    )  # fmt: skip


def _coverage(found: Reach, level: float) -> Figure:
    half = found.profiles[0].median_factor if found.profiles else None
    reading = "Half is not covered within the N shown." if half is None else (
        f"Half of them are at most {whole(half)} times rarer under the base."
    )  # fmt: skip
    return Figure(
        id="coverage",
        title="Right answers of the tuned model that the base finds at most N times rarer",
        caption=(
            f"{reading} The band holds at all N at once ({percent(level)}). The base's own samples "
            "would be covered at N = 1, all of them."
        ),
        label=f"Line chart of the covered share by N. {reading}",
        spec=charts.coverage(found),
        instead="No right sample of the tuned model has a known weight.",
    )


def _bounds(found: Reach, level: float) -> Figure:
    reading = (
        f"Mean bound {rate(found.bound.value)}, lower limit {rate(found.bound.low)} "
        f"({percent(level)}); the base's own samples {rate(found.agreement.direct)}."
    )
    clash = found.agreement.conflicts
    checked = "" if clash is None or not is_number(found.agreement.expected) else (
        f" Problems that contradict their bound: {whole(clash)}; by chance up to "
        f"{found.agreement.expected:.1f} would."
    )  # fmt: skip
    return Figure(
        id="bounds",
        title="The bound on every problem, against the base's own samples",
        caption=(
            "One circle a problem, hanging from its estimate down to its lower limit. The bound is "
            "on a part of the base's success, so the truth lies on or below the dashed line; what "
            "stands above it is noise of both, or something is wrong. " + reading + checked
        ),
        label=f"Scatter plot of bound against direct success rate. {reading}",
        spec=charts.bounds(found),
        instead="The base has no judged samples of its own here.",
    )


def _absolute(found: Reach) -> Figure:
    return Figure(
        id="absolute",
        title="Why ln p ≥ −ln k is the wrong test",
        caption=f"The reason: {found.absolute.why_wrong}. The blue line is that control.",
        label="Line chart of the share that passes the absolute test, by k.",
        spec=charts.absolute(found),
        instead="Neither side has samples with a known probability.",
    )


def forks_caption(found: Shift) -> str:
    """What counts as a fork."""
    return (
        f"Around forks: tokens at which the base's entropy exceeds {rate(found.fork_entropy)} nats,"
        f" the highest {percent(round(1 - found.fork_quantile, 6))} on the tuned model's samples"
    )


def _shift_figures(found: Shift | None) -> tuple[Figure, ...]:
    if found is None:
        return ()
    colours = "Orange: on the tuned model's samples." + (
        "" if found.base is None else " Blue: on the base's own, the control."
    )
    signed = "mean change of ln p a token, nats"
    return (
        Figure(
            id="classes", title="Change by kind of token", label="Bar chart by kind of token.",
            caption=f"{colours} Lines are intervals; each problem weighs the same.",
            spec=charts.changes(found, "by_class", title=signed),
        ),
        Figure(
            id="forks", title="Before, at and after forks", label="Bar chart around forks.",
            caption=f"{forks_caption(found)}.",
            spec=charts.changes(found, "by_fork", title=signed),
        ),
        Figure(
            id="phases", title="Before and after the first operation",
            label="Bar chart of the mean absolute change around the first operation.",
            caption="Absolute change, up or down: where the two models part at all.",
            spec=charts.changes(
                found, "by_phase", title="mean absolute change a token, nats", size=True
            ),
        ),
        Figure(
            id="positions", title="Change by place in the sample",
            label="Line chart of the mean absolute change by position.",
            caption="Absolute change, up or down, with intervals.",
            spec=charts.positions(found),
            instead="All samples end within the first place.",
        ),
    )  # fmt: skip


def _diversity_figures(found: Diversity) -> tuple[Figure, ...]:
    return (
        Figure(
            id="rarefaction", title="Distinct paths in m right samples",
            label="Line chart of distinct paths by number of right samples.",
            caption=(
                "Both models at equal numbers, over the problems that have so many on both sides. "
                "The problems change with m, so two points differ by more than m; points over "
                f"fewer than {charts.LEAST_PROBLEMS} problems stand in the table alone."
            ),
            spec=charts.rarefaction(found), instead=HAS_NO_CURVE,
        ),
        Figure(
            id="differences", title="The difference: tuned minus base",
            label="Difference in distinct paths with intervals, by number of right samples.",
            caption="Each interval holds by itself. On the dashed line nothing changed.",
            spec=charts.differences(found), instead=HAS_NO_CURVE,
        ),
    )  # fmt: skip
