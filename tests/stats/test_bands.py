"""Simultaneous bands: ranks against brute force, coverage in simulation with known truth."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from pathshift.stats.bands import (
    Band,
    bayesian_band,
    dirichlet_weights,
    rank_band,
    sup_t_band,
)
from pathshift.stats.passk import miss_table, paired_table

N, K = 64, np.array([1, 2, 4, 8, 16, 32, 64])


def test_rank_band_is_the_narrowest_that_holds_enough_whole_draws() -> None:
    draws = np.random.default_rng(0).normal(size=(400, 5)).cumsum(axis=1)
    band = rank_band(draws, 0.9)
    inside = ((draws >= band.low) & (draws <= band.high)).all(axis=1)
    assert inside.mean() >= 0.9
    ordered, cut = np.sort(draws, axis=0), round(band.pointwise * 400 / 2) + 1
    tighter = ((draws >= ordered[cut]) & (draws <= ordered[399 - cut])).all(axis=1)
    assert tighter.mean() < 0.9


def test_one_column_gets_its_plain_quantiles() -> None:
    draws = np.random.default_rng(1).normal(size=(2000, 1))
    band = rank_band(draws, 0.95)
    assert band.pointwise == pytest.approx(0.05, abs=0.002)
    assert band.low[0] == pytest.approx(np.quantile(draws, 0.025), abs=0.01)


def test_weights_add_up_and_average_to_the_share_of_problems() -> None:
    weights = dirichlet_weights(np.array([3.0, 1.0, 6.0]), 20_000, np.random.default_rng(2))
    assert (weights.rows.sum(axis=1) + weights.atoms.sum(axis=1)) == pytest.approx(1)
    assert weights.rows.mean(axis=0) == pytest.approx(np.array([3, 1, 6]) / 12, abs=0.005)


def test_grouping_equal_problems_changes_no_distribution() -> None:
    rng = np.random.default_rng(3)
    one_by_one = dirichlet_weights(np.ones(10), 40_000, rng).rows[:, :4].sum(axis=1)
    grouped = dirichlet_weights(np.array([4.0, 6.0]), 40_000, rng).rows[:, 0]
    quantiles = [0.05, 0.5, 0.95]
    assert np.quantile(one_by_one, quantiles) == pytest.approx(
        np.quantile(grouped, quantiles), abs=0.01
    )


def test_no_difference_in_any_problem_still_gives_a_band_with_width() -> None:
    weights = dirichlet_weights(np.array([30.0]), 2000, np.random.default_rng(4))
    band = bayesian_band(weights, np.zeros((1, 7)), (-1.0, 1.0), 0.95)
    assert (band.low < -0.03).all()
    assert (band.high > 0.03).all()


def test_band_holds_the_estimate_even_at_the_end_of_the_scale() -> None:
    weights = dirichlet_weights(np.array([2.0]), 500, np.random.default_rng(5))
    band = bayesian_band(weights, np.ones((1, 3)), (-1.0, 1.0), 0.95)
    assert (band.high == 1).all()


def _population(
    kind: str, n_problems: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Success probabilities of base and tuned model."""
    base = np.where(
        rng.random(n_problems) < 0.35,
        10 ** rng.uniform(-4, -2, n_problems),
        rng.beta(0.5, 1.2, n_problems),
    )
    if kind == "same":
        return base, base
    if kind == "saturated":
        return np.full(n_problems, 0.999), np.full(n_problems, 0.999) - 0.9 * (
            rng.random(n_problems) < 0.03
        )
    lost = rng.random(n_problems) < 0.5
    tuned = np.where(base < 0.02, base * np.where(lost, 0.0, 1.0), np.minimum(1.5 * base, 0.999))
    return base, tuned


def _truth(kind: str) -> np.ndarray:
    base, tuned = _population(kind, 400_000, np.random.default_rng(99))
    means = [np.mean(1 - (1 - p[:, None]) ** K, axis=0) for p in (base, tuned)]
    return np.asarray(means[1] - means[0])


def _one_band(kind: str, n_problems: int, rng: np.random.Generator) -> Band:
    base, tuned = (
        np.stack([np.full(n_problems, N), rng.binomial(N, p)], axis=1)
        for p in _population(kind, n_problems, rng)
    )
    table = paired_table(base, tuned, K)
    weights = dirichlet_weights(table.weight, 1000, rng)
    return bayesian_band(weights, table.difference, (-1.0, 1.0), 0.95)


@pytest.mark.parametrize("n_problems", [30, 200])
@pytest.mark.parametrize("kind", ["same", "crossing", "saturated"])
def test_band_covers_the_whole_true_curve(kind: str, n_problems: int) -> None:
    """400 replicates: at a coverage of .93 the share falls below .90 in one of a hundred runs."""
    rng, truth = np.random.default_rng(n_problems), _truth(kind)
    bands = [_one_band(kind, n_problems, rng) for _ in range(400)]
    covered = [((b.low <= truth) & (truth <= b.high)).all() for b in bands]
    assert np.mean(covered) >= 0.90


def _released(side: str) -> np.ndarray:
    text = (files("pathshift") / "examples" / "deepscaler32k" / f"{side}.jsonl").read_text()
    return np.array([(row["n"], row["c"]) for row in map(json.loads, text.splitlines())])


def test_sup_t_reproduces_the_published_verdict_on_deepscaler() -> None:
    """Yang, Zhang, Chen (arXiv 2609.22547, table 1): gain for k=1..10, loss for k=61..128."""
    table = paired_table(_released("base"), _released("tuned"), np.arange(1, 129))
    band = sup_t_band(table.difference, table.weight, 0.95, 4000, np.random.default_rng(0))
    assert np.flatnonzero(band.low > 0).tolist() == list(range(10))
    loss = np.flatnonzero(band.high < 0) + 1
    assert abs(int(loss[0]) - 61) <= 1
    assert loss[-1] == 128


def test_sup_t_gives_the_whole_scale_where_no_problem_differs() -> None:
    band = sup_t_band(np.zeros((2, 3)), np.array([5.0, 5.0]), 0.95, 500, np.random.default_rng(0))
    assert (band.low == -1).all()
    assert (band.high == 1).all()


def test_difference_of_rows_is_tuned_minus_base() -> None:
    table = paired_table(np.array([[4, 0]]), np.array([[4, 4]]), np.array([1, 4]))
    assert table.difference.tolist() == [[1.0, 1.0]]
    assert miss_table(np.array([4]), np.array([4]), 1)[0, 0] == 0
