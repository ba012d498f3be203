"""pass@k against enumeration, exact fractions and simulation with known truth."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.passk import (
    floor_curve,
    miss_table,
    paired_table,
    pass_at_k,
    variance_table,
)


@st.composite
def small_counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@given(small_counts())
def test_equals_enumeration_of_every_draw(nck: tuple[int, int, int]) -> None:
    n, c, k = nck
    samples = [True] * c + [False] * (n - c)
    draws = list(combinations(samples, k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-14)


@given(st.integers(1, 1024), st.data())
def test_equals_exact_fractions_up_to_1024_samples(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    exact = 1 - Fraction(comb(n - c, k), comb(n, k))
    assert abs(Fraction(pass_at_k(n, c, k)) - exact) < Fraction(1, 10**12)


def test_every_entry_at_1024_is_within_1e_12() -> None:
    n, c = 1024, np.array([0, 1, 2, 17, 512, 1000, 1023, 1024])
    table = miss_table(np.full(len(c), n), c, n)
    for row, correct in zip(table, c.tolist(), strict=True):
        for k in range(1, n + 1, 7):
            exact = Fraction(comb(n - correct, k), comb(n, k))
            assert abs(Fraction(float(row[k - 1])) - exact) < Fraction(1, 10**12)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 0, 8), (4, 4, 5), (1, 1, 2)])
def test_k_above_n_is_an_error_that_says_so(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match=rf"pass@{k} needs at least {k} samples, got n={n}"):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(("n", "c"), [(4, 5), (4, -1)])
def test_impossible_counts_are_an_error(n: int, c: int) -> None:
    with pytest.raises(ValueError, match="0 <= c <= n"):
        pass_at_k(n, c, 1)


def test_k_below_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pass_at_k(4, 2, 0)


@given(st.integers(2, 60), st.data())
def test_grows_with_k_and_reaches_solved_at_n(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    curve = 1 - miss_table(np.array([n]), np.array([c]), n)[0]
    assert (np.diff(curve) >= 0).all()
    assert curve[0] == pytest.approx(c / n)
    assert curve[-1] == float(c > 0)


@pytest.mark.parametrize("p", [0.03, 0.4])
def test_unbiased_for_the_chance_of_k_fresh_samples(p: float) -> None:
    n, c = 12, np.arange(13)
    weight = np.array([comb(n, i) * p**i * (1 - p) ** (n - i) for i in c])
    expected = weight @ (1 - miss_table(np.full(13, n), c, n))
    assert expected == pytest.approx(1 - (1 - p) ** np.arange(1, n + 1), abs=1e-12)


@pytest.mark.parametrize("p", [0.05, 0.3])
@pytest.mark.parametrize("n", [9, 40])
def test_variance_estimate_is_unbiased_where_it_exists(n: int, p: float) -> None:
    c = np.arange(n + 1)
    weight = np.array([comb(n, i) * p**i * (1 - p) ** (n - i) for i in c])
    estimate = 1 - miss_table(np.full(n + 1, n), c, n)
    truth = weight @ (estimate - weight @ estimate) ** 2
    variance = variance_table(np.full(n + 1, n), c, n)
    known = n // 2
    assert weight @ variance[:, :known] == pytest.approx(truth[:known], abs=1e-12)
    assert np.isnan(variance[:, known:]).all()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_distinct_counts_give_the_mean_over_all_problems(pairs: list[tuple[int, int]]) -> None:
    base, tuned = (np.array([(6, pair[i]) for pair in pairs]) for i in (0, 1))
    table = paired_table(base, tuned, np.arange(1, 7))
    assert len(table.weight) == len(set(pairs))
    direct = miss_table(base[:, 0], base[:, 1], 6) - miss_table(tuned[:, 0], tuned[:, 1], 6)
    assert table.mean(table.difference) == pytest.approx(direct.mean(axis=0), abs=1e-14)


def test_a_sparse_grid_reads_the_dense_table() -> None:
    base, tuned = np.array([[9, 2], [9, 0]]), np.array([[9, 5], [9, 1]])
    dense = paired_table(base, tuned, np.arange(1, 10))
    sparse = paired_table(base, tuned, np.array([1, 4, 9]))
    assert (sparse.base == dense.base[:, [0, 3, 8]]).all()


def test_floor_is_the_mean_chance_that_k_blind_guesses_hit() -> None:
    guesses = np.array([0.0, 0.001, 0.5, 1.0])
    curve = floor_curve(guesses, np.array([1, 2, 1024]))
    assert curve == pytest.approx(
        [np.mean(1 - (1 - guesses) ** k) for k in (1, 2, 1024)], abs=1e-12
    )
    assert str(floor_curve(np.zeros(3), np.array([1]))[0]) == "0.0"
