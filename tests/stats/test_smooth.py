"""The smooth law against finite differences, laws it should and should not resemble, and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.mixing import predicted
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.smooth import N_BUMPS, SmoothFit, _Shape, fit_smooth, refit_smooth


def rows_of(n: int, rates: FloatArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    c = rng.binomial(n, rates)
    counts, weight = np.unique(np.column_stack([np.full(len(c), n), c]), axis=0, return_counts=True)
    return counts, weight.astype(float)


def curve(counts: IntArray, weight: FloatArray, found: SmoothFit, k: int) -> float:
    solved = predicted(counts, found.law, np.array([k]))[:, :, 0]
    return float(found.likely @ (solved @ weight) / weight.sum())


def test_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    counts, weight = rows_of(8, rng.beta(0.5, 0.7, 80), rng)
    hill, which = _Shape(counts, weight[None], np.array([0.07])), np.array([0])
    theta = hill.centre + rng.normal(size=(1, 2 + N_BUMPS)) / 3
    slope = hill.derivatives(theta, which).gradient[0]
    for i in range(2 + N_BUMPS):
        step = np.zeros((1, 2 + N_BUMPS))
        step[0, i] = 1e-5
        ends = [hill.value(theta + sign * step, which)[0] for sign in (1, -1)]
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope[i], rel=1e-4, abs=1e-4)


def test_densities_add_up_and_sizes_weigh_one() -> None:
    rng = np.random.default_rng(1)
    counts, weight = rows_of(16, rng.beta(0.3, 0.3, 300), rng)
    found = fit_smooth(counts, weight)
    assert found.law.density.sum(axis=1) == pytest.approx(1)
    assert found.likely.sum() == pytest.approx(1)
    assert found.law.miss(np.array([1]))[:, 0] == pytest.approx(
        1 - (counts[:, 1] @ weight) / weight.sum() / 16, abs=0.02
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_gap_above_the_unsolvable_is_seen_where_no_beta_law_sees_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rates = np.where(rng.random(4000) < 0.25, 0.0, rng.uniform(0.3, 0.9, 4000))
    counts, weight = rows_of(16, rates, rng)
    assert curve(counts, weight, fit_smooth(counts, weight), 128) == pytest.approx(0.75, abs=0.02)


def test_refitting_the_same_weighting_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    counts, weight = rows_of(16, rng.beta(0.4, 0.4, 500), rng)
    found = fit_smooth(counts, weight)
    again = refit_smooth(counts, np.tile(weight, (3, 1)), found, np.array([0, 4, 10]))
    assert again.density == pytest.approx(found.law.density[[0, 4, 10]], abs=1e-4)


def test_sizes_are_drawn_as_often_as_they_are_likely() -> None:
    rng = np.random.default_rng(3)
    counts, weight = rows_of(16, rng.beta(0.4, 0.4, 500), rng)
    found = fit_smooth(counts, weight)
    share = np.bincount(found.drawn(4000, rng), minlength=11) / 4000
    assert share == pytest.approx(found.likely, abs=0.001)


@pytest.mark.parametrize("row", [(1, 0), (1, 1), (16, 0), (16, 16), (16, 8), (300, 0)])
def test_one_problem_gives_a_finite_law(row: tuple[int, int]) -> None:
    counts, weight = np.array([row]), np.ones(1)
    found = fit_smooth(counts, weight)
    assert np.isfinite(found.law.density).all()
    assert -1e-9 <= curve(counts, weight, found, 8 * row[0]) <= 1 + 1e-9
