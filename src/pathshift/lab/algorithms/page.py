"""The study as files: results.json, one HTML page, and its charts as SVG and PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathshift.lab.algorithms.plan import Plan, flat
from pathshift.lab.algorithms.verdicts import claims, sentences
from pathshift.report.formats import interval, rate, signed, whole
from pathshift.report.parts import Figure
from pathshift.report.tables import Table, settings_table
from pathshift.store.manifest import write_json

RESULTS, REPORT, FIGURES = "results.json", "report.html", "figures"
SCALE = "toy: models of about a million weights"
_Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One set of problems, or the looks of a family."""

    id: str
    title: str
    figures: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """Everything the report shows, as texts; figures by their id."""

    title: str
    scale: str
    sentences: tuple[str, ...]
    figures: Mapping[str, Figure]
    sections: tuple[Section, ...]
    settings: Table
    command: str


def write_study(root: Path, plan: Plan, results: _Told) -> list[Path]:
    """Write results, report and charts; returns the files."""
    from pathshift.report.render import write_report

    told = {**results, "sentences": sentences(results), "claims": claims(results)}
    write_json(json.loads(json.dumps(told, allow_nan=False)), root / RESULTS)
    page = build_page(plan, results)
    write_report(page, root / REPORT, "study")
    return [root / RESULTS, root / REPORT, *_pictures(root / FIGURES, page)]


def build_page(plan: Plan, results: _Told) -> StudyPage:
    """The page of a study."""
    figures: dict[str, Figure] = {}
    sections = tuple(_sections(results, figures))
    return StudyPage(
        title="Are six ways of reinforcement learning alike?" if plan.name == "core" else plan.name,
        scale=SCALE, sentences=tuple(sentences(results)), figures=figures, sections=sections,
        settings=settings_table(flat(plan) | {"hash": plan.hash}),
        command="pathshift lab show algorithms",
    )  # fmt: skip


def _sections(results: _Told, figures: dict[str, Figure]) -> Iterator[Section]:
    for name, family in results["families"].items():
        for use, one in family["sets"].items():
            ids = []
            for figure in _set_figures(f"{name}-{use}", one, results["margin"]):
                figures[figure.id] = figure
                ids.append(figure.id)
            yield Section(
                id=f"{name}-{use}-set", figures=tuple(ids), tables=tuple(set_tables(one)),
                title=f"{one['name']}: {'in' if use == 'inside' else 'out of'} domain",
            )  # fmt: skip
        if family["looks"]:
            figure = _kl_figure(name, family["looks"])
            figures[figure.id] = figure
            yield Section(
                id=f"{name}-looks", title=f"{name}: on the way", figures=(figure.id,), tables=()
            )


def _set_figures(key: str, one: _Told, margin: float) -> Iterator[Figure]:
    from pathshift.lab.algorithms import figures as charts

    measured = f"{one['problems']} problems, {one['k'][-1]} samples each"
    yield _figure(
        f"{key}-curves", "pass@k",
        f"{measured}; means over seeds; the base with its band; dashed: blind guessing.",
        charts.curves(one),
    )  # fmt: skip
    tuned = [way for way in one["ways"] if "gap" in way]
    if tuned:
        yield _figure(
            f"{key}-gaps", "What is left to the base's many draws",
            "The base's pass@k less pass@1 of each way; lines: intervals over problems.",
            charts.gaps(one),
        )  # fmt: skip
        yield _figure(
            f"{key}-cells", "Who solved what",
            f"Problems with a right answer among {one['k'][-1]} samples, mean over seeds.",
            charts.cells(one),
        )  # fmt: skip
    for judged in one["alike"]:
        found = judged["like_these"] or judged["these"]
        yield _figure(
            f"{key}-pairs-{judged['k']}", f"Alike at k = {judged['k']}?",
            "Difference of every two algorithms with its interval over seeds and problems; dashed: "
            f"the margin of {margin:g}. Alike is what lies within."
            + ("" if judged["above_floor"] else " No word is given: the floor is too near."),
            charts.pairs(found, margin),
        )  # fmt: skip


def _kl_figure(name: str, looks: Any) -> Figure:
    from pathshift.lab.algorithms import figures as charts

    return _figure(
        f"{name}-kl", "Coverage against divergence",
        "Each point a look, joined in the order of training; the divergence is the mean over the "
        "steps before it, on training problems.",
        charts.coverage_against_kl(looks),
    )  # fmt: skip


def _figure(key: str, title: str, caption: str, spec: Mapping[str, Any]) -> Figure:
    return Figure(id=key, title=title, caption=caption, label=f"{title}. {caption}", spec=spec)


def set_tables(one: _Told) -> Iterator[Table]:
    """The numbers of one set."""
    k = one["k"]
    shown = [i for i in range(len(k)) if i % 2 == 0 or i == len(k) - 1]
    head = ("model", "seeds", *(f"pass@{k[i]}" for i in shown))
    rows = [
        (way["label"], whole(len(way["seeds"])), *(_marked(way, i) for i in shown))
        for way in one["ways"]
    ]
    if one["floor"] is not None:
        rows.append(("blind guess", "", *(rate(one["floor"][i]) for i in shown)))
    yield Table(
        caption=f"{one['name']}: pass@k, mean over seeds (*: guessing reaches more than half)",
        head=head, rows=tuple(rows),
    )  # fmt: skip
    tuned = [way for way in one["ways"] if "gap" in way]
    if tuned:
        yield _base_table(one, tuned)
    if one["unions"]:
        yield _union_table(one)


def _marked(way: _Told, i: int) -> str:
    return rate(way["curve"][i]) + ("" if way["above_floor"][i] else "*")


def _base_table(one: _Told, tuned: list[_Told]) -> Table:
    gap_k = tuned[0]["gap"]["k"]
    return Table(
        caption=f"{one['name']}: against the base, with 95% intervals over problems",
        head=("model", "pass@1", f"pass@{one['k'][-1]}", "base only", "tuned only",
              f"base pass@{gap_k} − pass@1", "part of the gap left"),
        rows=tuple(
            (
                way["label"],
                *(f"{signed(way['difference'][i])} "
                  f"{interval(way['difference_low'][i], way['difference_high'][i], signed)}"
                  for i in (0, -1)),
                f"{way['cells']['base_only']:.1f}", f"{way['cells']['tuned_only']:.1f}",
                f"{signed(way['gap']['value'])} "
                f"{interval(way['gap']['low'], way['gap']['high'], signed)}",
                rate(way["gap"]["left"]),
            )
            for way in tuned
        ),
    )  # fmt: skip


def _union_table(one: _Told) -> Table:
    return Table(
        caption=f"{one['name']}: solved by all seeds together and by one, at equal budget",
        head=("model", "samples", "together", "alone", "difference"),
        rows=tuple(
            (u["label"], whole(u["budget"]), rate(u["together"]), rate(u["alone"]),
             signed(u["difference"]))
            for u in one["unions"]
        ),
    )  # fmt: skip


def _pictures(folder: Path, page: StudyPage) -> Iterator[Path]:
    """Every chart as SVG and PNG, 640 wide, black on white."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in page.figures.items():
        spec = json.loads(json.dumps(figure.spec).replace('"currentColor"', '"black"'))
        spec |= {"width": 640, "background": "white"}
        for ending in ("svg", "png"):
            path = folder / f"{name}.{ending}"
            if ending == "svg":
                path.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
            else:
                path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
            yield path
