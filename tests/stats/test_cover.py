"""Cover@tau and G-pass@k against enumeration, an identity between them, and simulation."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from pathshift.stats.cover import cover_at, g_pass_at_k, mg_pass_at_k
from pathshift.stats.passk import best_with_replacement, pass_at_k


@st.composite
def small_counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


def enumerated(n: int, c: int, k: int, needed: int) -> float:
    draws = list(combinations([True] * c + [False] * (n - c), k))
    return sum(sum(draw) >= needed for draw in draws) / len(draws)


@given(small_counts(), st.integers(0, 20))
def test_g_pass_equals_enumeration_of_every_draw(
    nck: tuple[int, int, int], twentieths: int
) -> None:
    n, c, k = nck
    needed = max(1, -(-twentieths * k // 20))
    found = g_pass_at_k(np.array([n]), np.array([c]), k, twentieths / 20)
    assert found == pytest.approx(enumerated(n, c, k, needed), abs=1e-12)


@given(small_counts())
def test_mean_g_pass_is_twice_the_sum_above_one_half(nck: tuple[int, int, int]) -> None:
    n, c, k = nck
    expected = sum(enumerated(n, c, k, i) for i in range(-(-k // 2) + 1, k + 1)) * 2 / k
    assert mg_pass_at_k(np.array([n]), np.array([c]), k) == pytest.approx(expected, abs=1e-12)


def test_thresholds_are_pass_at_k_at_0_and_all_correct_at_1() -> None:
    n, c = np.full(4, 1024), np.array([0, 3, 700, 1024])
    one = [pass_at_k(1024, x, 16) for x in c.tolist()]
    assert g_pass_at_k(n, c, 16, 0) == pytest.approx(np.mean(one), abs=1e-10)
    every = [np.prod([(x - i) / (1024 - i) for i in range(16)]) if x >= 16 else 0 for x in c]
    assert g_pass_at_k(n, c, 16, 1) == pytest.approx(np.mean(every), abs=1e-10)


def test_a_threshold_means_what_its_decimals_say() -> None:
    """.07 of 100 is 7, although .07 * 100 is above 7 in floating point."""
    assert g_pass_at_k(np.array([100]), np.array([7]), 100, 0.07) == 1
    assert cover_at(np.array([100]), np.array([7]), 0.07).share == 1


@given(st.lists(st.integers(0, 16), min_size=1, max_size=12), st.integers(1, 12))
def test_pass_at_k_is_the_mean_cover_over_beta_1_k(c: list[int], k: int) -> None:
    n, counts = np.full(len(c), 16), np.array(c)
    steps = np.arange(17) / 16
    integral = sum(
        quad(lambda t: cover_at(n, counts, t).share * k * (1 - t) ** (k - 1), low, high)[0]
        for low, high in pairwise(steps)
    )
    assert integral == pytest.approx(best_with_replacement(n, counts, k), abs=1e-9)


@pytest.mark.parametrize("n", [8, 64, 512])
@pytest.mark.parametrize("tau", [0.05, 0.5, 0.9])
def test_bounds_hold_in_expectation_and_close_with_more_samples(n: int, tau: float) -> None:
    rng = np.random.default_rng(n)
    p = rng.beta(0.3, 0.4, 3000)
    found = cover_at(np.full(3000, n), rng.binomial(n, p), tau)
    truth = (p >= tau).mean()
    assert found.low - 0.02 <= truth <= found.high + 0.02
    assert found.low <= found.share <= found.high
    if n == 512:
        assert found.high - found.low < 0.2


def test_the_plain_share_is_off_where_the_bounds_are_not() -> None:
    """All problems just below tau: half of them look as if above at 16 samples."""
    rng = np.random.default_rng(0)
    c = rng.binomial(16, 0.24, 4000)
    found = cover_at(np.full(4000, 16), c, 0.25)
    assert found.share > 0.5
    assert found.low == pytest.approx(0, abs=0.02)
    assert found.high >= 0


def test_impossible_requests_are_refused() -> None:
    one = np.array([1])
    with pytest.raises(ValueError, match="0 < tau <= 1"):
        cover_at(one, one, 0)
    with pytest.raises(ValueError, match="needs problems"):
        cover_at(one[:0], one[:0], 0.5)
    with pytest.raises(ValueError, match="tau from 0 to 1"):
        g_pass_at_k(one, one, 1, 1.1)
    with pytest.raises(ValueError, match="at least 2 samples"):
        mg_pass_at_k(one, one, 2)


def test_many_samples_do_not_overflow() -> None:
    """All samples drawn: at least half of them right is what the counts say."""
    n, c = np.full(4, 2400), np.array([0, 1199, 1200, 2400])
    assert g_pass_at_k(n, c, 2400, 0.5) == 0.5
