from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.quantiles import (
    grouped_quantiles,
    problem_medians,
    superiority,
    weighted_quantiles,
)


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 4)), min_size=1, max_size=12),
    st.sampled_from([0.05, 0.25, 0.5, 0.9, 1.0]),
)
def test_weighted_quantile_is_the_plain_one_of_repeated_values(
    rows: list[tuple[float, int]], at: float
) -> None:
    values, counts = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = weighted_quantiles(values, counts.astype(float), np.array([at]))[0]
    assert found == np.quantile(np.repeat(values, counts), at, method="inverted_cdf")


def test_every_problem_weighs_the_same_whatever_its_samples() -> None:
    values = np.array([1.0] * 99 + [5.0, 9.0])
    problem = np.array([0] * 99 + [1, 2])
    weights = np.ones((200, 3))
    (median,) = grouped_quantiles(values, problem, weights, np.array([0.5]), 0.95)
    assert median == (5.0, 5.0, 5.0)


def test_interval_of_the_median_covers_the_populations_median() -> None:
    """Problems lognormal around a known median, samples within them too."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):
        centre = rng.normal(size=60)
        values = np.exp(np.repeat(centre, 6) + rng.normal(size=360))
        weights = rng.standard_exponential((400, 60))
        (found,) = grouped_quantiles(
            values, np.repeat(np.arange(60), 6), weights, np.array([0.5]), 0.95
        )
        assert found.low <= found.value <= found.high
        hits += found.low <= 1 <= found.high
    assert hits >= 0.9 * 200


def test_a_coarse_grid_gives_the_interval_of_the_fine_one() -> None:
    rng = np.random.default_rng(1)
    values, problem = rng.normal(size=6000), np.repeat(np.arange(30), 200)
    weights = rng.standard_exponential((300, 30))
    at = np.array([0.05, 0.5, 0.95])
    for found, p in zip(grouped_quantiles(values, problem, weights, at, 0.9), at, strict=True):
        drawn = [weighted_quantiles(values, w[problem], np.array([p]))[0] for w in weights]
        assert found.low == pytest.approx(np.quantile(drawn, 0.05), abs=0.02)
        assert found.high == pytest.approx(np.quantile(drawn, 0.95), abs=0.02)


def test_medians_by_problem_and_nothing_for_a_problem_without_samples() -> None:
    found = problem_medians(np.array([3.0, 1, 2, 8]), np.array([2, 2, 2, 0]), 3)
    assert found[[0, 2]].tolist() == [8, 2]
    assert np.isnan(found[1])


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_superiority_is_the_share_of_pairs(lower: list[int], higher: list[int]) -> None:
    pairs = [(a < b) + (a == b) / 2 for a in lower for b in higher]
    found = superiority(np.array(lower, dtype=float), np.array(higher, dtype=float))
    assert found == pytest.approx(np.mean(pairs))


def test_no_samples_have_no_quantiles() -> None:
    with pytest.raises(ValueError, match="at least one"):
        grouped_quantiles(
            np.array([]), np.array([], dtype=np.int64), np.ones((3, 2)), np.array([0.5]), 0.95
        )
