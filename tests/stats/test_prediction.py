"""The range over laws: against direct fits, known populations, and its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.bands import dirichlet_weights
from pathshift.stats.mixing import fit, predicted
from pathshift.stats.passk import FloatArray
from pathshift.stats.prediction import (
    TEMPER,
    Curves,
    curves,
    difference_spread,
    gain_chance,
    spread,
)

K = np.array([32, 128])


def made(rates: FloatArray, seed: int, replicates: int = 100) -> Curves:
    rng = np.random.default_rng(seed)
    c = rng.binomial(16, rates)
    counts, weight = np.unique(
        np.column_stack([np.full(len(c), 16), c]), axis=0, return_counts=True
    )
    weights = dirichlet_weights(weight.astype(float), replicates, rng)
    return curves(counts, weights, float(len(c)), K, rng)


def test_points_are_the_fitted_laws_and_the_middle_their_mean() -> None:
    rates = np.random.default_rng(0).beta(0.4, 0.5, 500)
    c = np.random.default_rng(1).binomial(16, rates)
    counts, weight = np.unique(np.column_stack([np.full(500, 16), c]), axis=0, return_counts=True)
    found, likelihoods = made(rates, 1), []
    for i, with_impossible in enumerate((False, True)):
        law = fit(counts, weight[None].astype(float), with_impossible=with_impossible)
        likelihoods.append(float(law.log_likelihood[0]))
        direct = weight @ predicted(counts, law.law, K)[0] / 500
        assert found.point[i] == pytest.approx(direct, abs=1e-6)
    odds = found.weight[1] / found.weight[0]
    assert np.log(odds) == pytest.approx(TEMPER * (likelihoods[1] - likelihoods[0]), abs=1e-6)
    assert found.middle == pytest.approx(
        found.weight[0] * found.point[0] + found.weight[1] * found.point[1]
    )


@pytest.mark.parametrize(("a", "b", "z"), [(0.3, 0.22, 0.0), (0.4, 0.24, 0.06), (0.4, 0.14, 0.1)])
def test_range_holds_the_truth_of_beta_laws(a: float, b: float, z: float) -> None:
    held = 0
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        rates = rng.beta(a, b, 500) * (rng.random(500) >= z)
        found = made(rates, seed)
        edges = spread(found.point, found.draws, 0.9, 1 / 500)
        true = np.mean(1 - (1 - rates[:, None]) ** K, axis=0)
        held += bool(((edges.low <= true) & (true <= edges.high)).all())
    assert held >= 11


def test_draws_gather_around_the_points() -> None:
    found = made(np.random.default_rng(2).beta(0.4, 0.5, 800), 2, replicates=400)
    assert found.draws.mean(axis=1)[:2] == pytest.approx(found.point[:2], abs=0.01)


def test_spread_is_the_outermost_quantile_and_holds_every_point() -> None:
    draws = np.stack([np.linspace(0.2, 0.4, 101), np.linspace(0.5, 0.6, 101)])[:, :, None]
    edges = spread(np.array([[0.1], [0.55]]), draws, 0.9, 0.01)
    assert edges.low[0] == pytest.approx(0.09)
    assert edges.high[0] == pytest.approx(0.595 + 0.01)


def test_difference_takes_every_pair_of_laws() -> None:
    weight, beta = np.array([0.5, 0.5]), made(np.full(20, 0.5), 0).beta
    base = Curves(np.array([[0.5], [0.7]]), np.full((2, 4, 1), [[0.5]]), weight, beta)
    tuned = Curves(np.array([[0.4], [0.9]]), np.full((2, 4, 1), [[0.9]]), weight, beta)
    edges = difference_spread(base, tuned, 0.9, grain=0.0)
    assert (edges.low[0], edges.high[0]) == pytest.approx((0.4 - 0.7, 0.9 - 0.5))
    assert gain_chance(base, tuned).tolist() == [1.0]
    assert gain_chance(base, base).tolist() == [0.5]
