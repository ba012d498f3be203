"""Kappa against published tables, closed forms, a textbook standard error, and simulated truth."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.agreement import (
    Resampling,
    agreement_table,
    cohen_interval,
    cohen_kappa,
    fleiss_interval,
    fleiss_kappa,
)
from pathshift.stats.passk import IntArray

FLEISS_EXAMPLE = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
"""The worked example in circulation: 10 items, 14 judges, 5 categories, kappa .210."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_worked_example_of_fleiss() -> None:
    assert fleiss_kappa(np.array(FLEISS_EXAMPLE)) == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
    ],
)
def test_published_tables_of_two_judges(table: list[list[int]], kappa: float) -> None:
    """In circulation as worked examples; the last two agree in 60% and differ in kappa."""
    assert cohen_kappa(np.array(table)) == pytest.approx(kappa, abs=5e-5)


def naive_fleiss(votes: list[list[int]]) -> float:
    """Pairs of single votes, counted one by one."""
    agree = []
    for row in votes:
        single = [j for j, n in enumerate(row) for _ in range(n)]
        pairs = list(combinations(single, 2))
        agree.append(sum(a == b for a, b in pairs) / len(pairs))
    total = sum(map(sum, votes))
    chance = sum((sum(column) / total) ** 2 for column in zip(*votes, strict=True))
    observed = sum(agree) / len(agree)
    return (observed - chance) / (1 - chance) if chance < 1 - 1e-12 else math.nan


@given(st.integers(2, 6), st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_fleiss_equals_counting_pairs_of_votes(m: int, sound: list[int]) -> None:
    votes = [[min(s, m), m - min(s, m)] for s in sound]
    assert fleiss_kappa(np.array(votes)) == pytest.approx(naive_fleiss(votes), nan_ok=True)


def test_one_category_only_is_undefined_not_perfect() -> None:
    votes = np.array([[3, 0]] * 8)
    assert math.isnan(fleiss_kappa(votes))
    assert math.isnan(fleiss_interval(votes, np.arange(8), Resampling(rng())).low)
    assert math.isnan(cohen_kappa(np.array([[9, 0], [0, 0]])))


@pytest.mark.parametrize("votes", [[[1, 0]], [[2, 0], [2, 1]]])
def test_too_few_or_uneven_votes_are_an_error(votes: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="same number of votes"):
        fleiss_kappa(np.array(votes))


def test_no_common_item_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        cohen_kappa(np.zeros((2, 2), dtype=np.int64))


def fleiss_cohen_everitt(table: IntArray) -> float:
    """Large-sample standard error of Cohen's kappa (Fleiss, Cohen and Everitt 1969)."""
    n = table.sum()
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    po, pe = np.trace(p), rows @ columns
    k = (po - pe) / (1 - pe)
    a = sum(p[i, i] * (1 - (rows[i] + columns[i]) * (1 - k)) ** 2 for i in range(len(p)))
    off = ~np.eye(len(p), dtype=bool)
    b = (1 - k) ** 2 * (p * (columns[:, None] + rows[None, :]) ** 2)[off].sum()
    return float(np.sqrt(a + b - (k - pe * (1 - k)) ** 2) / ((1 - pe) * np.sqrt(n)))


def test_a_large_sample_interval_is_the_textbook_one() -> None:
    table = np.array([[400, 60], [90, 250]])
    pairs = np.repeat(np.argwhere(table >= 0), table.ravel(), axis=0)
    low, high = cohen_interval(
        pairs[:, 0], pairs[:, 1], np.arange(len(pairs)), Resampling(rng(), replicates=20_000)
    )
    half = 1.96 * fleiss_cohen_everitt(table)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)
    assert (high + low) / 2 == pytest.approx(cohen_kappa(table), abs=0.01)


def test_table_of_two_judges_counts_items() -> None:
    table = agreement_table(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)
    assert table.tolist() == [[1, 1], [0, 2]]


def true_kappa(share: float, noise: float) -> float:
    """Judges flip the truth independently: closed form of the population's kappa."""
    p = share * (1 - noise) + (1 - share) * noise
    chance = p**2 + (1 - p) ** 2
    return ((1 - noise) ** 2 + noise**2 - chance) / (1 - chance)


@pytest.mark.parametrize(
    ("n", "share", "noise"), [(10, 0.9, 0.1), (25, 0.7, 0.1), (25, 0.5, 0.3), (100, 0.7, 0.05)]
)
def test_interval_covers_the_kappa_of_noisy_judges(n: int, share: float, noise: float) -> None:
    draws, covered, runs = rng(5), 0, 300
    for _ in range(runs):
        truth = draws.random(n) < share
        sound = np.array([draws.binomial(3, 1 - noise if t else noise) for t in truth])
        votes = np.stack([sound, 3 - sound], axis=1)
        low, high = fleiss_interval(votes, np.arange(n), Resampling(draws, replicates=600))
        covered += low <= true_kappa(share, noise) <= high or math.isnan(low)
    assert covered / runs >= 0.92


def test_unanimous_votes_leave_room_for_doubt() -> None:
    votes = np.array([[3, 0]] * 6 + [[0, 3]] * 4)
    low, high = fleiss_interval(votes, np.arange(10), Resampling(rng()))
    assert high == pytest.approx(1.0)
    assert low < 0.9


@pytest.mark.parametrize("sound", [[3] * 9 + [2], [0] * 30 + [1, 1, 2], [1, 2, 1, 2]])
def test_edges_stay_where_kappa_can_be(sound: list[int]) -> None:
    """Of m judges no population's kappa lies below -1/(m-1)."""
    votes = np.array([[s, 3 - s] for s in sound])
    low, high = fleiss_interval(votes, np.arange(len(votes)), Resampling(rng()))
    assert -0.5 - 1e-9 <= low <= high <= 1


def test_repeats_of_one_problem_do_not_narrow_the_interval() -> None:
    votes = np.array([[3, 0], [2, 1], [0, 3], [1, 2], [3, 0], [0, 3]])
    alone = fleiss_interval(votes, np.arange(6), Resampling(rng(1)))
    copied = fleiss_interval(
        np.repeat(votes, 20, axis=0), np.repeat(np.arange(6), 20), Resampling(rng(1))
    )
    assert copied == pytest.approx(alone)
