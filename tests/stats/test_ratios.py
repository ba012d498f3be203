from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.ratios import ratio_of_means, ratio_of_sums


def test_ratio_interval_covers_the_populations_ratio() -> None:
    """Problems with dependent sums: gamma lengths, change of .3 a token and noise."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        length = rng.gamma(3, 10, size=50)
        top = 0.3 * length + rng.normal(size=50) * 4
        found = ratio_of_sums(top, length, rng.standard_exponential((500, 50)), 0.95)
        hits += found.low <= 0.3 <= found.high
    assert hits >= 0.91 * 300


def test_ratio_of_equal_proportions_has_no_width() -> None:
    n = np.array([1.0, 5.0, 2.0])
    weights = np.random.default_rng(1).standard_exponential((100, 3))
    assert ratio_of_sums(2 * n, n, weights, 0.95) == pytest.approx((2, 2, 2))
    assert ratio_of_means((6 * n, n), (2 * n, n), weights, 0.95) == pytest.approx((3, 3, 3))


def test_nothing_below_is_undefined() -> None:
    none, some, weights = np.zeros(2), np.ones(2), np.ones((9, 2))
    assert np.isnan(ratio_of_sums(some, none, weights, 0.9)).all()
    assert np.isnan(ratio_of_means((some, none), (some, some), weights, 0.9)).all()
    assert np.isnan(ratio_of_means((some, some), (none, some), weights, 0.9)).all()
