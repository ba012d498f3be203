"""Bands over columns with gaps: against the band without gaps, by hand, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.bands import bayesian_band, cluster_weights
from pathshift.stats.ragged import (
    by_cluster,
    exponential_weights,
    log_mean_band,
    ragged_band,
    weighted_means,
)


def test_sums_and_means_by_hand() -> None:
    values = np.array([[1.0, np.nan], [0.0, 1.0], [0.5, np.nan]])
    part = by_cluster(values, np.array([0, 0, 1]))
    assert part.sums.tolist() == [[1.0, 1.0], [0.5, 0.0]]
    assert part.counts.tolist() == [[2, 1], [1, 0]]
    assert part.mean.tolist() == [0.5, 1.0]
    weights = np.array([[1.0, 3.0, 9.0, 9.0]])
    assert weighted_means(weights, part).tolist() == [[(1 + 1.5) / (2 + 3), 1.0]]


def test_without_gaps_it_is_the_band_of_whole_clusters() -> None:
    rng = np.random.default_rng(3)
    values, cluster = rng.random((60, 5)), np.repeat(np.arange(30), 2)
    part = by_cluster(values, cluster)
    ours = ragged_band(
        exponential_weights(30, 40_000, np.random.default_rng(1)), part, (0.0, 1.0), 0.95
    )
    weights = cluster_weights(np.full(30, 2.0), 40_000, np.random.default_rng(2))
    theirs = bayesian_band(weights, part.sums / part.counts, (0.0, 1.0), 0.95)
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)


def test_an_empty_column_is_undefined_and_changes_no_other() -> None:
    values = np.random.default_rng(0).random((20, 2))
    empty = np.hstack([values, np.full((20, 1), np.nan)])
    weights = exponential_weights(20, 2000, np.random.default_rng(1))
    bands = [
        ragged_band(weights, by_cluster(v, np.arange(20)), (0.0, 1.0), 0.95)
        for v in (values, empty)
    ]
    assert np.isnan(bands[1].low[2])
    assert np.isnan(bands[1].high[2])
    assert bands[1].low[:2].tolist() == bands[0].low.tolist()
    alone = by_cluster(np.full((20, 1), np.nan), np.arange(20))
    assert np.isnan(ragged_band(weights, alone, (0.0, 1.0), 0.95).low).all()


def test_the_band_covers_all_columns_of_a_population_with_gaps() -> None:
    """A column's gaps depend on its values here, as answers that come late do."""
    rng = np.random.default_rng(8)
    chance = rng.beta(0.4, 1.0, (4000, 3))
    chance[:, 1] = np.where(chance[:, 0] > 0.3, chance[:, 1], np.nan)
    chance[:, 2] = np.where(rng.random(4000) < 0.5, chance[:, 2], np.nan)
    truth = np.nanmean(chance, axis=0)
    held, runs = 0, 300
    for _ in range(runs):
        drawn = chance[rng.integers(0, 4000, 40)]
        there = np.isfinite(drawn)
        values = np.where(there, rng.binomial(16, np.where(there, drawn, 0.0)) / 16, np.nan)
        weights = exponential_weights(40, 600, rng)
        band = ragged_band(weights, by_cluster(values, np.arange(40)), (0.0, 1.0), 0.95)
        held += bool(((band.low <= truth) & (truth <= band.high)).all())
    # A rate of .95 shows .915 or less in one of a thousand such tests.
    assert held / runs > 0.915


def test_the_band_of_a_log_ratio_is_a_little_wider_than_the_delta_methods() -> None:
    """Many problems, means far from 0: the delta method's interval is an independent check."""
    rng = np.random.default_rng(2)
    above, below = rng.uniform(0.6, 0.9, (2, 400))
    parts = [by_cluster(x[:, None], np.arange(400)) for x in (below, above)]
    band = log_mean_band(exponential_weights(400, 20_000, rng), parts, (-1, 1), 0.95)
    value = np.log(above.mean() / below.mean())
    error = np.std(above / above.mean() - below / below.mean()) / np.sqrt(400)
    # The unseen problem has an exponential weight: its mean shifts an edge, its spread adds to it.
    shifts = [1 / below.mean() / 401, 1 / above.mean() / 401]
    low, high = (shift + 1.96 * np.hypot(error, shift) for shift in shifts)
    assert band.low[0] == pytest.approx(value - low, abs=0.1 * error)
    assert band.high[0] == pytest.approx(value + high, abs=0.1 * error)
