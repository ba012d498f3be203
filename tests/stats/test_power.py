"""Simulated power: the law it draws from, drawing on, and what it promises against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.drawn import Drawn
from pathshift.stats.kernel import kernel_of
from pathshift.stats.passk import FloatArray
from pathshift.stats.power import Pilot, Simulation, decides, drawn_on
from pathshift.stats.stopping import StoppingRule

HOW = Simulation(runs=60, replicates=400)


def counted(rng: np.random.Generator, rates: FloatArray, n: int) -> Drawn:
    return Drawn.plain(np.column_stack([np.full(len(rates), n), rng.binomial(n, rates)]))


def test_the_law_has_the_moments_it_was_drawn_with() -> None:
    """Means, second moments and the product of both rates; from plain and from stopped counts."""
    rng = np.random.default_rng(0)
    p, q = law(rng, 2000)
    rule = StoppingRule(pilot=8, successes=4, cap=32)
    plain = counted(rng, p, 16), counted(rng, q, 16)
    stopped = (drawn_on(counted(rng, rates, 8), rates, rule, rng) for rates in (p, q))
    for base, tuned in (plain, tuple(stopped)):
        kernel = kernel_of(base, tuned)
        share = kernel.shares(np.ones(2000))
        x, y = kernel.rates.T
        assert share.sum() == pytest.approx(1)
        for ours, truth in (
            (x, p), (y, q), (x**2, p**2), (x * y, p * q), ((1 - x) ** 8, (1 - p) ** 8),
        ):  # fmt: skip
            assert share @ ours == pytest.approx(truth.mean(), abs=0.01)
        assert share @ (y - x) ** 2 == pytest.approx(((q - p) ** 2).mean(), abs=0.01)


def test_each_problem_keeps_near_its_own_counts() -> None:
    rng = np.random.default_rng(2)
    base, tuned = (Drawn.plain(np.array([[64, 0]] * 50 + [[64, c]] * 50)) for c in (60, 32))
    kernel = kernel_of(base, tuned)
    rates = np.mean([kernel.draw_each(kernel.shares(np.ones(100)), rng) for _ in range(50)], axis=0)
    assert rates[:50].max() < 0.05
    assert rates[50:].mean(axis=0) == pytest.approx((60 / 64, 0.5), abs=0.04)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5])
def test_drawing_on_ends_where_drawing_in_one_go_would(p: float) -> None:
    """The estimate by path counting stays unbiased, and the ends have the chances they must."""
    rng, rule = np.random.default_rng(1), StoppingRule(pilot=8, successes=3, cap=40)
    rates = np.full(40_000, p)
    ended = drawn_on(counted(rng, rates, 8), rates, rule, rng)
    miss = ended.misses(40)
    error = miss.std(axis=0) / 200
    assert (np.abs(miss.mean(axis=0) - (1 - p) ** np.arange(1, 41)) < 4.5 * error + 1e-3).all()
    assert (ended.c >= 3).mean() == pytest.approx(1 - _at_most_two(40, p), abs=0.01)


def _at_most_two(n: int, p: float) -> float:
    return float(sum(_binomial(n, c) * p**c * (1 - p) ** (n - c) for c in range(3)))


def _binomial(n: int, c: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(c)]))


def law(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
    """Hard problems, and a tuned model that finds them more often."""
    base = rng.beta(0.4, 1.2, problems)
    return base, base**0.75


def test_the_power_promised_is_the_power_there_is() -> None:
    """Mean over pilots against experiments drawn from the law itself."""
    promised = []
    for seed in range(8):
        rng = np.random.default_rng([7, seed])
        base, tuned = law(rng, 120)
        pilot = Pilot(counted(rng, base, 8), counted(rng, tuned, 8))
        promised.append(pilot.power_of_problems(60, 16, HOW))
    had = 0
    for run in range(200):
        rng = np.random.default_rng([8, run])
        base, tuned = law(rng, 60)
        had += decides(counted(rng, base, 16), counted(rng, tuned, 16), HOW, rng)
    assert 0.3 < had / 200 < 0.95
    assert np.mean(promised) == pytest.approx(had / 200, abs=0.12)


def test_nothing_to_find_is_seldom_found() -> None:
    rng = np.random.default_rng(3)
    rates = rng.beta(0.4, 1.2, 80)
    side = counted(rng, rates, 16)
    pilot = Pilot(side, side)
    assert pilot.power_of_problems(80, 16, HOW) <= 0.1
    assert pilot.power_of_samples(StoppingRule(pilot=16, successes=4, cap=64), HOW).power <= 0.1


def test_more_problems_and_more_samples_help() -> None:
    rng = np.random.default_rng(5)
    base, tuned = law(rng, 60)
    pilot = Pilot(counted(rng, base, 8), counted(rng, tuned, 8))
    assert pilot.power_of_problems(240, 8, HOW) > pilot.power_of_problems(30, 8, HOW) + 0.2
    small, large = (
        pilot.power_of_samples(StoppingRule(pilot=8, successes=4, cap=cap), HOW) for cap in (16, 64)
    )
    assert 0 < small.samples < large.samples < 2 * 60 * 56


def test_problems_lost_for_good_stay_lost_in_the_simulation() -> None:
    """Five of 15 within the base's reach (.01) and out of the tuned model's, five beyond both."""
    base = np.repeat([0.01, 0.5, 0.0], 5)
    tuned = np.repeat([0.0, 0.5, 0.0], 5)
    rule, promised, had = StoppingRule(pilot=512, successes=4, cap=4096), [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        sides = counted(rng, base, 512), counted(rng, tuned, 512)
        promised.append(Pilot(*sides).power_of_samples(rule, HOW).power)
        for _ in range(20):
            ends = [drawn_on(s, p, rule, rng) for s, p in zip(sides, (base, tuned), strict=True)]
            had.append(decides(ends[0], ends[1], HOW, rng))
    assert np.mean(promised) == pytest.approx(np.mean(had), abs=0.2)
