"""The report of a training run: its numbers are the result's, and a browser draws it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.report.chromium import Browser
from tests.report.reading import elements

from pathshift.analysis.watching import StepTable, Watched, WatchSettings, watch_steps
from pathshift.records import CountTable, ProblemCount
from pathshift.report.render import render, write_report
from pathshift.report.watch_page import build_watch_page

HOSTILE = "</script><script>alert(1)</script>"


def run(steps: int = 6, n: int = 16, *, facts: bool = False) -> Watched:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 1.2, 80)
    tables = []
    for step in range(steps):
        q = np.clip(np.where(p < 0.2, p * (1 - step / steps), p * (1 + step / steps)), 0, 1)
        counts = [
            ProblemCount(id=f"p{i}", n=n, c=int(c), truncated=2 if facts else None)
            for i, c in enumerate(rng.binomial(n, q))
        ]
        table = CountTable(name=HOSTILE, counts=tuple(counts))
        tables.append(StepTable(step=10 * step, table=table, entropy=1.0 if facts else None))
    return watch_steps(tables[0], tables[1:], WatchSettings(replicates=1000, looks=8))


def test_the_table_has_every_step_with_its_numbers() -> None:
    result = run(facts=True)
    table = build_watch_page(result, title="t", scale="toy").steps
    assert table.head[-2:] == ("entropy", "truncated")
    assert len(table.rows) == 6
    for step, row in zip(result.steps, table.rows[1:], strict=True):
        assert row[0].removesuffix(" *") == str(step.step)
        assert row[1] == f"{step.curve[0]:.3f}"
        assert row[2] == f"{step.curve[-1]:.3f}"


def test_names_cannot_leave_their_place() -> None:
    html = render(build_watch_page(run(), title=HOSTILE, scale="toy"), "watch")
    assert HOSTILE not in html
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("shape", [(2, 4), (2, 1), (1, 4)])
def test_short_runs_have_a_page_too(shape: tuple[int, int]) -> None:
    html = render(build_watch_page(run(*shape), title="t", scale="toy"), "watch")
    assert "Every step" in html


@pytest.mark.browser
@pytest.mark.parametrize(("facts", "charts"), [(False, 2), (True, 4)])
def test_every_chart_is_drawn_without_a_complaint(
    *, facts: bool, charts: int, browser: Browser, tmp_path: Path
) -> None:
    page = build_watch_page(run(facts=facts), title="t", scale="toy")
    write_report(page, tmp_path / "w.html", "watch")
    seen = browser.open(tmp_path / "w.html")
    assert seen.console == []
    drawn = [e for e in elements(seen.document, "svg") if "marks" in e.attributes["class"]]
    assert len(drawn) == charts
    assert "could not be drawn" not in elements(seen.document, "main")[0].text
