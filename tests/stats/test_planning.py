"""The planned number of problems against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.planning import problems_to_decide


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
