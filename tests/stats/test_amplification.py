"""Amplification against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.amplification import equivalent_k, worth
from pathshift.stats.bands import dirichlet_weights
from pathshift.stats.passk import paired_table

K = np.arange(1, 65)


def test_a_model_against_itself_is_worth_exactly_itself() -> None:
    counts = np.array([[64, c] for c in (1, 3, 9, 40)])
    table = paired_table(counts, counts, K)
    found = worth(table, dirichlet_weights(table.weight, 300, np.random.default_rng(0)), K, 0.95)
    assert found.base_k == pytest.approx(K)
    assert found.low == pytest.approx(K)
    assert found.high == pytest.approx(K)


def test_two_tries_in_one_are_worth_two_base_samples() -> None:
    """If one tuned try succeeds where two base tries would, tuned@k = base@2k for every k."""
    rng, n = np.random.default_rng(1), 4000
    p = rng.beta(0.4, 1.5, n)
    base = np.stack([np.full(n, 64), rng.binomial(64, p)], axis=1)
    tuned = np.stack([np.full(n, 64), rng.binomial(64, 1 - (1 - p) ** 2)], axis=1)
    table = paired_table(base, tuned, K)
    found = worth(table, dirichlet_weights(table.weight, 500, rng), K, 0.95)
    assert found.base_k[0] == pytest.approx(2, abs=0.08)
    assert found.base_k[7] == pytest.approx(16, abs=1)
    assert found.low[0] <= 2 <= found.high[0]


def test_interpolates_through_no_samples_and_stops_at_the_last() -> None:
    base = np.array([0.4, 0.6])
    found = equivalent_k(base, np.array([1, 2]), np.array([0.0, 0.2, 0.5, 0.6, 0.7]))
    assert found[:4] == pytest.approx([0, 0.5, 1.5, 2])
    assert np.isnan(found[4])


def test_a_level_curve_is_reached_at_its_first_k_and_an_empty_one_never() -> None:
    level = np.array([0.2, 0.5, 0.5, 0.5])
    assert equivalent_k(level, np.arange(1, 5), np.array([0.5, 0.35, 0.0])) == pytest.approx(
        [2, 1.5, 0]
    )
    assert np.isnan(equivalent_k(np.zeros(4), np.arange(1, 5), np.array([0.0, 0.1]))).all()


def test_worth_beyond_the_base_samples_has_no_upper_edge() -> None:
    table = paired_table(np.array([[4, 1]] * 9), np.array([[4, 4]] * 9), np.arange(1, 5))
    weights = dirichlet_weights(table.weight, 300, np.random.default_rng(0))
    found = worth(table, weights, np.arange(1, 5), 0.95)
    assert found.base_k[0] == 4
    table = paired_table(np.array([[4, 0], [4, 1]] * 9), np.array([[4, 4]] * 18), np.arange(1, 5))
    weights = dirichlet_weights(table.weight, 300, np.random.default_rng(0))
    found = worth(table, weights, np.arange(1, 5), 0.95)
    assert np.isnan(found.base_k).all()
    assert np.isnan(found.high).all()
