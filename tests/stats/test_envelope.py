"""Envelopes against known truth: the curse's known size, enumeration, simulated coverage."""

from __future__ import annotations

from itertools import combinations
from math import comb, prod

import numpy as np
import pytest

from pathshift.stats.bands import bayesian_band, dirichlet_weights
from pathshift.stats.envelope import (
    averaged,
    chosen_on_other_problems,
    cross_fitted,
    halved,
    mixed_budget,
    naive_envelope,
    read_off,
    success_table,
)
from pathshift.stats.passk import FloatArray, IntArray

Z = 4.0


def drawn(rates: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Counts of n samples at the given rates, shape of the rates plus (2,)."""
    return np.stack([np.full(rates.shape, n), rng.binomial(n, rates)], axis=-1)


def test_of_equal_settings_the_best_is_too_good_by_the_expected_maximum_and_a_half_is_not() -> None:
    """Four settings, all of rate .5: E max of four standard normals is 1.0294 (tables)."""
    rng, repeats, problems, n = np.random.default_rng(0), 600, 50, 16
    naive, fair = np.empty(repeats), np.empty(repeats)
    for i in range(repeats):
        counts = drawn(np.full((4, problems), 0.5), n, rng)
        naive[i] = naive_envelope(success_table(counts, np.array([1]))).value[0]
        fair[i] = cross_fitted(counts, np.array([1]), rng, splits=2).rows.mean()
    sigma = 0.5 / np.sqrt(problems * n)
    for found, bias in ((naive, 1.0294 * sigma), (fair, 0.0)):
        error = found.std() / np.sqrt(repeats)
        assert found.mean() - 0.5 == pytest.approx(bias, abs=Z * error)
    assert naive.mean() - 0.5 > 10 * naive.std() / np.sqrt(repeats)


def test_a_clearly_best_setting_is_chosen_and_read_off_without_bias() -> None:
    rng, k = np.random.default_rng(1), np.array([1, 4, 8])
    rates = np.stack([np.full(40, 0.1), np.linspace(0.2, 0.6, 40), np.full(40, 0.05)])
    truth = (1 - (1 - rates[1][:, None]) ** k).mean(axis=0)
    found = [cross_fitted(drawn(rates, 16, rng), k, rng, splits=2) for _ in range(300)]
    means = np.array([one.rows.mean(axis=0) for one in found])
    assert np.abs(means.mean(axis=0) - truth).max() < Z * means.std(axis=0).max() / np.sqrt(300)
    assert np.mean([one.chosen[1] for one in found]) > 0.999


def test_where_each_problem_has_its_own_best_setting_only_other_problems_choose_without_bias() -> (
    None
):
    """Rates of three settings drawn independently from U(0, 1): each setting's mean is .5.

    E max of three standard normals is .8463; the settings' means over 30 problems scatter by
    sqrt(1/12 / 30), so the best for these problems is .0446 too good for problems like these.
    """
    rng, repeats, one = np.random.default_rng(6), 400, np.array([1])
    found = np.empty((2, repeats))
    for i in range(repeats):
        counts = drawn(rng.random((3, 30)), 512, rng)
        found[0, i] = cross_fitted(counts, one, rng, splits=2).rows.mean()
        success = success_table(counts, one)
        found[1, i] = chosen_on_other_problems(success, np.arange(30), rng, splits=4).rows.mean()
    bias = found.mean(axis=1) - 0.5
    error = found.std(axis=1) / np.sqrt(repeats)
    assert bias[0] == pytest.approx(0.8463 * np.sqrt(1 / 12 / 30), abs=Z * error[0])
    assert bias[1] == pytest.approx(0, abs=Z * error[1])


def test_clusters_stay_whole_where_other_problems_choose() -> None:
    success = np.zeros((2, 4, 1))
    success[0, :2], success[1, 2:] = 1.0, 1.0  # each cluster has its own best setting
    found = chosen_on_other_problems(success, np.array([0, 0, 1, 1]), np.random.default_rng(7))
    assert (found.rows == 0).all()
    with pytest.raises(ValueError, match="two independent"):
        chosen_on_other_problems(success, np.zeros(4, dtype=int), np.random.default_rng(7))


def test_every_k_has_its_own_best_setting() -> None:
    sharp, flat = np.array([1.0] * 5 + [0.0] * 5), np.full(10, 0.3)
    counts = drawn(np.stack([sharp, flat]), 64, np.random.default_rng(2))
    found = cross_fitted(counts, np.array([1, 32]), np.random.default_rng(3))
    assert found.chosen[0, 0] > 0.99
    assert found.chosen[1, 1] > 0.99


def test_halves_are_every_half_of_the_samples_equally_often() -> None:
    rng = np.random.default_rng(4)
    counts = np.tile(np.array([[[6, 2]]]), (1, 60_000, 1))
    first, second = halved(counts, rng)
    assert (first + second == counts).all()
    shares = np.bincount(first[0, :, 1], minlength=3) / 60_000
    enumerated = np.bincount([len({0, 1} & set(half)) for half in combinations(range(6), 3)]) / 20
    assert shares == pytest.approx(enumerated, abs=0.01)


def test_reading_off_takes_the_chooser_best_and_the_other_numbers() -> None:
    chooser = np.array([[[0.2, 0.9]], [[0.8, 0.1]]])
    reported = np.array([[[0.3, 0.4]], [[0.5, 0.6]]])
    found = averaged([read_off(chooser, reported)])
    assert found.rows.tolist() == [[0.5, 0.4]]
    assert found.chosen.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_the_mixed_budget_is_the_mean_over_every_pick_and_every_draw() -> None:
    samples = ([1, 0, 0], [0, 0, 0, 1], [0, 1, 1])
    counts = np.array([[[len(s), sum(s)]] for s in samples])
    k = np.arange(1, 10)
    expected = []
    for draws in k:
        each, extra = divmod(int(draws), 3)
        misses = []
        for picked in combinations(range(3), extra):
            sizes = [each + (s in picked) for s in range(3)]
            sets = [list(combinations(s, m)) for s, m in zip(samples, sizes, strict=True)]
            misses.append(prod(np.mean([not any(d) for d in one]) for one in sets))
        expected.append(1 - sum(map(float, misses)) / len(misses))
    assert mixed_budget(counts, k)[0] == pytest.approx(expected, abs=1e-12)


def test_the_mixed_budget_is_unbiased_summed_over_all_outcomes() -> None:
    p, n, draws = (0.3, 0.05), 3, 5
    chances = [[comb(n, c) * r**c * (1 - r) ** (n - c) for c in range(n + 1)] for r in p]
    mean = sum(
        a * b * mixed_budget(np.array([[[n, i]], [[n, j]]]), np.array([draws]))[0, 0]
        for i, a in enumerate(chances[0])
        for j, b in enumerate(chances[1])
    )
    miss = (0.7**3 * 0.95**2 + 0.7**2 * 0.95**3) / 2
    assert mean == pytest.approx(1 - miss, abs=1e-12)


def test_one_setting_alone_is_its_own_mixed_budget() -> None:
    counts = np.array([[[8, 3], [8, 0], [8, 8]]])
    k = np.arange(1, 9)
    assert mixed_budget(counts, k) == pytest.approx(success_table(counts, k)[0])


def test_more_than_half_of_the_samples_is_refused() -> None:
    counts = np.array([[[8, 3]], [[7, 1]]])
    with pytest.raises(ValueError, match="reaches k=3 of n=7"):
        cross_fitted(counts, np.array([1, 4]), np.random.default_rng(0))
    with pytest.raises(ValueError, match="needs at least"):
        mixed_budget(counts, np.array([16]))


def _heavy(n: int, rng: np.random.Generator) -> FloatArray:
    rare = 10 ** rng.uniform(-4, -2, n)
    return np.where(rng.random(n) < 0.35, rare, rng.beta(0.5, 1.2, n))


def _population(kind: str, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Rates by setting and problem of base and tuned model, (3, n) each."""
    base = _heavy(n, rng)
    moved = base * rng.choice([0.0, 0.3, 3.0], n)
    tuned = np.where(base < 0.02, moved, np.minimum(1.5 * base, 0.999))
    if kind == "equal":
        return np.stack([base] * 3), np.stack([base] * 3)
    if kind == "clear":
        return np.stack([base, base**1.3, base**2]), np.stack([tuned, tuned**1.4, tuned**0.9])
    if kind == "near":
        return tuple(np.stack([p, p**1.03, p**1.06]) for p in (base, tuned))  # type: ignore[return-value]
    logit = np.log(base / (1 - base))
    return tuple(1 / (1 + np.exp(-(logit + rng.normal(0, 1, (3, n))))) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["equal", "clear", "near", "by_problem"])
def test_the_band_of_the_difference_covers_the_true_envelopes(kind: str) -> None:
    """60 problems, three settings, 32 samples; truth from 400,000 problems of the population.

    Equal settings, clearly different ones, nearly equal ones, and settings that are equal on
    average while each problem has its own best.
    """
    k, repeats, rng = np.array([1, 2, 4, 8, 16]), 300, np.random.default_rng(5)

    def envelope(rates: FloatArray) -> FloatArray:
        return np.array([(1 - (1 - rates) ** j).mean(axis=1).max() for j in k])

    base, tuned = _population(kind, 400_000, rng)
    truth = envelope(tuned) - envelope(base)
    held = 0
    for _ in range(repeats):
        sides = [drawn(rates, 32, rng) for rates in _population(kind, 60, rng)]
        rows = [cross_fitted(side, k, rng, splits=4).rows for side in sides]
        weights = dirichlet_weights(np.ones(60), 600, rng)
        band = bayesian_band(weights, rows[1] - rows[0], (-1.0, 1.0), 0.95)
        held += bool(((band.low <= truth) & (truth <= band.high)).all())
    assert held / repeats >= 0.93
