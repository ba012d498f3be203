from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.passk import FloatArray
from pathshift.stats.reach import (
    BoolArray,
    conflicts,
    coverage_rows,
    default_cap,
    implied_pass,
    passes_absolute_test,
    reach_p,
    success_bound,
    total_weight,
    truncated_weights,
)


class World(NamedTuple):
    """Two known distributions over the same paths."""

    base: FloatArray
    tuned: FloatArray
    is_correct: BoolArray

    @property
    def success(self) -> float:
        return float(self.base[self.is_correct].sum())

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
        drawn = rng.choice(len(self.base), n, p=self.tuned)
        with np.errstate(divide="ignore"):
            return np.log(self.base[drawn]) - np.log(self.tuned[drawn]), self.is_correct[drawn]


def world(rng: np.random.Generator, *, missing: float = 0.0) -> World:
    """50 to 5,000 paths; tuned = the base sharpened and its right paths favoured.

    Args:
        missing: Share of paths that the base never takes and the tuned model does.
    """
    n_paths = int(50 * 100 ** rng.random())
    base = rng.dirichlet(np.full(n_paths, 0.3))
    is_correct = rng.random(n_paths) < rng.uniform(0.02, 0.5)
    tuned = base ** rng.uniform(1.2, 2) * np.where(is_correct, rng.uniform(2, 10), 1)
    base = np.where(rng.random(n_paths) < missing, 0.0, base)
    return World(base / base.sum(), tuned / tuned.sum(), is_correct)


@given(st.integers(0, 10_000), st.floats(0.1, 100))
def test_the_truncated_mean_is_at_most_the_success_it_bounds(seed: int, cap: float) -> None:
    """Enumerated over every path, not sampled."""
    known = world(np.random.default_rng(seed), missing=0.2)
    log_ratio = np.full(len(known.base), -np.inf)
    on = known.base > 0
    log_ratio[on] = np.log(known.base[on] / known.tuned[on])
    weights = truncated_weights(log_ratio, cap)
    bound = known.tuned @ np.where(known.is_correct, weights, 0)
    assert bound <= known.success + 1e-12
    untruncated = known.tuned @ np.where(known.is_correct, truncated_weights(log_ratio, 1e300), 0)
    assert untruncated == pytest.approx(known.success, abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_limits_lie_above_the_truth_in_at_most_a_twentieth_and_estimates_follow_it(
    missing: float,
) -> None:
    rng = np.random.default_rng(7)
    found, truth = [], []
    for _ in range(500):
        known = world(rng, missing=missing)
        found.append(success_bound(*known.draw(64, rng)))
        truth.append(known.success)
    lows, values = np.array([f.low for f in found]), np.array([f.value for f in found])
    assert (lows > np.array(truth)).mean() <= 0.05
    assert np.corrcoef(values, truth)[0, 1] > 0.7
    assert (lows > 0.01).mean() > 0.5, "a limit that never says anything is no limit"


def test_evidence_against_the_true_rate_is_rare_and_against_a_small_one_is_found() -> None:
    rng, wrong, right = np.random.default_rng(8), 0, 0
    for _ in range(300):
        known = world(rng)
        drawn = known.draw(64, rng)
        wrong += reach_p(*drawn, known.success, default_cap(64)) <= 0.05
        right += reach_p(*drawn, known.success / 20, default_cap(64)) <= 0.05
    assert wrong <= 15
    assert right >= 150


def test_weights_of_true_scores_never_average_above_one_and_broken_ones_are_caught() -> None:
    """100 sets of 20 problems; broken is one nat too likely under the base."""
    rng = np.random.default_rng(9)
    sets = [[world(rng).draw(32, rng)[0] for _ in range(20)] for _ in range(100)]
    fine = [total_weight(ratios) for ratios in sets]
    broken = [total_weight([ratio + 1 for ratio in ratios]) for ratios in sets]
    assert np.mean([found.low > 1 for found in fine]) <= 0.05
    assert np.mean([found.low > 1 for found in broken]) > 0.5
    assert np.mean([found.value for found in fine]) == pytest.approx(1, abs=0.05)


def test_samples_without_a_known_weight_count_as_nothing() -> None:
    log_ratio, right = np.array([0.0, -np.inf, 0.0, 0.0]), np.array([True, True, False, True])
    bound = success_bound(log_ratio, right, cap=10)
    assert bound.value == pytest.approx(0.5)
    assert bound.effective == pytest.approx(3)
    assert bound.largest == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="missing"):
        truncated_weights(np.array([np.nan]), 1.0)


def test_no_weight_at_all_is_no_reach_and_no_share() -> None:
    bound = success_bound(np.full(5, -np.inf), np.ones(5, dtype=bool))
    assert (bound.value, bound.low, bound.effective) == (0, 0, 0)
    assert np.isnan(bound.largest)


def test_coverage_counts_correct_samples_within_the_ratio_by_problem() -> None:
    excess = np.array([0.0, np.log(4), np.inf, np.log(2), 0.0])
    right = np.array([True, True, True, False, True])
    rows = coverage_rows(excess, right, np.array([3, 3, 3, 5, 9]), np.log([1, 4, 1e9]))
    assert rows == pytest.approx(np.array([[1 / 3, 2 / 3, 2 / 3], [1, 1, 1]]))


def test_the_absolute_test_refuses_a_models_own_long_answers() -> None:
    """Eight fair coins: every path has p = 1/256, and none passes at k = 255."""
    own = np.full(1000, 8 * np.log(0.5))
    assert passes_absolute_test(own, np.array([255, 256])).tolist() == [0, 1]


def test_implied_pass_is_one_minus_the_misses() -> None:
    rate = np.array([0.0, 0.25, 1.0])
    expected = [[0, 0], [0.25, 1 - 0.75**3], [1, 1]]
    assert implied_pass(rate, np.array([1, 3])) == pytest.approx(np.array(expected))


def test_conflicts_are_rare_with_true_scores_and_alarm_with_broken_ones() -> None:
    rng = np.random.default_rng(10)
    known = [world(rng) for _ in range(200)]
    base = np.array([[32, rng.binomial(32, w.success)] for w in known])
    drawn = [w.draw(64, rng) for w in known]
    fine = np.array([success_bound(*d, level=0.975).low for d in drawn])
    broken = np.array([success_bound(r + 3, c, level=0.975, cap=8).low for r, c in drawn])
    assert conflicts(fine, base).problems <= 10
    assert conflicts(fine, base).p > 0.01
    assert conflicts(broken, base).p < 1e-6
