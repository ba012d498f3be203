"""Bands over many looks: what they spend, and how often they claim what is not there."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.bands import Weights, bayesian_band, dirichlet_weights
from pathshift.stats.looks import Looks
from pathshift.stats.passk import FloatArray, miss_table

K = np.array([1, 2, 4, 8])


def weights(problems: int, draws: int = 4000, seed: int = 0) -> Weights:
    return dirichlet_weights(np.ones(problems), draws, np.random.default_rng(seed))


def differences(rng: np.random.Generator, p: FloatArray, q: FloatArray, n: int = 8) -> FloatArray:
    """Rows of two models' samples of the same problems."""
    full = np.full(len(p), n)
    base, tuned = (miss_table(full, rng.binomial(n, x), n)[:, K - 1] for x in (p, q))
    return base - tuned


def test_one_planned_look_is_the_ordinary_band() -> None:
    rng = np.random.default_rng(1)
    rows, drawn = differences(rng, rng.random(40), rng.random(40)), weights(40)
    band = Looks(drawn, 0.95, 1).band(rows, np.arange(40))
    assert band is not None
    expected = bayesian_band(drawn, rows, (-1.0, 1.0), 0.95)
    np.testing.assert_allclose(band.low, expected.low, atol=1e-12)
    np.testing.assert_allclose(band.high, expected.high, atol=1e-12)


def test_draws_that_leave_any_band_never_exceed_the_error() -> None:
    rng, drawn, planned = np.random.default_rng(2), weights(30), 10
    looks, inside = Looks(drawn, 0.9, planned), np.ones(4000, dtype=bool)
    for look in range(1, planned + 1):
        rows = differences(rng, rng.random(30), rng.random(30))
        band = looks.band(rows, np.arange(30))
        assert band is not None
        means = drawn.rows @ rows + (drawn.atoms @ np.array([-1.0, 1.0]))[:, None]
        inside &= ((means >= band.low - 1e-9) & (means <= band.high + 1e-9)).all(axis=1)
        assert (~inside).sum() <= 0.1 * look / planned * 4000
    # Ties aside all of the error is used: otherwise the bands would be wider than need be.
    assert (~inside).sum() >= 0.09 * 4000


def test_a_band_does_not_depend_on_the_looks_after_it() -> None:
    rng = np.random.default_rng(3)
    rows = [differences(rng, rng.random(20), rng.random(20)) for _ in range(5)]
    short, long = Looks(weights(20), 0.95, 8), Looks(weights(20), 0.95, 8)
    first = [short.band(r, np.arange(20)) for r in rows[:3]]
    again = [long.band(r, np.arange(20)) for r in rows][:3]
    for one, other in zip(first, again, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.low, other.low)


def test_looks_of_one_and_the_same_checkpoint_cost_nothing_more() -> None:
    rng = np.random.default_rng(4)
    rows = differences(rng, rng.random(60), rng.random(60))
    looks = Looks(weights(60), 0.95, 8)
    widths = []
    for _ in range(8):
        band = looks.band(rows, np.arange(60))
        assert band is not None
        widths.append(float((band.high - band.low).mean()))
    assert widths == sorted(widths, reverse=True)
    # In the end the eight looks together may give up what a single one could have.
    alone = Looks(weights(60), 0.95, 1).band(rows, np.arange(60))
    assert alone is not None
    assert widths[-1] == pytest.approx(float((alone.high - alone.low).mean()), abs=1e-9)


def test_no_band_beyond_the_planned_looks() -> None:
    looks, rows = Looks(weights(10), 0.95, 2), np.zeros((10, 4))
    assert looks.band(rows, np.arange(10)) is not None
    assert looks.band(rows, np.arange(10)) is not None
    assert looks.band(rows, np.arange(10)) is None
    assert looks.taken == 2


def test_a_step_with_part_of_the_problems_weighs_these_alone() -> None:
    rng = np.random.default_rng(5)
    rows, some = differences(rng, rng.random(40), rng.random(40)), np.arange(0, 40, 2)
    band = Looks(weights(40), 0.95, 1).band(rows[some], some)
    assert band is not None
    assert (band.low <= rows[some].mean(axis=0)).all()
    assert (band.high >= rows[some].mean(axis=0)).all()


def test_identical_models_are_seldom_told_apart_over_twenty_looks() -> None:
    """Known truth: nothing differs. 40 runs x 20 looks; expected below 5%, alone it is over 20%."""
    shared, alone, problems = 0, 0, 150
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        p = np.where(rng.random(problems) < 0.35, 0.005, rng.beta(0.5, 1.2, problems))
        base = miss_table(np.full(problems, 8), rng.binomial(8, p), 8)[:, K - 1]
        drawn = weights(problems, 2000, seed)
        looks, claimed, claimed_alone = Looks(drawn, 0.95, 20), False, False
        for _ in range(20):
            tuned = miss_table(np.full(problems, 8), rng.binomial(8, p), 8)[:, K - 1]
            for series in (looks, Looks(drawn, 0.95, 1)):
                band = series.band(base - tuned, np.arange(problems))
                assert band is not None
                says = bool(((band.low > 0) | (band.high < 0)).any())
                claimed |= says and series is looks
                claimed_alone |= says and series is not looks
        shared, alone = shared + claimed, alone + claimed_alone
    assert shared <= 3
    assert alone > 3
