"""Model-free ranges: exact intervals, the truth in simulation, and laws that must lie inside."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr

from pathshift.stats.exact import clopper_pearson
from pathshift.stats.mixing import fit
from pathshift.stats.modelfree import _chance_at_most, count_band, free_range
from pathshift.stats.passk import FloatArray, IntArray

K = np.array([32, 128])


def rows_of(
    n: IntArray, rates: FloatArray, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    counts, weight = np.unique(
        np.column_stack([n, rng.binomial(n, rates)]), axis=0, return_counts=True
    )
    return counts, weight.astype(float)


@given(st.integers(1, 7), st.data())
def test_thinned_counts_are_those_of_every_draw(n: int, data: st.DataObject) -> None:
    c, m = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = [sum(d) for d in combinations([1] * c + [0] * (n - c), m)]
    found = _chance_at_most(np.array([(n, c)]), m)[0]
    assert found == pytest.approx([np.mean([d <= j for d in draws]) for j in range(m)], abs=1e-12)


def test_edges_are_clopper_and_pearsons_shared_among_the_thresholds() -> None:
    counts = np.array([(4, c) for c in range(5)])
    weight = np.array([10.0, 0.0, 7.0, 3.0, 0.0])
    band = count_band(counts, weight, 0.95)
    assert band.at_most.tolist() == [0, 1, 2, 3]
    for j, low, high in zip(band.at_most, band.low, band.high, strict=True):
        share = clopper_pearson(int(weight[: j + 1].sum()), 20, 1 - 0.05 / 4)
        assert (low, high) == pytest.approx(share, abs=1e-12)


def test_unequal_n_give_wider_edges_that_hold_the_exact_ones() -> None:
    rng = np.random.default_rng(0)
    equal = rows_of(np.full(200, 8), rng.beta(0.5, 0.5, 200), rng)
    narrow = count_band(*equal, 0.95)
    one_longer = np.vstack([equal[0], [(9, 9)]]), np.append(equal[1], 1e-9)
    wide = count_band(*one_longer, 0.95)
    assert (wide.low <= narrow.low + 1e-9).all()
    assert (wide.high >= narrow.high - 1e-9).all()
    assert (wide.high - wide.low < 0.32).all()


POPULATIONS = {
    "spread": (
        np.array([0.0, 0.004, 0.03, 0.2, 0.7, 1.0]),
        np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.1]),
    ),
    "all rare": (np.array([0.01]), np.array([1.0])),
    "two kinds": (np.array([0.0, 0.5]), np.array([0.4, 0.6])),
}


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("is_equal", [True, False])
def test_holds_the_truth_in_simulation(name: str, *, is_equal: bool) -> None:
    rates, share = POPULATIONS[name]
    true, rng, missed, repeats = (
        1 - share @ (1 - rates[:, None]) ** K,
        np.random.default_rng(1),
        0,
        40,
    )
    for _ in range(repeats):
        n = np.full(120, 16) if is_equal else rng.integers(16, 24, 120)
        found = free_range(*rows_of(n, rng.choice(rates, 120, p=share), rng), K, 0.95)
        missed += bool(((true < found.low) | (true > found.high)).any())
    assert missed <= 3


def test_every_law_that_reproduces_the_counts_lies_inside() -> None:
    rng = np.random.default_rng(2)
    counts, weight = rows_of(np.full(1000, 16), rng.beta(0.3, 0.4, 1000), rng)
    found = free_range(counts, weight, K, 0.95)
    for with_impossible in (False, True):
        law = fit(counts, weight[None], with_impossible=with_impossible).law
        curve = 1 - law.miss(K)[0]
        assert (found.low < curve).all()
        assert (curve < found.high).all()
    assert found.level == pytest.approx(0.95)


def test_its_ends_are_reached_by_a_law_within_the_intervals() -> None:
    # One threshold: at most 0 right of 1, so the mean rate alone is known. The smallest pass@2 of
    # a given mean m is m (rates 0 and 1), the largest 1 - (1-m)^2 (all rates m).
    counts, weight = np.array([(1, 0), (1, 1)]), np.array([60.0, 40.0])
    mean = clopper_pearson(40, 100)
    found = free_range(counts, weight, np.array([2]), 0.95)
    assert found.low[0] == pytest.approx(mean.low, abs=0.001)
    assert found.high[0] == pytest.approx(1 - (1 - mean.high) ** 2, abs=0.001)
    assert found.low[0] <= mean.low
    assert found.high[0] >= 1 - (1 - mean.high) ** 2


@settings(max_examples=15)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=15))
def test_any_counts_give_a_range(c: list[int]) -> None:
    counts, weight = np.unique([(5, x) for x in c], axis=0, return_counts=True)
    found = free_range(counts, weight.astype(float), np.array([6, 40]), 0.95)
    assert (found.low <= found.high).all()
    assert found.level >= 0.95 - 1e-12
    assert np.diff(found.low)[0] >= -1e-3
    assert np.diff(found.high)[0] >= -1e-3


def test_counts_that_no_law_gives_are_widened_not_refused() -> None:
    # Exactly half right in each of 500 problems: no mixture of binomials is so narrow.
    found = free_range(np.array([(8, 4)]), np.array([500.0]), np.array([32]), 0.95)
    assert found.level > 0.95
    assert found.high[0] == pytest.approx(1, abs=1e-6)


def test_none_right_still_leaves_room_above() -> None:
    found = free_range(np.array([(16, 0)]), np.array([1000.0]), K, 0.95)
    assert found.low.tolist() == [0, 0]
    rate = 1 - (1 - clopper_pearson(0, 1000, 1 - 0.05 / 16).high) ** (1 / 16)
    assert found.high == pytest.approx(1 - (1 - rate) ** K, abs=0.003)
    assert bdtr(0, 16, rate) == pytest.approx(1 - clopper_pearson(0, 1000, 1 - 0.05 / 16).high)


def test_thinning_many_samples_does_not_overflow() -> None:
    n, c = 4096, np.array([0, 100, 2048, 4096])
    found = _chance_at_most(np.column_stack([np.full(4, n), c]), n)
    assert (found == (c[:, None] <= np.arange(n))).all()
