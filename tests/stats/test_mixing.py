"""The beta laws against quadrature, enumeration, published fits and simulation with known truth."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import beta as beta_function
from scipy.special import binom, expit

from pathshift.stats.mixing import PRIOR, BetaLaw, fit, log_pmf, predicted
from pathshift.stats.passk import FloatArray, IntArray


def law(a: float, b: float, z: float = 0.0) -> BetaLaw:
    return BetaLaw(np.array([a]), np.array([b]), np.array([z]))


def pmf(n: int, of: BetaLaw) -> FloatArray:
    out: FloatArray = np.exp(log_pmf(np.full(n + 1, n), np.arange(n + 1), of))[0]
    return out


def released(side: str) -> tuple[IntArray, FloatArray]:
    path = files("pathshift") / "examples" / "deepscaler32k" / f"{side}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    counts, weight = np.unique([(r["n"], r["c"]) for r in rows], axis=0, return_counts=True)
    return counts, weight[None].astype(float)


shapes = st.floats(0.05, 30)


@st.composite
def row_of_counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 12))
    return n, draw(st.integers(0, n))


@given(st.integers(1, 200), shapes, shapes, st.floats(0, 0.9))
def test_chances_add_up_to_one(n: int, a: float, b: float, z: float) -> None:
    assert pmf(n, law(a, b, z)).sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.22), (2.0, 5.0), (0.8, 0.1)])
def test_equals_the_binomial_integrated_over_the_beta_law(a: float, b: float) -> None:
    n, chances = 7, pmf(7, law(a, b, 0.2))
    for c in range(n + 1):
        # p^(a-1) and (1-p)^(b-1) are the weights of the rule, so their poles cost no digits.
        smooth, _ = quad(
            lambda p, c=c: binom(n, c) * p**c * (1 - p) ** (n - c) / beta_function(a, b),
            0, 1, weight="alg", wvar=(a - 1, b - 1),
        )  # fmt: skip
        assert chances[c] == pytest.approx(0.8 * smooth + 0.2 * (c == 0), abs=1e-9)


def test_a_flat_law_makes_every_count_equally_likely() -> None:
    assert pmf(9, law(1, 1)) == pytest.approx(np.full(10, 0.1))
    assert 1 - law(1, 1).miss(np.array([1, 4, 9]))[0] == pytest.approx([1 / 2, 4 / 5, 9 / 10])


@pytest.mark.parametrize(
    ("side", "bb", "zibb"),
    [
        ("base", (0.302, 0.220, 0.0, 4240.1), (0.406, 0.236, 0.062, 4233.4)),
        ("tuned", (0.228, 0.125, 0.0, 3542.0), (0.413, 0.142, 0.100, 3526.7)),
    ],
)
def test_deepscaler_fits_are_the_published_ones(
    side: str, bb: tuple[float, ...], zibb: tuple[float, ...]
) -> None:
    # methods/boundary.md 4.3, found there by another optimiser; a and b of the tuned fits are not
    # given there and come from scipy's BFGS on the same likelihood.
    counts, weight = released(side)
    for with_impossible, (a, b, z, nll) in ((False, bb), (True, zibb)):
        found = fit(counts, weight, with_impossible=with_impossible)
        assert [x[0] for x in found.law] == pytest.approx([a, b, z], abs=0.0006)
        assert -found.log_likelihood[0] == pytest.approx(nll, abs=0.06)


@pytest.mark.parametrize(("side", "bb", "zibb"), [("base", 0.950, 0.918), ("tuned", 0.931, 0.888)])
def test_deepscaler_at_1024_is_as_published(side: str, bb: float, zibb: float) -> None:
    counts, weight = released(side)
    for with_impossible, value in ((False, bb), (True, zibb)):
        found = fit(counts, weight, with_impossible=with_impossible)
        assert 1 - found.law.miss(np.array([1024]))[0, 0] == pytest.approx(value, abs=0.0006)


@pytest.mark.parametrize("with_impossible", [False, True])
@pytest.mark.parametrize("prior", [False, True])
def test_no_general_optimiser_finds_a_higher_likelihood(
    *, with_impossible: bool, prior: bool
) -> None:
    rng = np.random.default_rng(3)
    rates = rng.beta(0.4, 0.7, 300) * (rng.random(300) > 0.15)
    n = rng.integers(4, 40, 300)
    counts, weight = np.unique(
        np.column_stack([n, rng.binomial(n, rates)]), axis=0, return_counts=True
    )

    def height(of: BetaLaw) -> float:
        fits = float(weight @ log_pmf(counts[:, 0], counts[:, 1], of)[0])
        return fits - prior * PRIOR * float(np.log1p(of.a + of.b)[0])

    def loss(x: FloatArray) -> float:
        z = float(expit(x[2])) if with_impossible else 0.0
        return -height(law(float(np.exp(x[0])), float(np.exp(x[1])), z))

    starts = [[-1.0, -1.0, -2.0], [1.0, 1.0, 0.0], [-2.0, 0.0, -4.0]]
    best = min(minimize(loss, s[: 2 + with_impossible]).fun for s in starts)
    found = fit(counts, weight[None].astype(float), with_impossible=with_impossible, prior=prior)
    assert height(found.law) == pytest.approx(-best, abs=1e-5)


def test_many_weightings_at_once_are_each_by_itself() -> None:
    rng = np.random.default_rng(4)
    counts = np.array([(8, c) for c in range(9)] + [(5, 0), (5, 3)])
    weight = rng.gamma(3, size=(5, 11)) * 10
    together = fit(counts, weight, with_impossible=True)
    for i in range(5):
        alone = fit(counts, weight[i : i + 1], with_impossible=True)
        assert alone.log_likelihood[0] == pytest.approx(together.log_likelihood[i], abs=1e-5)


def test_known_laws_are_found_again() -> None:
    rng = np.random.default_rng(5)
    problems = 40_000
    n = rng.integers(10, 60, problems)
    rates = rng.beta(0.5, 0.8, problems) * (rng.random(problems) > 0.2)
    counts, weight = np.unique(
        np.column_stack([n, rng.binomial(n, rates)]), axis=0, return_counts=True
    )
    found = fit(counts, weight[None].astype(float), with_impossible=True).law
    assert [x[0] for x in found] == pytest.approx([0.5, 0.8, 0.2], abs=0.02)


@pytest.mark.parametrize(("a", "b", "z"), [(0.3, 0.2, 0.0), (0.5, 1.5, 0.1)])
@pytest.mark.parametrize("k", [6, 7, 30, 1000])
def test_predictions_average_to_the_laws_own_curve(a: float, b: float, z: float, k: int) -> None:
    n = 6
    counts = np.array([(n, c) for c in range(n + 1)])
    solved = predicted(counts, law(a, b, z), np.array([k]))[0, :, 0]
    assert pmf(n, law(a, b, z)) @ solved == pytest.approx(
        1 - law(a, b, z).miss(np.array([k]))[0, 0]
    )


def test_at_n_it_is_what_was_observed_and_below_n_the_unbiased_estimate() -> None:
    counts = np.array([(6, 0), (6, 2), (10, 0), (10, 1)])
    solved = predicted(counts, law(0.4, 0.6, 0.1), np.array([3, 6, 10]))[0]
    assert solved[1] == pytest.approx([1 - 4 / 20, 1, 1])
    assert solved[3] == pytest.approx([3 / 10, 6 / 10, 1])
    assert solved[[0, 2], 1] == pytest.approx([0, 0])
    assert solved[2] == pytest.approx([0, 0, 0])
    assert 0 < solved[0, 2] < 1


def test_an_unsolved_problem_fails_by_the_written_formula() -> None:
    a, b, z, n, k = 0.4, 0.6, 0.1, 8, 50
    ratio = beta_function(a, b + n) / beta_function(a, b)
    s = z / (z + (1 - z) * ratio)
    expected = 1 - (s + (1 - s) * beta_function(a, b + k) / beta_function(a, b + n))
    found = predicted(np.array([(n, 0)]), law(a, b, z), np.array([k]))
    assert found[0, 0, 0] == pytest.approx(expected)


@given(rows=st.lists(row_of_counts(), min_size=1, max_size=12), with_impossible=st.booleans())
def test_any_counts_give_a_curve_that_grows_and_stays_in_bounds(
    *, rows: list[tuple[int, int]], with_impossible: bool
) -> None:
    counts, weight = np.unique(np.array(rows), axis=0, return_counts=True)
    found = fit(counts, weight[None].astype(float), with_impossible=with_impossible)
    curve = weight @ predicted(counts, found.law, np.array([1, 2, 13, 50, 4096]))[0] / len(rows)
    assert np.isfinite(found.log_likelihood).all()
    assert (np.diff(curve) >= -1e-9).all()
    assert curve[0] >= 0
    assert curve[-1] <= 1 + 1e-9


def test_impossible_counts_are_an_error() -> None:
    with pytest.raises(ValueError, match="0 <= c <= n"):
        fit(np.array([(4, 5)]), np.ones((1, 1)), with_impossible=False)
