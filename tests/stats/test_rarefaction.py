"""Rarefaction against enumeration: every subset, and every sample that a known law can give."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import factorial, prod

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma

from pathshift.stats.rarefaction import (
    chance_of_same,
    coverage,
    effective_number,
    entropy_of,
    fewest_kinds,
    kinds_in,
    largest_entropy,
)

LAW = np.array([0.5, 0.3, 0.15, 0.05])

Counts = npt.NDArray[np.int64]


def all_samples(n: int) -> list[tuple[float, Counts]]:
    """Every sample of n draws from LAW, as counts of the kinds seen, with its probability."""
    found = []
    for bars in combinations(range(n + 3), 3):
        edges = (-1, *bars, n + 3)
        counts = [b - a - 1 for a, b in pairwise(edges)]
        ways = factorial(n) // prod(factorial(c) for c in counts)
        chance = ways * float(np.prod(LAW ** np.array(counts)))
        found.append((chance, np.array([c for c in counts if c])))
    return found


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_equals_the_mean_over_every_subset(counts: list[int], data: st.DataObject) -> None:
    draws = [kind for kind, count in enumerate(counts) for _ in range(count)]
    m = data.draw(st.integers(1, len(draws)))
    subsets = [len(set(subset)) for subset in combinations(draws, m)]
    found = kinds_in(np.array(counts), len(draws))[m - 1]
    assert found == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_all_different_gives_m_and_all_alike_gives_one(n: int) -> None:
    assert kinds_in(np.ones(n, dtype=int), n) == pytest.approx(np.arange(1, n + 1))
    assert kinds_in(np.array([n]), n) == pytest.approx(np.ones(n))


def test_all_draws_hold_all_kinds() -> None:
    assert kinds_in(np.array([5, 2, 1, 1]), 9)[-1] == pytest.approx(4)


def test_kinds_are_unbiased_over_every_sample_of_a_known_law() -> None:
    for n in (4, 8):
        mean = sum(chance * kinds_in(counts, n) for chance, counts in all_samples(n))
        truth = [float((1 - (1 - LAW) ** m).sum()) for m in range(1, n + 1)]
        assert mean == pytest.approx(truth, abs=1e-12)


def test_entropy_is_unbiased_for_what_m_draws_can_tell_and_below_the_truth() -> None:
    n = 8
    for m in range(1, n + 1):
        mean = sum(chance * entropy_of(kinds_in(counts, m)) for chance, counts in all_samples(n))
        told = sum(float((LAW * (1 - LAW) ** v).sum()) / v for v in range(1, m))
        assert mean == pytest.approx(told, abs=1e-12)
        assert told < -float((LAW * np.log(LAW)).sum())


def test_entropy_is_less_biased_than_counting_shares() -> None:
    n, truth = 10, -float((LAW * np.log(LAW)).sum())
    samples = all_samples(n)
    ours = sum(chance * entropy_of(kinds_in(counts, n)) for chance, counts in samples)
    plain = sum(
        chance * -float((counts / n * np.log(counts / n)).sum()) for chance, counts in samples
    )
    assert abs(ours - truth) < 0.4 * abs(plain - truth)


def test_entropy_of_all_draws_is_zhangs_estimator_in_digammas() -> None:
    counts = np.array([17, 5, 5, 2, 1, 1])
    zhang = float((counts / 31 * (digamma(31) - digamma(counts))).sum())
    assert entropy_of(kinds_in(counts, 31)) == pytest.approx(zhang, abs=1e-12)


def test_entropy_ends_are_zero_and_all_different() -> None:
    assert entropy_of(kinds_in(np.array([9]), 9)) == pytest.approx(0, abs=1e-12)
    assert entropy_of(kinds_in(np.ones(9, dtype=int), 9)) == pytest.approx(largest_entropy(9))
    assert largest_entropy(1) == 0


def test_chance_of_same_is_unbiased_and_inverts_to_equal_kinds() -> None:
    mean = sum(chance * chance_of_same(counts) for chance, counts in all_samples(6))
    assert mean == pytest.approx(float((LAW**2).sum()), abs=1e-12)
    assert effective_number(0.25) == 4
    assert effective_number(0.0) is None
    assert chance_of_same(np.array([1, 1, 1])) == 0
    assert chance_of_same(np.array([4, 2, 1])) == pytest.approx(
        2 - kinds_in(np.array([4, 2, 1]), 2)[1]
    )
    assert chance_of_same(np.array([3, 2])) == pytest.approx((3 * 2 + 2 * 1) / (5 * 4))


def test_coverage_is_too_low_by_at_most_one_in_n() -> None:
    for n in (2, 5, 9):
        samples = all_samples(n)
        mean = sum(chance * coverage(counts) for chance, counts in samples)
        truth = float((LAW * (1 - (1 - LAW) ** n)).sum())
        assert -1 / n <= mean - truth <= 0
    assert coverage(np.array([3, 1, 1])) == pytest.approx(3 / 5)


def test_chao_is_the_formula_and_a_lower_bound_in_expectation() -> None:
    # f1 = 3, f2 = 1, N = 10: 5 + .9 * 3 * 2 / (2 * 2).
    assert fewest_kinds(np.array([5, 2, 1, 1, 1])) == pytest.approx(6.35)
    for n in (3, 8):
        samples = all_samples(n)
        seen = sum(chance * len(counts) for chance, counts in samples)
        mean = sum(chance * fewest_kinds(counts) for chance, counts in samples)
        assert seen < mean < len(LAW)


def test_stopping_at_right_answers_leaves_paths_unbiased() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(6000):
        right = 0
        for drawn in range(1, 41):
            right += rng.random() < 0.2
            if drawn >= 4 and right >= 3:
                break
        if right >= 2:
            counts = np.unique(rng.choice(4, size=right, p=LAW), return_counts=True)[1]
            found.append(kinds_in(counts, 2)[1])
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - (2 - (LAW**2).sum())) < 4 * error


@pytest.mark.parametrize(
    ("counts", "m"), [([], 1), ([0, 2], 1), ([-1, 2], 1), ([2, 1], 4), ([2, 1], 0)]
)
def test_counts_and_m_out_of_range_are_refused(counts: list[int], m: int) -> None:
    with pytest.raises(ValueError, match="draw"):
        kinds_in(np.array(counts, dtype=int), m)
    if m == 1:
        with pytest.raises(ValueError, match="draw"):
            coverage(np.array(counts, dtype=int))


def test_one_draw_says_nothing_of_sameness() -> None:
    with pytest.raises(ValueError, match="needs two draws"):
        chance_of_same(np.array([1]))
