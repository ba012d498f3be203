"""The planned numbers of problems and samples against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.planning import problems_to_decide, samples_to_decide


def test_four_times_the_problems_decide_half_the_difference() -> None:
    width = np.array([0.1])
    full, half = (problems_to_decide(np.array([d]), width, 50) for d in (0.08, 0.04))
    assert full is not None
    assert half == pytest.approx(4 * full, abs=4)


def test_planned_number_reaches_its_power_in_simulation() -> None:
    """Normal differences with spread .5 and mean .1, planned from the truth: 80% exclude zero."""
    rng, spread, mean, pilot = np.random.default_rng(0), 0.5, 0.1, 40
    half_width = np.array([1.96 * spread / np.sqrt(pilot)])
    needed = problems_to_decide(np.array([mean]), half_width, pilot)
    assert needed is not None
    means = rng.normal(mean, spread / np.sqrt(needed), 4000)
    excluded = np.abs(means) > 1.96 * spread / np.sqrt(needed)
    assert excluded.mean() == pytest.approx(0.8, abs=0.02)


def test_no_difference_at_any_k_is_never_decided() -> None:
    assert problems_to_decide(np.zeros(3), np.ones(3), 30) is None


def test_planned_samples_reach_their_power_in_simulation() -> None:
    """Problems differ by N(.1, .3), each is measured with noise of spread 1 over root n."""
    rng, spread, mean, size, n = np.random.default_rng(0), 0.3, 0.1, 150, 4
    total = spread**2 + 1 / n
    needed = samples_to_decide(mean, 1.96 * np.sqrt(total / size), n, 1 / n / total)
    assert needed is not None
    assert needed > n
    problems = rng.normal(mean, spread, (2000, size))
    seen = (problems + rng.normal(0, 1 / np.sqrt(needed), problems.shape)).mean(axis=1)
    excluded = np.abs(seen) > 1.96 * np.sqrt((spread**2 + 1 / needed) / size)
    assert excluded.mean() == pytest.approx(0.8, abs=0.03)


def test_planned_samples_are_the_fewest_at_which_the_band_is_narrow_enough() -> None:
    needed, noise, width = samples_to_decide(0.06, 0.1, 16, 0.9), 0.9, 0.1
    assert needed is not None

    def half_widths_filled(n: int) -> float:
        return float(0.06 / (width * np.sqrt(1 - noise + noise * 16 / n)))

    # 1 + .8416 / 1.9600 half widths are seen four times in five.
    assert half_widths_filled(needed) >= 1.42941 > half_widths_filled(needed - 1)


def test_no_number_of_samples_helps_where_problems_alone_hide_the_difference() -> None:
    assert samples_to_decide(0.1, 0.2, 16, 0.0) is None
    assert samples_to_decide(0.0, 0.2, 16, 1.0) is None
    # All noise: samples and problems are worth the same.
    problems = problems_to_decide(np.array([0.1]), np.array([0.2]), 1000)
    assert samples_to_decide(0.1, 0.2, 1000, 1.0) == problems
