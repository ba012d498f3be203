"""Lucky guesses and fallible verifiers, against enumeration and simulation with known truth."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.floors import raised, solved_beyond_floor, without_false_positives
from pathshift.stats.passk import IntArray, floor_curve, miss_table

N = 1024


def guessed(rng: np.random.Generator, problems: int) -> IntArray:
    """Hits of uniform answers 0..999 on problems whose answers are uniform as well."""
    gold = rng.integers(0, 1000, problems)
    hits: IntArray = (rng.integers(0, 1000, (problems, N)) == gold[:, None]).sum(axis=1)
    return hits


def test_of_no_ability_data_at_most_5_percent_is_named_where_pass_at_k_says_64() -> None:
    rng = np.random.default_rng(5)
    named, solved = [], []
    for _ in range(40):
        c = guessed(rng, 200)
        beyond = solved_beyond_floor(np.full(200, N), c, np.full(200, 0.001))
        named.append(beyond.is_solved.mean())
        solved.append((c > 0).mean())
    assert np.mean(solved) == pytest.approx(0.64, abs=0.01)
    assert max(named) <= 0.05
    assert np.mean(named) < 0.001


def test_able_problems_are_named_and_of_the_others_at_most_5_percent() -> None:
    """Half of the problems are solved at .02, where the floor is .001."""
    rng = np.random.default_rng(6)
    false_shares, unable_shares, found = [], [], []
    for _ in range(100):
        unable, able = guessed(rng, 100), rng.binomial(N, 0.02, 100)
        beyond = solved_beyond_floor(
            np.full(200, N), np.concatenate([unable, able]), np.full(200, 0.001)
        )
        false_shares.append(beyond.is_solved[:100].sum() / max(1, beyond.is_solved.sum()))
        unable_shares.append(beyond.is_solved[:100].mean())
        found.append(beyond.is_solved[100:].mean())
    assert np.mean(false_shares) <= 0.05
    assert np.mean(unable_shares) <= 0.05
    assert np.mean(found) > 0.99


@given(st.integers(1, 30), st.data())
def test_p_value_is_the_binomial_tail_of_guess_or_slip(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    g, f = Fraction(data.draw(st.integers(0, 8)), 8), Fraction(data.draw(st.integers(0, 7)), 8)
    null = g + (1 - g) * f
    tail = sum(comb(n, j) * null**j * (1 - null) ** (n - j) for j in range(c, n + 1))
    found = solved_beyond_floor(
        np.array([n]), np.array([c]), np.array([float(g)]), false_positive=float(f)
    )
    assert found.p_value[0] == pytest.approx(float(tail), abs=1e-12)
    assert found.is_solved[0] == (found.p_value[0] <= 1 - 0.95)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_named_problems_are_those_of_the_step_up_rule(c: list[int]) -> None:
    n, floor = np.full(len(c), 40), np.full(len(c), 0.1)
    found = solved_beyond_floor(n, np.array(c), floor)
    ordered = sorted(found.p_value)
    within = [j for j in range(1, len(c) + 1) if ordered[j - 1] <= (1 - 0.95) * j / len(c)]
    limit = ordered[max(within) - 1] if within else -1.0
    assert found.is_solved.tolist() == [p <= limit for p in found.p_value]


def test_no_success_is_never_named_and_without_a_floor_any_success_is() -> None:
    found = solved_beyond_floor(np.array([8, 8]), np.array([0, 1]), np.zeros(2))
    assert found.p_value.tolist() == [1.0, 0.0]
    assert found.is_solved.tolist() == [False, True]


@pytest.mark.parametrize("f", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("p", [0.0, 0.05, 0.6])
def test_the_correction_is_unbiased_by_enumeration(p: float, f: float) -> None:
    """Summed over the binomial, the corrected estimate is the true pass@k for every k."""
    n, k = 12, np.arange(1, 13)
    shown = float(raised(np.array([p]), f)[0])
    weight = np.array([comb(n, c) * shown**c * (1 - shown) ** (n - c) for c in range(n + 1)])
    curves = 1 - miss_table(np.full(n + 1, n), np.arange(n + 1), n)
    expected = weight @ np.stack([without_false_positives(curve, k, f) for curve in curves])
    assert expected == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


def test_a_slip_in_a_thousand_looks_like_64_percent_at_1024_tries() -> None:
    """The published numbers: f = .1% gives .64 at k = 1024, .5% gives .72 at k = 256."""
    none = np.zeros(3)
    assert floor_curve(raised(none, 0.001), np.array([1024]))[0] == pytest.approx(0.64, abs=0.005)
    assert floor_curve(raised(none, 0.005), np.array([256]))[0] == pytest.approx(0.72, abs=0.005)


def test_rates_and_floors_out_of_range_are_refused() -> None:
    one = np.array([1])
    with pytest.raises(ValueError, match="false-positive rate"):
        without_false_positives(np.array([0.5]), one, 1.0)
    with pytest.raises(ValueError, match="false-positive rate"):
        raised(np.array([0.5]), -0.1)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        solved_beyond_floor(one, one, np.array([1.5]))
    with pytest.raises(ValueError, match="0 <= c <= n"):
        solved_beyond_floor(one, np.array([2]), np.array([0.5]))


@pytest.mark.parametrize("floor", [float("nan"), -0.1, 1.1])
def test_a_floor_that_is_no_probability_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=f"lie in \\[0, 1\\], got {floor}"):
        solved_beyond_floor(np.array([10, 10]), np.array([10, 0]), np.array([0.1, floor]))


def test_a_rate_that_explains_everything_many_times_over_leaves_a_number() -> None:
    found = without_false_positives(np.array([0.9, 1.0]), np.array([1024, 1024]), 0.9)
    assert np.isfinite(found).all()
    assert found[0] < 0
    assert found[1] == 1
