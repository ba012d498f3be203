from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from tests.report.comparisons import VARIANTS, beyond_the_base, made_up

from pathshift.analysis.result import ProblemRow, Range
from pathshift.report import charts, palette, rows
from pathshift.report.formats import NO_BREAK
from pathshift.report.grid import LEVELS

FIGURES = (charts.curves, charts.difference, charts.amplification, charts.histogram, charts.scatter)


def data_of(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return list(spec["datasets"].values())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.__name__)
def test_specification_is_plain_json_and_repeatable(figure: Any, variant: str) -> None:
    first, second = figure(VARIANTS[variant]()), figure(VARIANTS[variant]())
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_curves_hold_the_comparisons_numbers() -> None:
    result = made_up("gain")
    assert result.floor is not None
    long = rows.long_rows(rows.curve_rows(result))
    for name, values in (("base", result.base), ("tuned", result.tuned), ("floor", result.floor)):
        drawn = [row["value"] for row in long if row["curve"] == name]
        assert drawn == pytest.approx(values, abs=1e-6)


def test_no_floor_no_third_curve() -> None:
    result = made_up("gain", floor=None)
    assert {row["curve"] for row in rows.long_rows(rows.curve_rows(result))} == {"base", "tuned"}
    assert "floor" not in json.dumps(charts.curves(result))


def test_undefined_values_are_left_out_of_the_data() -> None:
    result = made_up("gain", n=4)
    undefined = replace(result, low=[float("nan"), *result.low[1:]])
    first, second, *_ = rows.curve_rows(undefined)
    assert "low" not in first
    assert "low" in second


@pytest.mark.parametrize("n", [1, 2, 160, 161, 1024, 5000])
def test_thinned_curve_keeps_both_ends_and_small_k(n: int) -> None:
    k = list(range(1, n + 1))
    drawn = [k[i] for i in rows.drawn(k)]
    assert len(drawn) <= rows.MOST_POINTS
    assert drawn[0] == 1
    assert drawn[-1] == n
    assert drawn[:10] == k[:10]


def test_certified_ranges_meet_halfway_and_never_overlap() -> None:
    result = replace(
        made_up("gain"), gain_certified=[Range(1, 6)], loss_certified=[Range(7, 7), Range(9, 32)]
    )
    gain, loss, later = rows.certified_rows(result)
    assert gain["start"] == 1
    assert gain["end"] == loss["start"] == pytest.approx(42**0.5)
    assert loss["start"] < 7 < loss["end"] < later["start"]
    assert later["end"] == 32


def test_worth_stops_where_the_base_does() -> None:
    result = made_up("gain")
    drawn = rows.worth_rows(result)
    reached = [v for v in result.amplification.curve["base_k"] if v is not None]
    assert [row["base_k"] for row in drawn] == pytest.approx(reached, abs=1e-6)
    assert all(0 < row["low"] <= row["base_k"] for row in drawn)
    assert all(row["high"] <= result.k[-1] for row in drawn)


def test_nothing_reached_gives_no_chart() -> None:
    assert charts.amplification(beyond_the_base(made_up("gain"))) is None


def test_worth_of_zero_has_a_place_on_a_log_axis() -> None:
    result = made_up("gain", n=2)
    curve: dict[str, list[Any]] = {
        "k": [1, 2],
        "base_k": [0.0, 0.5],
        "low": [0.0, 0.0],
        "high": [0.25, None],
    }
    drawn = rows.worth_rows(
        replace(result, amplification=replace(result.amplification, curve=curve))
    )
    intervals = [row.pop("interval").replace(NO_BREAK, " ") for row in drawn]
    assert intervals == ["[0.00, 0.25]", "[0.00, above 2]"]
    assert drawn == [
        {"k": 1, "low": 0.5, "high": 0.25},
        {"k": 2, "low": 0.5, "high": 2.0, "base_k": 0.5},
    ]


def test_scatter_counts_every_problem_once() -> None:
    problems = VARIANTS["many_problems"]().problems
    drawn = rows.scatter_rows(problems)
    assert sum(row["problems"] for row in drawn) == len(problems)
    assert len({(row["base"], row["tuned"]) for row in drawn}) == len(drawn)


def test_scatter_names_some_and_counts_the_rest() -> None:
    same = [
        ProblemRow(id=f"p{i}", source="", n_base=4, c_base=0, n_tuned=4, c_tuned=1)
        for i in range(10)
    ]
    (row,) = rows.scatter_rows(same)
    assert row["ids"] == "p0, p1, p2, p3, p4, p5 and 4 more"
    assert row["solved_by"] == "tuned only"


def test_more_rows_than_altair_takes_by_itself() -> None:
    many = [
        ProblemRow(id=f"p{i}", source="", n_base=9000, c_base=i, n_tuned=9000, c_tuned=0)
        for i in range(6000)
    ]
    assert max(map(len, data_of(charts.scatter(replace(made_up("gain"), problems=many))))) == 6000


def test_style_sheet_has_the_colours_of_the_charts_and_a_rule_for_each_shade() -> None:
    style = (files("pathshift.report") / "assets" / "comparison.css").read_text(encoding="utf-8")
    for name in ("base", "tuned", "gain", "loss"):
        assert re.search(rf"--{name}: {getattr(palette, name.upper())};", style)
    for shade in range(LEVELS + 1):
        assert f".b{shade} {{" in style
        assert f".t{shade} {{" in style
