"""The comparison against published numbers and against what its parts must agree on."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

import pathshift
from pathshift.analysis.result import WORDS, Comparison
from pathshift.errors import ConfigError, CountsError
from pathshift.records import CountTable, ProblemCount

FIELDS = [
    "schema",
    "verdict",
    "n_problems",
    "n",
    "k",
    "base",
    "base_low",
    "base_high",
    "tuned",
    "tuned_low",
    "tuned_high",
    "difference",
    "low",
    "high",
    "floor",
    "gain_certified",
    "loss_certified",
    "first_loss",
    "amplification",
    "cells",
    "null",
    "outcomes",
    "bounds",
    "delta_se",
    "would_decide",
    "readings",
    "decide_at",
    "settings",
]
"""What the contract promises of `to_dict()`; fields are added, never renamed."""


def released(seed: int = 0, **options: Any) -> Comparison:
    with_files = files("pathshift") / "examples" / "deepscaler32k"
    return pathshift.compare(
        str(with_files / "base.jsonl"), str(with_files / "tuned.jsonl"), seed=seed, **options
    )


@pytest.fixture(scope="module")
def deepscaler() -> Comparison:
    return released()


def solved_table(both: int, base_only: int, tuned_only: int, neither: int) -> list[list[list[int]]]:
    """Counts with n=1 whose cells are the given ones."""
    base = [1] * (both + base_only) + [0] * (tuned_only + neither)
    tuned = [1] * both + [0] * base_only + [1] * tuned_only + [0] * neither
    return [[[1, c] for c in side] for side in (base, tuned)]


def test_deepscaler_curves_are_the_published_ones(deepscaler: Comparison) -> None:
    at = {k: i for i, k in enumerate(deepscaler.k)}
    published = {
        1: (0.6041, 0.6801), 4: (0.7456, 0.7764), 16: (0.8215, 0.8253),
        64: (0.8703, 0.8574), 128: (0.8906, 0.8708),
    }  # fmt: skip
    for k, pair in published.items():
        assert (deepscaler.base[at[k]], deepscaler.tuned[at[k]]) == pytest.approx(pair, abs=5e-5)
    assert deepscaler.difference[0] == pytest.approx(0.0760, abs=5e-5)
    assert deepscaler.difference[-1] == pytest.approx(-0.0198, abs=5e-5)


def test_deepscaler_cells_null_and_gap(deepscaler: Comparison) -> None:
    cells = deepscaler.cells
    assert (cells.both, cells.base_only, cells.tuned_only, cells.neither) == (911, 33, 12, 104)
    assert cells.mcnemar_p == pytest.approx(0.0025, abs=5e-5)
    null = deepscaler.null
    assert null is not None
    assert (null.k, round(null.base_only, 1), round(null.tuned_only, 1)) == (64, 21.4, 14.2)
    assert (round(null.observed_base_only, 1), round(null.observed_tuned_only, 1)) == (31.1, 17.3)
    assert deepscaler.delta_se.value == pytest.approx(0.8906 - 0.6801, abs=1e-4)


def test_deepscaler_histogram_ends_are_the_published_counts(deepscaler: Comparison) -> None:
    histogram = deepscaler.histogram
    assert (histogram["base"][0], histogram["tuned"][0]) == (116, 137)
    assert (histogram["base"][-1], histogram["tuned"][-1]) == (182, 350)
    assert sum(histogram["base"]) == sum(histogram["tuned"]) == 1060


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_deepscaler_gains_at_small_k_and_loses_at_large(seed: int) -> None:
    result = released(seed)
    assert result.verdict.word == "gain_then_loss"
    assert result.gain_certified == [(1, 10)]
    assert len(result.loss_certified) == 1
    start, end = result.loss_certified[0]
    assert 60 <= start <= 66
    assert end == 128
    assert result.first_loss == (11, start)
    recorded = result.settings
    assert (recorded["band"], recorded["seed"], recorded["replicates"]) == ("bayes", seed, 8000)


def test_deepscaler_amplification(deepscaler: Comparison) -> None:
    worth = deepscaler.amplification
    assert worth.k == 1
    assert worth.base_k == pytest.approx(1.94, abs=0.005)
    assert worth.low == pytest.approx(1.86, abs=0.01)
    assert worth.high == pytest.approx(2.02, abs=0.01)
    assert worth.curve["base_k"][-1] == pytest.approx(65, abs=0.5)


@pytest.mark.parametrize(
    ("cells", "word", "p"),
    [((462, 18, 5, 15), "loss", 0.011), ((19, 4, 0, 7), "undecided", 0.125)],
)
def test_cells_of_the_source_paper(cells: tuple[int, ...], word: str, p: float) -> None:
    """MATH500 at k=128 and AIME24 at k=1024 (Yue et al. 2025, table 2), fed as solved tables."""
    result = pathshift.compare(*solved_table(*cells))
    found = result.cells
    assert (found.both, found.base_only, found.tuned_only, found.neither) == cells
    assert result.verdict.word == word
    assert found.mcnemar_p == pytest.approx(p, abs=5e-4)


def test_undecided_says_what_would_decide() -> None:
    result = pathshift.compare(*solved_table(19, 4, 0, 7))
    assert result.would_decide is not None
    assert result.would_decide.problems > 30
    assert f"{result.would_decide.problems:,} problems" in result.verdict.sentence


@configured(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_word_of_a_solved_table_agrees_with_its_p(rows: list[tuple[int, int]]) -> None:
    base, tuned = ([[1, row[i]] for row in rows] for i in (0, 1))
    result = pathshift.compare(base, tuned, replicates=200)
    assert (result.verdict.word != "undecided") == (result.cells.mcnemar_p < 0.05)


@configured(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_at_k_equal_to_n_word_and_p_never_disagree(rows: list[tuple[int, int]]) -> None:
    base, tuned = ([[3, row[i]] for row in rows] for i in (0, 1))
    result = pathshift.compare(base, tuned, replicates=200)
    excludes_zero = result.low[-1] > 0 or result.high[-1] < 0
    assert excludes_zero == (result.cells.mcnemar_p < 0.05)


@configured(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.data())
def test_any_counts_give_a_complete_plain_result(n: int, data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(st.tuples(st.integers(0, n), st.integers(0, n)), min_size=1, max_size=25)
    )
    base, tuned = ([[n, row[i]] for row in rows] for i in (0, 1))
    result = pathshift.compare(base, tuned, replicates=200, floor=0.01)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(FIELDS) <= set(plain)
    assert plain["verdict"]["word"] in WORDS
    lengths = {len(plain[name]) for name in ("k", "base", "tuned", "low", "high", "floor")}
    assert lengths == {n}
    for low, mid, high in zip(plain["low"], plain["difference"], plain["high"], strict=True):
        assert -1 <= low <= mid + 1e-9
        assert mid - 1e-9 <= high <= 1


def test_same_seed_same_bytes_and_another_seed_another_band() -> None:
    counts = [[8, 1]] * 20 + [[8, 5]] * 20, [[8, 2]] * 20 + [[8, 6]] * 20
    texts = [
        json.dumps(pathshift.compare(*counts, seed=seed).to_dict(), sort_keys=True)
        for seed in (3, 3, 4)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_swapping_the_sides_mirrors_the_difference() -> None:
    base, tuned = [[8, 1]] * 30 + [[8, 8]] * 5, [[8, 7]] * 30 + [[8, 8]] * 5
    forward, backward = pathshift.compare(base, tuned), pathshift.compare(tuned, base)
    assert forward.verdict.word == "gain"
    assert backward.verdict.word == "loss"
    assert forward.difference == pytest.approx([-d for d in backward.difference])


def test_order_of_problems_does_not_matter() -> None:
    rows = [{"id": str(i), "n": 8, "c": i % 9} for i in range(30)]
    other = [{"id": str(i), "n": 8, "c": (2 * i) % 9} for i in range(30)]
    assert (
        pathshift.compare(rows, other).difference == pathshift.compare(rows, other[::-1]).difference
    )


def test_no_word_where_the_floor_exceeds_half_of_the_base() -> None:
    base, tuned = [[64, 2]] * 80, [[64, 40]] * 80
    free = pathshift.compare(base, tuned)
    assert free.gain_certified == [(1, free.gain_certified[0].high)]
    barred = pathshift.compare(base, tuned, floor=0.02)
    assert barred.verdict.word == "undecided"
    assert "blind guessing" in barred.verdict.sentence
    assert barred.would_decide is None
    assert any("no word" in note for note in barred.notes)


def test_floor_bars_only_the_k_it_reaches() -> None:
    """A guess right in one of 40: half of the base's pass@k is passed at some k, not at k=1."""
    base, tuned = [[64, 6]] * 80, [[64, 40]] * 80
    result = pathshift.compare(base, tuned, floor=0.025)
    assert result.floor is not None
    for start, end in result.gain_certified:
        for k in range(start, end + 1):
            assert result.floor[k - 1] <= result.base[k - 1] / 2
    assert result.gain_certified[0].low == 1
    assert result.floor[-1] > result.base[-1] / 2


def table(**changes: Any) -> CountTable:
    counts = tuple(
        ProblemCount(id=f"p{i}", **{"n": 8, "c": 4, "failed": 0, "unparsed": 0, **changes})
        for i in range(12)
    )
    return CountTable(name="made", counts=counts)


def test_failed_samples_are_not_wrong_but_bound_the_curve() -> None:
    result = pathshift.compare(table(n=6, c=3, failed=2), table())
    assert result.base[0] == pytest.approx(0.5)
    assert result.bounds is not None
    assert result.bounds["base"]["low"][0] == pytest.approx(3 / 8)
    assert result.bounds["base"]["high"][0] == pytest.approx(5 / 8)
    assert result.outcomes["base"]["failed"] == 24
    assert any("failed" in note for note in result.notes)
    assert pathshift.compare(table(), table()).bounds is None


def test_problems_without_a_judged_sample_are_left_out_and_told() -> None:
    full = table()
    dead = ProblemCount(id="p0", n=0, c=0, failed=8, unparsed=0)
    result = pathshift.compare(CountTable(name="x", counts=(dead, *full.counts[1:])), full)
    assert result.n_problems == 11
    assert any("left out" in note for note in result.notes)


def test_unequal_n_goes_to_the_smallest_and_says_so() -> None:
    base = [[4, 2]] * 10 + [[16, 3]] * 10
    result = pathshift.compare(base, [[8, 4]] * 20)
    assert result.k == [1, 2, 3, 4]
    assert result.n["base"] == {"min": 4, "max": 16}
    assert any("4 to 16" in note for note in result.notes)
    assert result.base[0] == pytest.approx((0.5 + 3 / 16) / 2)


def test_different_settings_of_two_runs_are_told() -> None:
    counts = table().counts
    left = CountTable(name="a", counts=counts, settings={"template_hash": "x", "stop": []})
    right = CountTable(name="b", counts=counts, settings={"template_hash": "y", "stop": []})
    notes = pathshift.compare(left, right).notes
    assert any("template_hash differs" in note for note in notes)
    assert not any("stop differs" in note for note in notes)


@pytest.mark.parametrize(
    ("settings", "badge"),
    [
        ({}, "counts"),
        ({"model": "fake:base"}, "toy"),
        ({"model": "smollm2", "details": {"parameters": 134_515_008}}, "135M"),
        ({"model": "hf:x", "details": {"parameters": 7_600_000_000}}, "7.6B"),
        ({"model": "openai:x"}, "openai:x"),
    ],
)
def test_every_result_carries_the_badge_of_its_scale(settings: dict[str, Any], badge: str) -> None:
    one = CountTable(name="x", counts=table().counts, settings=settings)
    assert pathshift.compare(one, one).settings["scale"] == badge


def test_sampling_noise_is_the_spread_over_repeated_sampling() -> None:
    """The same 40 problems sampled 400 times: the curve's spread is the standard error told."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 1.0, 40)
    curves, told = [], []
    for _ in range(400):
        counts = np.stack([np.full(40, 16), rng.binomial(16, p)], axis=1)
        result = pathshift.compare(counts, counts, replicates=200, k=(1, 4, 8, 16))
        curves.append(result.base)
        told.append(result.sampling_se["base"])
    spread = np.std(curves, axis=0)
    variance = np.mean(np.array(told, dtype=float)[:, :3] ** 2, axis=0)
    assert np.sqrt(variance) == pytest.approx(spread[:3], rel=0.12)
    assert all(errors[3] is None for errors in told)


def test_the_same_id_with_another_question_is_refused() -> None:
    left, right = (
        CountTable(name=name, counts=(ProblemCount(id="a", n=4, c=1, content_hash=name),))
        for name in ("left", "right")
    )
    with pytest.raises(CountsError, match="problem a asks different things in left and right"):
        pathshift.compare(left, right)


def test_a_grid_of_k_reports_those_alone() -> None:
    result = pathshift.compare([[8, 1]] * 20, [[8, 2]] * 20, k=(1, 8))
    assert result.k == [1, 8]
    dense = pathshift.compare([[8, 1]] * 20, [[8, 2]] * 20)
    assert result.base == pytest.approx([dense.base[0], dense.base[7]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": (9,)}, "pass@9 needs at least 9 samples"),
        ({"k": (0,)}, "from 1 up"),
        ({"level": 1.0}, "level must be"),
        ({"band": "magic"}, "bayes, strict, sup-t"),
        ({"replicates": 3}, "replicates must be"),
        ({"floor": 1.5}, "floor must be"),
    ],
)
def test_bad_settings_name_value_and_rule(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pathshift.compare([[8, 1]] * 4, [[8, 2]] * 4, **options)


def test_different_problems_are_refused_by_name() -> None:
    left = [{"id": "a", "n": 4, "c": 1}, {"id": "b", "n": 4, "c": 1}]
    right = [{"id": "a", "n": 4, "c": 1}, {"id": "z", "n": 4, "c": 1}]
    with pytest.raises(CountsError, match=r"1 only in base \(b\); 1 only in tuned \(z\)"):
        pathshift.compare(left, right)


def test_arrays_need_two_columns() -> None:
    with pytest.raises(CountsError, match="two columns"):
        pathshift.compare(np.ones((3, 3)), np.ones((3, 3)))


def test_accepts_paths_rows_and_arrays_alike(tmp_path: Path) -> None:
    rows = [{"id": str(i), "n": 8, "c": i % 9} for i in range(12)]
    path = tmp_path / "counts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    array = np.array([[8, i % 9] for i in range(12)])
    curves = [pathshift.compare(source, source).base for source in (str(path), path, rows, array)]
    assert all(curve == curves[0] for curve in curves)
