"""Sections beside the curves: what would decide, what lies beyond the samples, the readings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report.comparisons import made_up, prediction, reading, with_readings
from tests.report.reading import elements, words

from pathshift.analysis.result import Comparison, WouldDecide
from pathshift.report.formats import MINUS
from pathshift.report.page import build_page
from pathshift.report.render import render

SECTIONS = ("decide", "beyond", "reliability", "guessing")


@pytest.fixture(scope="module")
def full() -> Comparison:
    return with_readings(made_up("undecided", problems=16))


def html(result: Comparison) -> str:
    return render(build_page(result, title="A title", scale="toy"))


def shown(result: Comparison, section: str) -> str:
    """The text of one section, with plain minus signs and white space made single."""
    found = [e for e in elements(html(result), "section") if e.attributes.get("id") == section]
    return " ".join(found[0].text.split()).replace(MINUS, "-") if found else ""


def test_without_extras_there_are_no_such_sections() -> None:
    page = html(made_up("gain"))
    ids = {e.attributes.get("id") for e in elements(page, "section")}
    assert not ids.intersection(SECTIONS)
    assert "grid" in ids


def test_every_section_has_its_heading(full: Comparison) -> None:
    page = html(full)
    unlabelled = [e for e in elements(page, "section") if "aria-label" not in e.attributes]
    assert len(elements(page, "h2")) == len(unlabelled)
    ids = [e.attributes.get("id") for e in unlabelled]
    assert [name for name in ids if name in SECTIONS] == list(SECTIONS)


def test_both_ways_to_decide_with_what_they_cost(full: Comparison) -> None:
    text = shown(full, "decide")
    assert "problems samples of each samples in all tokens minutes" in text
    assert "k = 1 246 32 15,744 2,100,000 3.25" in text
    assert "k = 1 the same 16 96 2,048 more 273,000 0.50" in text
    assert "k = 32 – 32 – – –" in text
    assert "No difference was seen at k = 32" in text
    assert "a chance of 80%" in text


def test_columns_that_nobody_knows_are_left_out(full: Comparison) -> None:
    first = full.decide_at[0]
    assert first.problems_cost is not None
    unknown = replace(first.problems_cost, tokens=None, minutes=None)
    bare = replace(first, problems_cost=unknown, n=None, n_cost=None)
    text = shown(replace(full, decide_at=[bare]), "decide")
    assert "samples in all k = 1 246 32 15,744 At k = 1 no number of samples" in text
    assert "tokens" not in text
    assert "minutes" not in text


def test_the_easiest_k_stands_first_where_it_is_neither_end(full: Comparison) -> None:
    easiest = WouldDecide(problems=91, samples=5824, tokens=777, minutes=1.5)
    text = shown(replace(full, would_decide=easiest), "decide")
    assert "the easiest k 91 32 5,824 777 1.50 k = 1 246" in text
    assert "the easiest k" not in shown(full, "decide")


def test_predictions_are_ranges_by_model(full: Comparison) -> None:
    text = shown(full, "beyond")
    assert "pass@64 base 0.800 [0.750, 0.850] 0.780 0.820 [0.700, 0.900]" in text
    assert "pass@128 tuned 0.701 [0.650, 0.750] 0.680 0.720 [0.600, 0.800]" in text
    assert "64 -0.100 [-0.200, -0.010] below 0 128 -0.100 [-0.200, +0.030] open" in text
    assert "No word of the verdict rests on these numbers." in text
    gain = replace(prediction(), difference_low=[0.01, -0.1], difference_high=[0.2, 0.1])
    assert "+0.200] above 0 128" in shown(replace(full, beyond=gain), "beyond")


def test_reliability_stands_beside_pass_at_k(full: Comparison) -> None:
    text = shown(full, "reliability")
    assert "pass@4: one of 4 right 0.600 0.900" in text
    assert "Cover@0.1 0.180 [0.010, 0.990] 0.270 [0.010, 0.990]" in text
    assert "Cover@0.5 0.100 [0.010, 0.990] 0.150 [0.010, 0.990]" in text
    assert "G-pass@4: half of 4 right 0.100 0.150" in text
    assert "pass@1: mean success rate 0.200 0.300" in text


def test_a_stopped_side_has_no_reliability_and_two_have_no_section(full: Comparison) -> None:
    stopped = replace(reading(0.3), cover=None, mg_pass=None)
    stopped = replace(stopped, curve=[replace(p, g_pass=None) for p in stopped.curve])
    one = shown(
        with_readings(full, readings={"base": reading(0.2), "tuned": stopped}), "reliability"
    )
    assert "Cover@0.5 0.100 [0.010, 0.990] –" in one
    assert "G-pass@4: half of 4 right 0.100 –" in one
    assert "a rule stopped has no such reading" in one
    both = with_readings(full, readings={"base": stopped, "tuned": stopped})
    assert shown(both, "reliability") == ""
    assert "solved beyond the floor 7 7" in shown(both, "guessing")


def test_guessing_and_slips_stand_beside_the_curves(full: Comparison) -> None:
    text = shown(full, "guessing")
    assert "k base tuned floor base without slips tuned without slips no ability reaches" in text
    # Below 0 the rate explains more than there is: nothing is left.
    assert "1 0.200 0.300 0.011 0.000 0.050 0.013" in text
    assert "4 0.600 0.900 0.033 0.350 0.650 0.039" in text
    assert "2 0.400" not in text
    assert "Of 60 problems base tuned samples of each 32 32 solved at least once 20 30" in text
    assert "without ability 2.35 2.35 solved beyond the floor 7 7" in text
    assert "to pass 0.1% of wrong answers" in text


def test_without_a_rate_nothing_is_said_of_slips(full: Comparison) -> None:
    sides = {"base": reading(0.2, None), "tuned": reading(0.3, None)}
    text = shown(replace(full, readings=sides), "guessing")
    assert "k base tuned floor 1 0.200 0.300 0.011 4" in text
    assert "lips" not in text


def test_without_floor_and_rate_there_is_no_section_of_guessing(full: Comparison) -> None:
    bare = replace(reading(0.2, None), beyond=None)
    bare = replace(bare, curve=[replace(point, floor=None) for point in bare.curve])
    found = replace(full, readings={"base": bare, "tuned": bare})
    assert shown(found, "guessing") == ""
    assert "Cover@0.5" in shown(found, "reliability")


def test_only_the_k_of_both_models_are_set_beside_each_other(full: Comparison) -> None:
    short = replace(reading(0.2), curve=reading(0.2).curve[:2])
    found = replace(full, readings={"base": short, "tuned": reading(0.3)})
    assert "pass@2: one of 2 right 0.400 0.600" in shown(found, "reliability")
    assert "2 0.400 0.600 0.022" in shown(found, "guessing")
    assert words(html(found)).count("pass@4:") == 0
