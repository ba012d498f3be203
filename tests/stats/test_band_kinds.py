"""The bands beside the default one: whole clusters, Gaffke's bound, sampling noise alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from pathshift.stats.bands import (
    bayesian_band,
    cluster_weights,
    dirichlet_weights,
    guarded_band,
    rank_band,
    strict_band,
    unseen_band,
)
from pathshift.stats.noise import noise_band
from pathshift.stats.passk import miss_table

K = np.array([1, 2, 4, 8, 16])


def test_clusters_of_one_weigh_as_problems_do() -> None:
    """Moments of a Dirichlet with all ones: mean 1/m, variance (m-1)/(m^2 (m+1)), m = 10 + 2."""
    drawn = cluster_weights(np.ones(10), 200_000, np.random.default_rng(0))
    assert drawn.rows.mean() == pytest.approx(1 / 12, rel=1e-3)
    assert drawn.rows.var() == pytest.approx(11 / (144 * 13), rel=2e-2)
    assert drawn.atoms.mean() == pytest.approx(1 / 12, rel=1e-2)


def test_a_cluster_weighs_its_problems_and_an_atom_an_average_one() -> None:
    drawn = cluster_weights(np.array([1.0, 3.0, 2.0]), 100_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.rows.sum(axis=1) + drawn.atoms.sum(axis=1), 1)
    means = drawn.rows.mean(axis=0)
    assert means[1] > means[2] > means[0]
    np.testing.assert_allclose(drawn.share, [1 / 6, 1 / 2, 1 / 3])


def test_copies_of_a_problem_in_one_cluster_bring_no_evidence() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.2, (20, 3))
    once = bayesian_band(cluster_weights(np.ones(20), 8000, rng), rows, (-1.0, 1.0), 0.95)
    many = bayesian_band(cluster_weights(np.full(20, 5.0), 8000, rng), rows, (-1.0, 1.0), 0.95)
    np.testing.assert_allclose(once.high - once.low, many.high - many.low, rtol=0.1)
    as_problems = dirichlet_weights(np.full(20, 5.0), 8000, rng)
    naive = bayesian_band(as_problems, rows, (-1.0, 1.0), 0.95)
    assert ((naive.high - naive.low) < 0.7 * (many.high - many.low)).all()


def test_strict_edges_lie_outside_and_cover_the_worst_two_point_population() -> None:
    """Losses of probability e and size 1, else nothing: the coverage is a binomial sum, by Monte
    Carlo over the bound only. Gaffke's bound is never broken more often than it says.
    """
    problems, rng = 20, np.random.default_rng(0)
    drawn = dirichlet_weights(np.ones(2), 4000, rng)
    for losses in range(problems + 1):
        weight = np.array([float(losses), float(problems - losses)])
        kept = weight > 0
        drawn = dirichlet_weights(weight[kept], 4000, rng)
        rows = np.array([[-1.0], [0.0]])[kept]
        strict = strict_band(drawn, rows, (-1.0, 1.0), 0.95)
        plain = bayesian_band(drawn, rows, (-1.0, 1.0), 0.95)
        assert strict.low[0] <= plain.low[0] + 1e-3
        assert strict.high[0] >= plain.high[0] - 1e-3
        # Clopper and Pearson's lower limit for the share of losses, which Gaffke's bound equals
        # for yes/no data (Phan et al. 2021, section 4), up to the noise of the draws.
        from pathshift.stats.exact import clopper_pearson

        exact = clopper_pearson(losses, problems)
        assert strict.low[0] == pytest.approx(-exact.high, abs=0.02)


def guarded_losses(problems: int) -> list[tuple[float, float]]:
    """The guarded band's edges for every number of losses of size 1 among the problems."""
    rng, edges = np.random.default_rng(1), []
    for losses in range(problems + 1):
        weight = np.array([float(losses), float(problems - losses)])
        kept = weight > 0
        drawn = dirichlet_weights(weight[kept], 4000, rng)
        band = guarded_band(drawn, np.array([[-1.0], [0.0]])[kept], (-1.0, 1.0), 0.95)
        edges.append((float(band.low[0]), float(band.high[0])))
    return edges


def test_the_guard_equals_clopper_and_pearson_for_losses_and_is_common_to_all_columns() -> None:
    from pathshift.stats.exact import clopper_pearson

    for losses in (0, 1, 4):
        weight = np.array([float(losses), 20.0 - losses])
        drawn = dirichlet_weights(weight[weight > 0], 20_000, np.random.default_rng(0))
        rows = np.repeat([[-1.0], [0.0]], 3, axis=1)[weight > 0]
        band = unseen_band(drawn, rows, (-1.0, 1.0), 0.05)
        assert band.low == pytest.approx([-clopper_pearson(losses, 20, 0.9).high] * 3, abs=5e-3)


def test_the_guarded_band_covers_losses_of_any_probability() -> None:
    """Losses of probability e and size 1, else nothing: the coverage is a sum over binomials."""
    problems = 30
    edges = np.array(guarded_losses(problems))
    for loss in [*np.geomspace(0.001, 0.1, 60), *np.linspace(0.1, 0.5, 40)]:
        holds = (edges[:, 0] <= -loss + 1e-9) & (-loss <= edges[:, 1] + 1e-9)
        assert binom.pmf(np.arange(problems + 1), problems, loss) @ holds >= 0.925


def test_a_rank_band_holds_its_share_of_whole_draws_and_ties_cost_nothing() -> None:
    draws = np.random.default_rng(0).normal(size=(2000, 5)).cumsum(axis=1)
    flat = np.column_stack([draws, np.zeros(2000)])
    band, wider = rank_band(flat, 0.9), rank_band(draws, 0.9)
    inside = ((flat >= band.low) & (flat <= band.high)).all(axis=1).mean()
    assert 0.9 <= inside < 0.905
    np.testing.assert_array_equal(band.low[:5], wider.low)


@pytest.mark.parametrize("kind", ["spread", "all right", "rare"])
def test_noise_alone_is_covered_for_these_very_problems(kind: str) -> None:
    """Known truth: the problems' own rates. 60 repeats at 95%, so 52 is three errors below."""
    rng, n, hits = np.random.default_rng(1), 16, 0
    rates = {"spread": rng.random(40), "all right": np.full(40, 0.999), "rare": np.full(40, 0.01)}
    p, q = rates[kind], np.minimum(rates[kind] * 1.2, 0.999)
    true = np.array([np.mean((1 - p) ** k - (1 - q) ** k) for k in K])
    for _ in range(60):
        sides = [np.column_stack([np.full(40, n), rng.binomial(n, x)]) for x in (p, q)]
        band = noise_band(sides[0], sides[1], K, level=0.95, replicates=300, rng=rng)
        hits += bool(((band.low <= true) & (true <= band.high)).all())
    assert hits >= 52


def test_noise_alone_hangs_on_the_unbiased_estimate_and_shrinks_with_samples() -> None:
    rng, p = np.random.default_rng(2), np.linspace(0.1, 0.9, 30)
    widths = []
    for n in (16, 256):
        sides = [np.column_stack([np.full(30, n), rng.binomial(n, x)]) for x in (p, p)]
        band = noise_band(sides[0], sides[1], K, level=0.95, replicates=400, rng=rng)
        miss = [miss_table(s[:, 0], s[:, 1], 16)[:, K - 1].mean(axis=0) for s in sides]
        assert (band.low <= miss[0] - miss[1]).all()
        assert (miss[0] - miss[1] <= band.high).all()
        widths.append(band.high[0] - band.low[0])
    assert widths[1] < widths[0] / 2.5
