from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from tests.report.comparisons import VARIANTS, beyond_the_base, made_up, with_failures
from tests.report.reading import elements, words

from pathshift.analysis.result import WORDS, Comparison, Range
from pathshift.report.formats import MINUS, signed
from pathshift.report.page import WORD_LABELS, Page, build_page
from pathshift.report.render import render


def page(result: Comparison) -> Page:
    return build_page(result, title="A title", scale="toy", command="pathshift compare a b")


def shown(result: Comparison) -> str:
    """The page's text with plain minus signs."""
    return words(render(page(result))).replace(MINUS, "-")


def test_importing_the_package_loads_no_chart_library() -> None:
    code = (
        "import sys, pathshift.report; print({'altair', 'jinja2', 'vl_convert'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_verdict_word_has_a_label() -> None:
    assert set(WORD_LABELS) == set(WORDS)


def test_verdict_comes_first() -> None:
    result = made_up("gain_then_loss")
    assert shown(result).startswith(f"gain, then loss {result.verdict.sentence}")


def test_badge_names_and_command_are_on_the_page() -> None:
    html = render(page(made_up("gain")))
    assert [e.text for e in elements(html, "span") if e.attributes.get("class") == "badge"] == [
        "toy"
    ]
    assert "runs/step400" in elements(html, "header")[0].text
    assert "pathshift compare a b" in elements(html, "footer")[0].text


@pytest.mark.parametrize("variant", ["gain", "loss", "many_problems", "one_k"])
def test_key_numbers_are_those_of_the_comparison(variant: str) -> None:
    result = VARIANTS[variant]()
    text = shown(result)
    for i in {0, len(result.k) - 1}:
        assert (
            f"pass@{result.k[i]} {result.base[i]:.3f} → {result.tuned[i]:.3f}"
            f" difference {result.difference[i]:+.3f} [{result.low[i]:+.3f}, {result.high[i]:+.3f}]"
        ) in text
    assert f"measured on {result.n_problems:,} problems" in text


def test_worth_of_a_tuned_sample_with_its_interval() -> None:
    result = made_up("gain")
    found = result.amplification
    assert f"{found.base_k:.2f} base samples [{found.low:.2f}, {found.high:.2f}]" in shown(result)


def test_worth_beyond_the_base_is_a_bound_and_not_a_number() -> None:
    text = shown(beyond_the_base(made_up("gain")))
    assert "above 32 base samples beyond what the base's samples can show" in text


def test_worth_with_an_open_end() -> None:
    result = made_up("gain")
    worth = replace(result.amplification, high=None)
    assert ", above 32]" in shown(replace(result, amplification=worth))


def test_cells_and_null() -> None:
    result = made_up("gain")
    cells, null = result.cells, result.null
    assert null is not None
    text = shown(result)
    assert f"base solves it {cells.both} {cells.base_only}" in text
    assert f"base does not {cells.tuned_only} {cells.neither}" in text
    assert f"McNemar test p = {cells.mcnemar_p:.2g}" in text
    assert f"by the base only {null.base_only:.2f} {null.observed_base_only:.2f}" in text
    assert f"by the tuned only {null.tuned_only:.2f} {null.observed_tuned_only:.2f}" in text


def test_efficiency_gap() -> None:
    gap = made_up("gain").delta_se
    expected = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]: pass@{gap.k} of the base"
    assert expected in shown(made_up("gain"))


def test_sign_of_a_small_edge_is_not_rounded_away() -> None:
    result = made_up("gain")
    edges = [0.0002, *result.low[1:]]
    assert "[+0.0002, " in shown(replace(result, low=edges))


def test_table_by_k_holds_the_curves() -> None:
    result = made_up("gain")
    assert result.floor is not None
    text = shown(result)
    for k in (1, 2, 4, 8, 16, 32):
        i = k - 1
        assert (
            f"{result.tuned[i]:.3f} [{result.tuned_low[i]:.3f}, {result.tuned_high[i]:.3f}]"
            f" {signed(result.difference[i])} [{signed(result.low[i])}, {signed(result.high[i])}]"
            f" {result.floor[i]:.3f}"
        ).replace(MINUS, "-") in text


def test_certified_ranges_are_said_in_words() -> None:
    ranges = [Range(1, 6), Range(9, 9)]
    result = replace(made_up("gain"), gain_certified=ranges, loss_certified=[Range(20, 32)])
    assert "Gain certified for k = 1 to 6 and k = 9. Loss certified for k = 20 to 32." in shown(
        result
    )


def test_undecided_says_what_would_decide() -> None:
    text = shown(made_up("undecided", gain_certified=[], loss_certified=[]))
    assert (
        "would decide it, about 246 problems 15,744 samples of both models together,"
        " 2,100,000 tokens"
    ) in text
    assert "No gain and no loss is certified at any k." in text


def test_failed_samples_bring_their_bounds() -> None:
    result = with_failures(made_up("gain"))
    assert result.bounds is not None
    low, high = (result.bounds["tuned"][end][-1] for end in ("low", "high"))
    text = shown(result)
    assert "failed 7 7" in text
    assert f"tuned pass@32 {low:.3f} {high:.3f}" in text
    assert "failed as wrong" not in shown(made_up("gain"))


def test_unknown_counts_are_not_zero() -> None:
    assert "truncated not known not known" in shown(made_up("gain"))


def test_runs_that_differ_say_so() -> None:
    text = shown(made_up("gain"))
    assert "temperature 1.0 0.6 differs" in text
    assert "template Q: {question} A: Q: {question} A: How the numbers" not in text
    assert "versions.numpy 2.3.1" in text


def test_undefined_numbers_are_words() -> None:
    result = made_up("gain")
    cells = replace(result.cells, mcnemar_p=float("nan"))
    html = shown(replace(result, cells=cells, low=[float("nan")] * 32))
    assert "nan" not in html.replace("McNemar", "").lower().split()
    assert "McNemar test p undefined" in html


def test_grid_has_one_square_a_problem_in_the_order_of_the_base() -> None:
    result = VARIANTS["many_problems"]()
    squares = page(result).grid.squares
    assert len(squares) == 1060
    assert [s.base for s in squares] == sorted(s.base for s in squares)
    assert {s.title for s in squares} == {
        f"{r.id}: base {r.c_base}/{r.n_base}, tuned {r.c_tuned}/{r.n_tuned}"
        for r in result.problems
    }


def test_every_section_has_a_heading_or_a_label() -> None:
    html = render(page(made_up("gain")))
    headings = elements(html, "h2")
    unlabelled = [e for e in elements(html, "section") if "aria-label" not in e.attributes]
    assert len(headings) == len(unlabelled)
    charts = [e for e in elements(html, "div") if e.attributes.get("class") == "chart"]
    assert len(charts) == 5
    assert all(e.attributes["aria-label"] and e.attributes["role"] == "img" for e in charts)
