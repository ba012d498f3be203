"""The page as a browser sees it, opened from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.report.chromium import Browser
from tests.report.comparisons import VARIANTS, made_up
from tests.report.fairness import everything, one_sample
from tests.report.reading import elements

from pathshift.analysis.result import SampleView
from pathshift.report.page import build_page
from pathshift.report.render import write_report

pytestmark = pytest.mark.browser

BESIDE = {"best_settings": everything, "best_of_one_k": one_sample}
CHARTS = dict.fromkeys([*VARIANTS, *BESIDE], 5) | {"one_k": 2, "beyond_the_base": 4}
CHARTS["best_settings"] += 4
PHONE = 390
FRAME = """<!DOCTYPE html><body style="margin:0">
<iframe src="report.html" style="width:{width}px;height:4000px;border:0"></iframe>
<script>
addEventListener("load", () => setTimeout(() => {{
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.title = page.scrollWidth;
}}, 3000));
</script>"""


def written(variant: str, folder: Path) -> Path:
    samples = [
        SampleView(
            problem_id="toy/0001",
            question="What is 1 + 1?",
            gold="2",
            side="tuned",
            sample_no=0,
            outcome="wrong",
            answer="3",
            text="</pre><script>alert(1)</script><img src=x onerror=alert(1)>" + "x" * 5000,
        )
    ]
    result = VARIANTS[variant]() if variant in VARIANTS else made_up("gain_then_loss")
    fair = BESIDE[variant]() if variant in BESIDE else None
    page = build_page(result, title="A title", scale="toy", samples=samples, fair=fair)
    write_report(page, folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("variant", CHARTS)
def test_every_chart_is_drawn_without_a_complaint(
    variant: str, browser: Browser, tmp_path: Path
) -> None:
    seen = browser.open(written(variant, tmp_path))
    assert seen.console == []
    drawn = [e for e in elements(seen.document, "svg") if "marks" in e.attributes["class"]]
    assert len(drawn) == CHARTS[variant]
    assert all(float(e.attributes["width"]) > 200 for e in drawn)
    assert len(elements(seen.document, "button")) == CHARTS[variant]
    assert "could not be drawn" not in elements(seen.document, "main")[0].text


@pytest.mark.parametrize("variant", ["one_k", "undecided", "all_extras", "many_problems", *BESIDE])
def test_page_fits_a_phone(variant: str, browser: Browser, tmp_path: Path) -> None:
    written(variant, tmp_path)
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=PHONE), encoding="utf-8")
    width = int(elements(browser.open(frame).document, "title")[0].text)
    assert 0 < width <= PHONE
