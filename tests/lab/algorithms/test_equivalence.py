"""Being alike: against hand-worked numbers, and simulated studies whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from pathshift.lab.algorithms.equivalence import (
    Rule,
    alike,
    at_equal,
    least_margin,
    problem_variances,
    satterthwaite,
    spread_of,
    tost_p,
)

RULE = Rule(margin=0.05)
Values = npt.NDArray[np.float64]


def test_two_ways_of_two_seeds_by_hand() -> None:
    # Variances .0002 and .0008, pooled .0005 on 2 degrees; the difference has sqrt(.0005) again.
    values = np.array([[0.50, 0.52], [0.48, 0.52]])
    found = alike(values, RULE)
    assert found.spread.variance == pytest.approx(0.0005)
    assert found.spread.freedom == 2
    pair = found.pairs[0]
    assert pair.value == pytest.approx(0.01)
    assert pair.error == pytest.approx(math.sqrt(0.0005))
    # With 2 degrees of freedom t has the closed form P(T > t) = (1 - t / sqrt(2 + t^2)) / 2.
    t = (0.05 - 0.01) / math.sqrt(0.0005)
    assert pair.p == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2)
    # and its 95% point, 2.919986, gives the interval.
    assert pair.high == pytest.approx(0.01 + 2.919986 * math.sqrt(0.0005), abs=1e-6)
    assert not pair.is_alike
    assert not pair.is_apart


def test_a_way_against_the_mean_of_two_is_half_their_difference() -> None:
    found = alike(np.array([[0.50, 0.52], [0.48, 0.52]]), RULE)
    first = found.against_mean[0]
    assert first.value == pytest.approx(found.pairs[0].value / 2)
    assert first.error == pytest.approx(found.pairs[0].error / 2)


def test_the_interval_and_the_p_tell_the_same() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        values = rng.normal(0.5, 0.02, (3, 3))
        for pair in alike(values, RULE).pairs:
            assert pair.is_alike == (pair.p < RULE.error)


def simulated(truth: Sequence[float], *, seed: int, runs: int, sd: float = 0.02) -> list[Values]:
    rng = np.random.default_rng(seed)
    centre = np.array(truth)[:, None]
    return [centre + rng.normal(0, sd, (len(truth), 3)) for _ in range(runs)]


def test_ways_at_the_margin_are_called_alike_in_five_percent() -> None:
    # The other ways tell of the variance only: the tested pair lies at the margin exactly.
    studies = simulated([0.5, 0.55, 0.5, 0.5, 0.5, 0.5], seed=1, runs=2000, sd=0.01)
    share = np.mean([alike(values, RULE).pairs[0].is_alike for values in studies])
    assert share == pytest.approx(0.05, abs=0.015)


def test_all_alike_is_said_no_more_often_where_one_pair_is_at_the_margin() -> None:
    studies = simulated([0.5, 0.55, 0.525, 0.525], seed=2, runs=1000, sd=0.005)
    assert np.mean([alike(values, RULE).are_alike for values in studies]) < 0.07


def test_equal_ways_are_called_alike_at_the_stated_margin_as_often_as_stated() -> None:
    # The true variance is known here, so the margin of the promise is too.
    sd, n_ways = 0.02, 6
    error = sd * math.sqrt(2 / 3)
    margin = least_margin(error, 12, RULE)
    studies = simulated([0.5] * n_ways, seed=3, runs=2000, sd=sd)
    pair = [alike(values, Rule(margin=margin)).pairs[0].is_alike for values in studies]
    assert np.mean(pair) == pytest.approx(0.8, abs=0.04)


def test_equal_ways_are_all_called_alike_at_the_stated_margin_as_often_as_stated() -> None:
    studies = simulated([0.5] * 6, seed=4, runs=1500)
    stated = float(np.mean([alike(values, RULE).least_margin for values in studies]))
    share = np.mean([alike(values, Rule(margin=stated)).are_alike for values in studies])
    assert share == pytest.approx(0.8, abs=0.06)


def test_sampling_noise_is_in_the_variance_over_seeds_already() -> None:
    values = np.array([[0.50, 0.52], [0.48, 0.52]])
    assert spread_of(values, noise=0.0001).variance == pytest.approx(0.0005)
    assert spread_of(values, noise=0.0009).variance == pytest.approx(0.0009)


def test_one_seed_or_a_missing_value_is_refused() -> None:
    for values in (np.ones((3, 1)), np.ones((1, 3)), np.array([[0.1, np.nan], [0.1, 0.2]])):
        with pytest.raises(ValueError, match="at least 2 ways x 2 seeds"):
            spread_of(values)


def test_identical_values_are_alike_within_any_margin() -> None:
    found = alike(np.full((3, 3), 0.25), Rule(margin=1e-6))
    assert found.are_alike
    assert found.p == 0
    assert tost_p(0.05, 0.0, 4, 0.05) == 1


def test_problems_add_their_own_variance_by_hand() -> None:
    # Differences by problem: 0.2, 0, 0.1, 0.1; variance .02 / 3, over four problems.
    first = np.array([[0.5, 0.3, 0.4, 0.4]] * 2)
    second = np.array([[0.3, 0.3, 0.3, 0.3]] * 2)
    success_ASQ = np.stack([first, second])
    found = problem_variances(success_ASQ)
    assert found[0, 1] == pytest.approx(0.02 / 3 / 4)
    assert found[0, 0] == 0
    assert problem_variances(success_ASQ, noise=1.0)[0, 1] == 0
    wide = alike(success_ASQ.mean(axis=2), RULE, problems_AA=found, n_problems=4)
    # The seeds agree exactly: only the problems are left, with their own degrees of freedom.
    assert wide.pairs[0].error == pytest.approx(math.sqrt(0.02 / 12))
    assert wide.pairs[0].freedom == pytest.approx(3)


def test_problems_like_these_are_covered_where_problems_differ() -> None:
    """Ways alike on average, problems that favour one or the other: the interval holds 0."""
    rng = np.random.default_rng(6)
    held, runs, n_problems = 0, 500, 24
    for _ in range(runs):
        favour_AQ = rng.normal(0, 0.1, (2, n_problems))
        seed_AS = rng.normal(0, 0.02, (2, 3))
        success = 0.5 + favour_AQ[:, None] + seed_AS[..., None]
        extra = problem_variances(success)
        found = alike(success.mean(axis=2), RULE, problems_AA=extra, n_problems=n_problems)
        held += found.pairs[0].low <= 0 <= found.pairs[0].high
    assert 0.87 <= held / runs <= 0.97


def test_satterthwaite_of_equal_parts_adds_their_degrees() -> None:
    assert satterthwaite([(1.0, 5.0), (1.0, 5.0)]) == pytest.approx(10)


def test_runs_are_set_against_each_other_where_all_have_come() -> None:
    x = [np.array([0.1, 0.3, 0.5]), np.array([0.1, 0.2, 0.4])]
    y = [np.array([[0.5], [0.6], [0.8]]), np.array([[0.5], [0.5], [0.9]])]
    target, found = at_equal(x, y)
    assert target == pytest.approx(0.4)
    # Half-way between the second and the third look; at the third.
    assert found[:, 0].tolist() == pytest.approx([0.7, 0.9])


def test_a_run_that_falls_back_counts_where_it_first_came() -> None:
    x = [np.array([0.0, 0.4, 0.1]), np.array([0.0, 0.2, 0.2])]
    y = [np.array([1.0, 2.0, 9.0]), np.array([1.0, 3.0, 5.0])]
    target, found = at_equal(x, y)
    assert target == pytest.approx(0.2)
    assert found.tolist() == pytest.approx([1.5, 3.0])


def test_runs_that_begin_beyond_count_at_their_first_look() -> None:
    target, found = at_equal(
        [np.array([0.0, 0.0]), np.array([0.0, 0.3])], [np.array([1.0, 2.0]), np.array([1.0, 2.0])]
    )
    assert (target, found.tolist()) == (0.0, [1.0, 1.0])
