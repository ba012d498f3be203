"""Sections beside the verdict: every number on the page is that of the result."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import pytest
from tests.report.comparisons import made_up
from tests.report.fairness import (
    COLD,
    curves,
    ends,
    entropy,
    envelope,
    everything,
    hygiene,
    one_sample,
    recount,
    tokens,
)
from tests.report.reading import elements

from pathshift.analysis.entropy_match import Match
from pathshift.analysis.fairness import Fairness
from pathshift.analysis.hygiene import Rate
from pathshift.report.fair import fair_part
from pathshift.report.formats import MINUS
from pathshift.report.page import build_page
from pathshift.report.render import render

SECTIONS = ("best", "tokens", "entropy", "hygiene")


def html(found: Fairness | None) -> str:
    return render(build_page(made_up("loss"), title="A title", scale="toy", fair=found))


@cache
def full() -> str:
    return html(everything())


def shown(found: Fairness | None, name: str) -> str:
    return section(html(found), name)


def section(page: str, name: str) -> str:
    """The text of one section, with plain minus signs and white space made single."""
    parts = [e for e in elements(page, "section") if e.attributes.get("id") == name]
    return " ".join(parts[0].text.split()).replace(MINUS, "-") if parts else ""


@pytest.mark.parametrize("found", [None, Fairness()])
def test_without_anything_beside_it_the_page_has_no_such_section(found: Fairness | None) -> None:
    ids = {e.attributes.get("id") for e in elements(html(found), "section")}
    assert not ids.intersection(SECTIONS)
    assert "Warning" not in shown(found, "verdict")
    assert "best setting" not in shown(found, "verdict")


def test_every_section_stands_on_the_page_in_its_order_with_one_heading() -> None:
    page = full()
    sections = [e for e in elements(page, "section") if "aria-label" not in e.attributes]
    ids = [e.attributes.get("id") for e in sections]
    assert [name for name in ids if name in SECTIONS] == list(SECTIONS)
    assert len(elements(page, "h2")) == len(sections)


def test_warnings_stand_directly_under_the_verdict() -> None:
    text = section(full(), "verdict")
    verdict, warning, notes = (
        text.index(part) for part in ("solves less", "Warning:", "Prompts match.")
    )
    assert verdict < warning < notes
    assert "truncation alone could turn this" in text
    assert "(2% of the base's, 40% of the tuned model's) the difference at k=4 is +0.062" in text


def test_the_verdict_at_the_best_setting_stands_beside_the_verdict() -> None:
    text = section(full(), "verdict")
    assert "Each at its best setting: gain, then loss Gain for k=1, loss for k=4 <i>." in text
    chips = [e for e in elements(full(), "span") if "then" in e.text]
    assert [e.attributes["class"] for e in chips] == ["chip gain_then_loss"] * 2


def test_samples_ended_side_by_side_in_every_set_that_has_problems() -> None:
    text = section(full(), "hygiene")
    assert (
        "All 60 problems base tuned truncated 2.0% [1.0%, 3.0%] 40.0% [39.0%, 41.0%] unparsed"
        " 12.8% [11.8%, 13.8%] 7.6% [6.6%, 8.6%] ended by itself 98.0% [97.0%, 99.0%]"
        " 60.0% [59.0%, 61.0%] mean tokens 812 [812, 812] 1,234 [1,234, 1,234]"
    ) in text
    assert "8 problems solved by the tuned model only base tuned truncated 5.0%" in text
    assert "[4.0%, 6.0%] – unparsed 20.3%" in text
    assert "mean tokens 7.2 [7.2, 7.3] 9.0 [9.0, 9.0]" in text
    assert "base only" not in text
    assert "without a judgement" not in text


def test_samples_without_a_judgement_are_told_where_there_are_any() -> None:
    failing = replace(ends(60, 0.0, 0.0, 5.0), failed=Rate(0.015, 0.005, 0.025))
    sides = {"base": failing, "tuned": ends(60, 0.0, 0.0, 5.0)}
    text = shown(Fairness(hygiene=hygiene(ends={"all": sides})), "hygiene")
    assert "without a judgement 1.5% [0.5%, 2.5%] 0.0% [0.0%, 0.0%]" in text


def test_the_recount_stands_beside_what_was_certified() -> None:
    text = section(full(), "hygiene")
    assert "truncated 2.0% / 40.0% 1 -0.125 0.000 truncated 2.0% / 40.0% 4 -0.250 +0.062" in text
    assert "either of both 14.8% / 47.6% 1" in text
    assert "could not explain" not in text


def test_both_reasons_together_are_left_out_where_one_is_all_there_is() -> None:
    same = [recount("unparsed", 0.1, 0.2), recount("either", 0.1, 0.2)]
    text = shown(Fairness(hygiene=hygiene(recounts=same, warnings=[])), "hygiene")
    assert "unparsed 10.0% / 20.0% 1" in text
    assert "either" not in text
    assert "could not explain what was certified" in text


def test_a_recount_that_is_a_bound_says_so() -> None:
    bound = [recount("truncated", 0.1, 0.2, is_exact=False)]
    assert "the most that the reason could do" in shown(
        Fairness(hygiene=hygiene(recounts=bound)), "hygiene"
    )
    assert "the most that the reason" not in section(full(), "hygiene")


def test_without_a_recount_nothing_is_said_of_one() -> None:
    text = shown(Fairness(hygiene=hygiene(recounts=[], warnings=[])), "hygiene")
    assert "left out" not in text
    assert "could not explain" not in text


def test_best_settings_in_numbers_with_the_naive_difference_and_the_mixed_budget() -> None:
    text = section(full(), "best")
    assert (
        "k base tuned tuned - base on the same samples evenly over all"
        " 1 0.300 0.500 +0.200 [+0.150, +0.250] +0.211 +0.170 [+0.120, +0.220]"
        " 2 0.320 0.420 +0.100 [+0.050, +0.150] +0.150 +0.100 [+0.050, +0.150]"
        " 4 0.360 0.270 -0.090 [-0.140, -0.040] +0.033 -0.040 [-0.090, +0.010]"
    ) in text


def test_every_way_to_choose_a_setting_is_a_row() -> None:
    text = section(full(), "best")
    assert "k = 1 k = 4 k = 8" in text
    assert (
        "T=0.7 alone +0.250 [+0.200, +0.300] -0.100 [-0.150, -0.050] -0.140 [-0.190, -0.090]"
        in text
    )
    assert "alone +0.100 [+0.050, +0.150] +0.100 [+0.050, +0.150] +0.160" in text
    assert "chosen fairly +0.200 [+0.150, +0.250] -0.090 [-0.140, -0.040] –" in text
    assert "chosen on other problems +0.190 [+0.140, +0.240] -0.030 [-0.080, +0.020] -0.060" in text
    assert "evenly over all +0.170 [+0.120, +0.220] -0.040 [-0.090, +0.010] –" in text
    assert "chosen on the same samples +0.211 +0.033 +0.022" in text


def test_choices_and_endings_by_setting() -> None:
    text = section(full(), "best")
    assert "base, k = 1 base, k = 4 tuned, k = 1 tuned, k = 4" in text
    assert "T=0.7 100.0% 12.5% 0.0% 87.5%" in text
    assert "T=0.7 1.0% / 30.0% 12.0% / 7.0% 812 / 1,234" in text


def test_a_sign_that_depends_on_the_setting_is_told() -> None:
    text = section(full(), "best")
    assert "turns the sign of the estimate at k = 8: the tuned model is ahead at T=1.3" in text
    assert "and behind at T=0.7." in text
    agreed = {label: curves([0.1], [8]) for label in envelope().by_setting}
    text = shown(Fairness(envelope=envelope(by_setting=agreed)), "best")
    assert "turns the sign" not in text


def test_notes_of_the_grid_stand_in_its_section() -> None:
    assert "tuned lacks T=9: left out" in section(full(), "best")


def test_equal_tokens_with_their_certified_ranges() -> None:
    text = section(full(), "tokens")
    assert (
        "Gain certified for 40 to 160 tokens a problem. Loss certified for 4,000 tokens a problem."
        in text
    )
    assert "tokens base tuned tuned - base 40 0.300 0.500 +0.200 [+0.150, +0.250] 160" in text
    assert "4,000 0.360 0.270 -0.090 [-0.140, -0.040]" in text
    nothing = replace(tokens(), gain_certified=[], loss_certified=[])
    assert "No gain and no loss is certified at any budget." in shown(
        Fairness(envelope=envelope(tokens=nothing)), "tokens"
    )
    assert shown(Fairness(envelope=envelope(tokens=None)), "tokens") == ""


def test_equal_entropy_says_where_the_entropies_meet() -> None:
    text = section(full(), "entropy")
    assert "the base's first run, and the tuned model at T = 1.17" in text
    assert "1 0.300 0.384 +0.084 [+0.034, +0.134] 2 0.320" in text
    assert "base: runs/<base> 1.329 tuned: runs/t0.7 0.982" in text
    assert "tuned: runs/other –" in text
    assert "linear in the entropy" in text


def test_equal_entropy_stands_alone_where_there_is_no_envelope() -> None:
    at = Match(low="runs/t0.7", high="runs/t0.7", share=0.0, entropy=0.98, mismatch=-0.35)
    found = entropy(match=at, temperature=0.7, note="no tuned setting reaches the base's entropy")
    text = shown(Fairness(entropy=found), "entropy")
    assert "No tuned setting reaches the base's entropy." in text
    assert "linear in the entropy" not in text
    assert "needs the base under the same settings (--base RUN)" in text
    assert "--base RUN" not in section(full(), "entropy")
    assert shown(Fairness(entropy=found), "best") == ""


def test_charts_hold_the_numbers_of_the_result() -> None:
    found = envelope()
    figures = {figure.id: figure for figure in fair_part(Fairness(envelope=found)).figures}
    assert set(figures) == {"fair_curves", "fair_difference", "token_curves", "token_difference"}
    for name, of, values in (
        ("fair_difference", "fair", found.fair.difference),
        ("fair_difference", "naive", found.naive.difference[:4]),
        ("token_difference", "fair", found.tokens.curves.difference if found.tokens else []),
    ):
        drawn = [row["difference"] for row in all_rows(figures[name].spec) if row.get("line") == of]
        assert drawn == pytest.approx(values)
    rows = all_rows(figures["fair_curves"].spec)
    assert [r["value"] for r in rows if r.get("curve") == "tuned"] == pytest.approx(
        found.fair.tuned
    )
    assert found.floor is not None
    assert [r["value"] for r in rows if r.get("curve") == "floor"] == pytest.approx(found.floor)
    assert "naive" not in json.dumps(figures["token_curves"].spec)


def test_certified_ranges_are_shaded_on_both_differences() -> None:
    figures = {figure.id: figure for figure in fair_part(everything()).figures}
    for name, start in (("fair_difference", 1), ("token_difference", 40)):
        kinds = [row for row in all_rows(figures[name].spec) if "kind" in row]
        assert [row["kind"] for row in kinds] == ["gain certified", "loss certified"]
        assert kinds[0]["start"] == start


def all_rows(spec: object) -> list[dict[str, object]]:
    assert isinstance(spec, dict)
    return [row for rows in spec["datasets"].values() for row in rows]


def test_one_k_and_one_budget_have_numbers_and_no_charts() -> None:
    found = one_sample()
    assert all(figure.spec is None for figure in fair_part(found).figures)
    text = shown(found, "best")
    assert "one point only" in text
    assert "chosen fairly +0.200 [+0.150, +0.250] evenly" in text
    assert "40 0.300 0.500" in shown(found, "tokens")


def test_text_of_runs_is_escaped_everywhere() -> None:
    page = full()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; alone" in page
    for harmless in ("<base>", "<b>t1.3</b>", "loss for k=4 <i>"):
        assert harmless not in page
    assert len(re.findall("<script", page)) == page.count("</script>") == 3


def test_control_characters_of_a_label_are_shown_and_not_sent() -> None:
    bad = "T=\x1b[2J"
    found = envelope(
        by_setting={bad: curves([0.2] * 5, [1, 2, 3, 4, 8])},
        chosen={side: {bad: [1.0] * 4} for side in ("base", "tuned")},
        ends={bad: envelope().ends[COLD]},
    )
    page = html(Fairness(envelope=found))
    assert "\x1b" not in page
    assert "T=␛[2J alone" in page
