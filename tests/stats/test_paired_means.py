"""Intervals of differences and ratios, by simulation with known truth and by closed cases."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.exact import Interval
from pathshift.stats.paired_means import Bootstrap, PairedMeans, paired_means
from pathshift.stats.passk import FloatArray, IntArray

ENDS = Interval(1.0, 10.0)


def found(values: FloatArray, seed: int = 0, clusters: IntArray | None = None) -> PairedMeans:
    bootstrap = Bootstrap(0.95, 1000, np.random.default_rng(seed))
    return paired_means(values, ENDS, bootstrap, clusters=clusters)


def drawn(rng: np.random.Generator, n: int) -> FloatArray:
    """Skewed pairs on the scale: base mean 1 + 9*.5, tuned mean 1 + 9*.2."""
    return 1 + 9 * np.column_stack([rng.beta(0.5, 0.5, n), rng.beta(0.3, 1.2, n)])


@pytest.mark.parametrize("n", [12, 40])
def test_intervals_hold_the_truth_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(1)
    hits = np.zeros(2)
    for _ in range(400):
        result = found(drawn(rng, n), int(rng.integers(2**31)))
        hits += [
            result.difference.low <= -2.7 <= result.difference.high,
            result.ratio.low <= 2.8 / 5.5 <= result.ratio.high,
        ]
    # Three standard errors below 95%.
    assert (hits / 400 > 0.95 - 3 * 0.011).all()


def test_means_are_plain_and_intervals_hold_them() -> None:
    values = np.array([[4.0, 2.0], [8.0, 4.0]])
    result = found(values)
    assert (result.base, result.tuned) == (6.0, 3.0)
    assert result.difference.low < -3 < result.difference.high
    assert result.ratio.low < 0.5 < result.ratio.high


def test_equal_sides_get_an_interval_with_width_that_shrinks_with_problems() -> None:
    few, many = (found(np.full((n, 2), 5.0)).difference for n in (10, 200))
    assert few.low < 0 < few.high
    assert many.high - many.low < 0.15 * (few.high - few.low)


def test_problems_of_one_cluster_count_as_one_witness() -> None:
    values = drawn(np.random.default_rng(2), 30)
    copied = np.repeat(values, 4, axis=0)
    alone, clustered = found(values), found(copied, clusters=np.repeat(np.arange(30), 4))
    wide, naive = alone.difference, found(copied).difference
    assert clustered.difference.high - clustered.difference.low == pytest.approx(
        wide.high - wide.low, rel=0.05
    )
    assert naive.high - naive.low < 0.65 * (wide.high - wide.low)


def test_the_ratio_of_a_base_without_any_stays_undefined_but_bounded_below() -> None:
    bootstrap = Bootstrap(0.95, 500, np.random.default_rng(0))
    values = np.array([[0.0, 1.0], [0.0, 2.0]])
    result = paired_means(values, Interval(0.0, 3.0), bootstrap)
    assert result.base == 0
    assert result.ratio.low > 0
