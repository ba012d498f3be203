from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.bands import cluster_weights, dirichlet_weights
from pathshift.stats.bounded import betting_limit, gaffke_limit, log_evidence
from pathshift.stats.exact import clopper_pearson
from pathshift.stats.passk import FloatArray

VALUES = st.lists(st.floats(0, 50), min_size=1, max_size=30).map(np.array)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_evidence_is_at_most_one_on_average_summed_over_the_binomial(p: float) -> None:
    """Yes/no values: every outcome weighed by its exact chance, at the true mean and below it."""
    from scipy.stats import binom

    n = 25
    for scale in (1.0, 40.0):
        rows = [np.repeat([scale, 0.0], [c, n - c]) for c in range(n + 1)]
        chance = binom.pmf(np.arange(n + 1), n, p)
        evidence = np.exp([log_evidence(row, p * scale) for row in rows])
        assert chance @ evidence == pytest.approx(1, abs=1e-9)
        beyond = np.exp([log_evidence(row, 1.5 * p * scale) for row in rows])
        assert chance @ beyond < 1


@pytest.mark.parametrize("limit", ["betting", "gaffke"])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.2, 0.5, 0.95])
def test_limit_of_yes_no_values_is_wrong_in_at_most_a_twentieth(limit: str, p: float) -> None:
    """Exact: the chance of every count of successes, not a simulation."""
    from scipy.stats import binom

    n, rng = 40, np.random.default_rng(1)
    weights = dirichlet_weights(np.ones(n), 20_000, rng)
    lows = []
    for c in range(n + 1):
        row = np.repeat([1.0, 0.0], [c, n - c])
        lows.append(betting_limit(row) if limit == "betting" else gaffke_limit(row, weights))
    assert binom.pmf(np.arange(n + 1), n, p)[np.array(lows) > p].sum() <= 0.052


def test_gaffke_limit_is_clopper_and_pearsons_on_yes_no_values() -> None:
    weights = dirichlet_weights(np.ones(30), 200_000, np.random.default_rng(2))
    for c in (1, 7, 29):
        row = np.repeat([1.0, 0.0], [c, 30 - c])
        exact = clopper_pearson(c, 30, 0.9).low
        assert gaffke_limit(row, weights, 0.95) == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize("shape", [0.1, 0.5, 2.0])
def test_limits_hold_for_skewed_values_without_an_upper_end(shape: float) -> None:
    """Lognormal-like weights of mean 1: what importance weights look like."""
    rng = np.random.default_rng(3)
    weights = dirichlet_weights(np.ones(24), 4000, rng)
    drawn = rng.gamma(shape, 1 / shape, size=(600, 24))
    above = np.array([(betting_limit(x) > 1, gaffke_limit(x, weights) > 1) for x in drawn])
    assert (above.mean(axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)).all()


def test_one_value_gives_markovs_inequality_or_less() -> None:
    weights = dirichlet_weights(np.ones(1), 100_000, np.random.default_rng(4))
    assert betting_limit(np.array([7.0])) <= 7 * 0.05
    assert gaffke_limit(np.array([7.0]), weights) == pytest.approx(7 * 0.05, rel=0.05)


@given(VALUES, st.floats(0.1, 40))
def test_truncation_never_raises_the_betting_limit(values: FloatArray, cap: float) -> None:
    assert betting_limit(np.minimum(values, cap)) <= betting_limit(values) * (1 + 1e-9)


@given(VALUES)
def test_betting_limit_is_below_the_mean_and_scales_with_the_values(values: FloatArray) -> None:
    limit = betting_limit(values)
    assert 0 <= limit <= values.mean()
    assert betting_limit(values * 4) == pytest.approx(4 * limit, rel=1e-6)


def test_limit_approaches_the_mean_with_samples() -> None:
    rng = np.random.default_rng(5)
    lows = [betting_limit(rng.exponential(size=n)) for n in (20, 200, 4000)]
    assert lows[0] < lows[1] < lows[2]
    assert lows[2] > 0.9


def test_copies_within_a_cluster_bring_no_evidence_to_the_mean() -> None:
    rng = np.random.default_rng(6)
    values = rng.exponential(size=20)
    alone = gaffke_limit(values, dirichlet_weights(np.ones(20), 50_000, rng))
    sizes = np.full(20, 5.0)
    clustered = gaffke_limit(values, cluster_weights(sizes, 50_000, rng))
    copied = gaffke_limit(np.repeat(values, 5), dirichlet_weights(np.ones(100), 50_000, rng))
    assert clustered == pytest.approx(alone, abs=0.02)
    assert copied > clustered + 0.1


@pytest.mark.parametrize("values", [[], [-1.0], [np.nan], [np.inf]])
def test_what_is_no_value_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"needs"):
        betting_limit(np.array(values))
