"""A training run as a page: every text and chart of the report that `pathshift watch` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pathshift.analysis.watching import Watched, WatchedStep
from pathshift.report import tables, watch_charts
from pathshift.report.formats import interval, percent, rate, signed, whole
from pathshift.report.page import Figure
from pathshift.report.samples import visible
from pathshift.report.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPage:
    """Everything the report of a training run shows, as texts; figures by their id."""

    title: str
    scale: str
    base: str
    word: str
    word_label: str
    sentence: str
    notes: tuple[str, ...]
    figures: Mapping[str, Figure]
    steps: Table
    settings: Table
    command: str


def build_watch_page(run: Watched, *, title: str, scale: str, command: str = "") -> WatchPage:
    """The page of a training run.

    Args:
        scale: Badge that says what the data are worth.
        command: The command line that made it, for the footer.
    """
    k = top_k(run)
    word = "loss" if run.loss_since is not None else "undecided"
    figures = (_path(run, k), _differences(run, k), *_trainer(run))
    return WatchPage(
        title=visible(title),
        scale=visible(scale),
        base=visible(run.base.name),
        word=word,
        word_label={"loss": "coverage loss", "undecided": "no loss certified"}[word],
        sentence=visible(run.sentence),
        notes=tuple(visible(note) for note in run.notes),
        figures={figure.id: figure for figure in figures},
        steps=step_table(run, k),
        settings=tables.settings_table(run.settings),
        command=visible(command),
    )


def top_k(run: Watched) -> int:
    """The largest k that the base and all steps have."""
    return max(set(run.base.k).intersection(*(step.k for step in run.steps)), default=1)


def _path(run: Watched, k: int) -> Figure:
    best = ", ".join(_name(step) for step in (run.base, *run.steps) if step.is_pareto)
    return Figure(
        id="path",
        title=f"The path from pass@1 to pass@{k}",
        caption=(
            "One point a step, joined in the order of training. To the right: more found at the "
            "first try. Down: fewer problems within reach. Pareto-best, because no other step is "
            f"better at both ends: {best}."
        ),
        label=f"Path of pass@1 against pass@{k} over the training steps.",
        spec=watch_charts.path(run, k) if len(run.steps) > 1 and k > 1 else None,
        instead="A path needs two steps and more than one sample a problem.",
    )


def _differences(run: Watched, k: int) -> Figure:
    ks = sorted({1, k})
    return Figure(
        id="differences",
        title="Difference to the base by step",
        caption="Shades are bands that hold at all steps and all k together: " + run.sentence,
        label="Difference to the base in pass@k by training step.",
        spec=watch_charts.differences(run, ks) if len(run.steps) > 1 else None,
        instead="No step can be set against the base; the notes say why.",
    )


def _trainer(run: Watched) -> tuple[Figure, ...]:
    found = []
    for name, title in (("entropy", "entropy in nats"), ("truncated", "share cut by the limit")):
        spec = watch_charts.trainer(run, name, title)
        if spec is not None:
            found.append(
                Figure(
                    id=name,
                    title=title.capitalize(),
                    caption="As the log or the trainer has it.",
                    label=f"{title} by training step.",
                    spec=spec,
                )
            )
    return tuple(found)


def step_table(run: Watched, k: int) -> Table:
    """A row a step: curves, differences with their bands, what is certified."""
    known = [name for name in ("entropy", "truncated") if _is_known(run, name)]
    return Table(
        caption="Every step in numbers; * marks steps that no other beats at both ends",
        head=("step", "pass@1", f"pass@{k}", "at 1", f"at {k}", "certified", *known),
        rows=tuple(_row(step, k, known) for step in (run.base, *run.steps)),
    )


def _is_known(run: Watched, name: str) -> bool:
    return any(getattr(step, name) is not None for step in run.steps)


def _row(step: WatchedStep, k: int, known: list[str]) -> tuple[str, ...]:
    at = step.k.index(k) if k in step.k else None
    told = {
        "entropy": rate(step.entropy) if step.entropy is not None else "–",
        "truncated": percent(step.truncated) if step.truncated is not None else "–",
    }
    return (
        f"{_name(step)}{' *' if step.is_pareto else ''}",
        rate(step.curve[0]),
        "–" if at is None else rate(step.curve[at]),
        _difference(step, 0),
        "–" if at is None else _difference(step, at),
        step.certified or "–",
        *(told[name] for name in known),
    )


def _name(step: WatchedStep) -> str:
    return "base" if step.step is None else whole(step.step)


def _difference(step: WatchedStep, i: int) -> str:
    if step.difference is None:
        return "–"
    if step.low is None or step.high is None:
        return signed(step.difference[i])
    return f"{signed(step.difference[i])} {interval(step.low[i], step.high[i], signed)}"
