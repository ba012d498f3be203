"""The report of where answers come from: its numbers are the result's, and a browser draws it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.analysis.scored_runs import (
    BASE,
    TUNED,
    Answer,
    Token,
    drawn,
    random_paths,
    write_scored,
    write_traced,
)
from tests.report.chromium import Browser
from tests.report.reading import elements, words
from tests.report.test_browser import FRAME, PHONE

from pathshift.analysis.origins import Origins, origins
from pathshift.analysis.scored import Bootstrapping
from pathshift.records import Outcome
from pathshift.report.page import Figure
from pathshift.report.paths_page import PathsPage, build_paths_page
from pathshift.report.render import render, write_report
from pathshift.stats.quantiles import Estimate

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
QUICK = Bootstrapping(replicates=400)


def by_sums(folder: Path) -> Origins:
    """12 problems of random paths, scored by sums: no shift."""
    rng = np.random.default_rng(3)
    worlds = {f"q{i}": random_paths(rng) for i in range(12)}
    for side in (BASE, TUNED):
        answers = {
            name: drawn(world, 48, rng, by_tuned=side is TUNED) for name, world in worlds.items()
        }
        write_scored(folder / side.model, side, answers)
    return origins(folder / "base", folder / "tuned", bootstrap=QUICK)


def by_tokens(folder: Path) -> Origins:
    """Six problems token by token, the token texts hostile."""
    rng = np.random.default_rng(4)
    pieces = [HOSTILE, " wait", "3", " + ", "4", "\n", "so"]
    for side in (BASE, TUNED):
        rows = {
            f"{HOSTILE}{i}": [
                [Token(p, -float(rng.exponential(0.5)), -float(rng.exponential(0.7)),
                       float(rng.exponential(1)), float(rng.exponential(1))) for p in pieces]
                for _ in range(8)
            ]
            for i in range(6)
        }  # fmt: skip
        write_traced(folder / side.model, side, rows)
    return origins(folder / "base", folder / "tuned", bootstrap=QUICK)


def unscored(folder: Path) -> Origins:
    """A tuned run that no model of the base's weights has scored, and no right answer."""
    row = Answer(text="w", outcome=Outcome.WRONG, own=-1.0, other=-2.0)
    for side in (BASE, replace(TUNED, other="stranger")):
        write_scored(folder / side.model, side, {f"q{i}": [row] * 4 for i in range(3)})
    return origins(folder / "base", folder / "tuned", bootstrap=QUICK)


def never_right(folder: Path) -> Origins:
    row = Answer(text="w", outcome=Outcome.WRONG, own=-1.0, other=-2.0)
    for side in (BASE, TUNED):
        write_scored(folder / side.model, side, {f"q{i}": [row] * 4 for i in range(3)})
    return origins(folder / "base", folder / "tuned", bootstrap=QUICK)


WORLDS: dict[str, tuple[Callable[[Path], Origins], int]] = {
    "by_sums": (by_sums, 6),
    "by_tokens": (by_tokens, 10),
    "unscored": (unscored, 0),
    "never_right": (never_right, 3),
}
"""Populations, and how many charts each has."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Origins]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, (make, _) in WORLDS.items()}


def page_of(found: Origins) -> PathsPage:
    return build_paths_page(found, command="pathshift paths base tuned")


def test_every_sentence_stands_on_top_with_the_scale(found: dict[str, Origins]) -> None:
    one = found["by_tokens"]
    html = render(page_of(one), "paths")
    assert [e.text for e in elements(html, "span") if e.attributes.get("class") == "badge"] == [
        one.scale
    ]
    shown = words(html)
    for part in (one.perplexity, one.reach, one.shift):
        assert part is not None
        assert " ".join(part.sentence.split()) in shown
    assert "never its absence" in shown


def points(figure: Figure, layer: int) -> list[dict[str, Any]]:
    """The rows behind one layer of a chart; Altair names the data and puts it beside the layers."""
    assert figure.spec is not None
    data = figure.spec["layer"][layer].get("data") or figure.spec["data"]
    found: list[dict[str, Any]] = data.get("values") or figure.spec["datasets"][data["name"]]
    return found


def cells_of(html: str, caption: str) -> list[list[str]]:
    """Rows of the table with this beginning of its caption."""
    table = next(t for t in html.split("<table")[1:] if f"<caption>{caption}" in t)
    return [
        [e.text for e in elements(f"<table><tr{row}", None) if e.tag in ("th", "td")]
        for row in table.split("<tr")[1:]
    ]


def test_the_certified_table_has_the_results_numbers(found: dict[str, Origins]) -> None:
    one = found["by_sums"].reach
    assert one is not None
    rows = cells_of(render(page_of(found["by_sums"]), "paths"), "Base success rate certainly")[1:]
    assert [[int(x.replace(",", "")) for x in row[:3]] for row in rows] == [
        [row.k, row.problems, row.never_solved] for row in one.certified
    ]
    assert [row[3] for row in rows] == [f"{row.pass_low:.3f}" for row in one.certified]


def test_every_point_of_the_charts_is_a_number_of_the_result(found: dict[str, Origins]) -> None:
    one = found["by_sums"]
    assert one.reach is not None
    assert one.perplexity is not None
    figures = page_of(one).figures
    dots = points(figures["bounds"], 2)
    assert [(p["direct"], p["value"], p["low"]) for p in dots] == [
        pytest.approx((p.c_base / p.n_base, p.value, p.low), abs=1e-6) for p in one.reach.problems
    ]
    line = points(figures["coverage"], 1)
    profile = one.reach.profiles[0]
    assert [p["share"] for p in line[: len(profile.share)]] == pytest.approx(
        profile.share, abs=1e-6
    )
    curves = points(figures["perplexities"], 0)
    for name in {p["which"] for p in curves}:
        shares = [p["share"] for p in curves if p["which"] == name]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert len(shares) == len(one.perplexity.edges or []) - 1


def test_bars_are_the_shifts_with_their_intervals(found: dict[str, Origins]) -> None:
    one = found["by_tokens"].shift
    assert one is not None
    assert one.base is not None
    bars = points(page_of(found["by_tokens"]).figures["classes"], 0)
    assert [(b["group"], b["value"], b["low"], b["high"]) for b in bars] == [
        (g.name, *(pytest.approx(x, abs=1e-6) for x in g.mean))
        for side in (one.tuned, one.base)
        for g in side.by_class
    ]


def test_model_text_cannot_leave_its_place(found: dict[str, Origins]) -> None:
    html = render(page_of(found["by_tokens"]), "paths")
    assert HOSTILE not in html
    assert "<img src=x" not in html
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html
    assert len(elements(html, "script")) == 3


def test_an_infinite_divergence_is_a_word(found: dict[str, Origins]) -> None:
    one = found["by_tokens"]
    assert one.shift is not None
    infinite = Estimate(math.inf, math.inf, math.inf)
    side = replace(one.shift.tuned, divergence=infinite, excluded=1)
    page = page_of(replace(one, shift=replace(one.shift, tuned=side)))
    assert "infinite" in words(render(page, "paths"))


def test_what_is_missing_stands_there_with_its_command(found: dict[str, Origins]) -> None:
    one = found["unscored"]
    assert one.reach is None
    shown = words(render(page_of(one), "paths"))
    (command,) = [entry.command for entry in one.missing if "reach" in entry.parts]
    assert str(command) in shown
    assert "Diversity: how many ways" in shown
    assert "Reach: what of it" not in shown


def test_one_model_under_two_policies_has_no_shift_to_show(found: dict[str, Origins]) -> None:
    page = page_of(replace(found["by_tokens"], is_one_model=True))
    shown = words(render(page, "paths"))
    assert "no token's probability differs" in shown
    assert "Tokens raised most" not in shown
    assert "classes" not in page.figures


def test_alarms_are_seen(found: dict[str, Origins]) -> None:
    one = found["by_sums"]
    assert one.reach is not None
    page = page_of(replace(one, reach=replace(one.reach, alarms=["the scores do not fit"])))
    assert "alarm the scores do not fit" in words(render(page, "paths"))


@pytest.mark.browser
@pytest.mark.parametrize("name", WORLDS)
def test_every_chart_is_drawn_without_a_complaint(
    name: str, found: dict[str, Origins], browser: Browser, tmp_path: Path
) -> None:
    write_report(page_of(found[name]), tmp_path / "p.html", "paths")
    seen = browser.open(tmp_path / "p.html")
    assert seen.console == []
    charts = [e for e in elements(seen.document, "svg") if "marks" in e.attributes["class"]]
    assert len(charts) == WORLDS[name][1]
    assert "could not be drawn" not in elements(seen.document, "main")[0].text


@pytest.mark.browser
@pytest.mark.parametrize("name", ["by_tokens", "by_sums"])
def test_the_page_fits_a_phone(
    name: str, found: dict[str, Origins], browser: Browser, tmp_path: Path
) -> None:
    page = replace(page_of(found[name]), title="a_name_without_a_space" * 8)
    write_report(page, tmp_path / "report.html", "paths")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=PHONE), encoding="utf-8")
    width = int(elements(browser.open(frame).document, "title")[0].text)
    assert 0 < width <= PHONE
