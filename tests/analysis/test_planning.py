"""What would decide, in samples, tokens and minutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.commands import pathshift

from pathshift.analysis.pairing import pair_up
from pathshift.analysis.planning import DecisionPlan, PlanSettings, plan, smallest
from pathshift.errors import ConfigError
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.power import Simulation

QUICK = Simulation(runs=40, replicates=300)


def table(seed: int, power: float, n: int = 8, problems: int = 40, **settings: Any) -> CountTable:
    rates = np.random.default_rng(0).beta(0.4, 1.0, problems) ** power
    rng = np.random.default_rng(seed)
    counts = tuple(
        ProblemCount(id=str(i), n=n, c=int(rng.binomial(n, p)), n_tokens=10 * n)
        for i, p in enumerate(rates)
    )
    return CountTable(name=str(seed), counts=counts, settings=settings)


def planned(base: CountTable, tuned: CountTable, **changes: Any) -> DecisionPlan:
    return plan(pair_up(base, tuned), PlanSettings(simulation=QUICK, **changes))


def test_a_pilot_says_how_many_problems_and_what_they_cost() -> None:
    drawing = {"samples": 640, "tokens": 6000, "seconds": 60.0}
    found = planned(table(1, 1.0, drawing=drawing), table(2, 0.7, drawing=drawing))
    more = found.more_problems
    assert more is not None
    assert more.power >= 0.8
    assert more.n == 8
    assert more.cost.samples == 2 * 8 * more.problems
    assert more.cost.tokens == 10 * more.cost.samples
    assert more.cost.minutes == pytest.approx(more.cost.tokens / 100 / 60)
    assert found.now < 0.8
    assert {"problems": more.problems, "n": 8, "power": more.power} in found.tried
    smaller = [t for t in found.tried if t.get("problems", 10**9) < more.problems / 1.2]
    assert all(t["power"] < 0.85 for t in smaller)


def test_equal_counts_are_never_decided() -> None:
    side = table(1, 1.0, n=4, problems=15)
    found = planned(side, side, n=4)
    assert found.more_problems is None
    assert found.more_samples is None
    assert found.to_dict()["more_problems"] is None


def test_open_problems_are_counted_and_their_samples_stop_by_themselves() -> None:
    base, tuned = table(1, 1.0, n=16), table(2, 0.45, n=16)
    found = planned(base, tuned, power=0.7, successes=2)
    more = found.more_samples
    assert more is not None
    pairs = zip(base.counts, tuned.counts, strict=True)
    assert more.problems == sum(b.c < 2 or t.c < 2 for b, t in pairs)
    assert more.n > 16
    assert more.cost.samples < 2 * more.problems * (more.n - 16)
    assert more.cost.minutes is None
    assert any("no minutes" in note for note in found.notes)


def test_unequal_pilots_are_not_planned_with_more_samples() -> None:
    base = table(1, 1.0)
    ragged = replace(base, counts=(replace(base.counts[0], n=16), *base.counts[1:]))
    found = planned(ragged, table(2, 0.7))
    assert found.more_samples is None
    assert any("differ in n or rule" in note for note in found.notes)


def test_a_pilot_too_small_to_tell_is_said_to_be() -> None:
    """From one problem all others look like it, and few of them seem to decide."""
    quick = Simulation(runs=20, replicates=100)
    one, two = (
        plan(pair_up(table(1, 1.0, n, q), table(2, 0.7, n, q)), PlanSettings(simulation=quick))
        for n, q in ((4, 1), (1, 12))
    )
    assert any("1 problems hardly tell" in note for note in one.notes)
    assert any("one sample does not tell" in note for note in two.notes)
    assert not any("hardly tell" in note for note in two.notes)


@pytest.mark.parametrize("true", [10, 11, 25, 300, 640])
def test_the_smallest_number_is_found(true: int) -> None:
    found = smallest(lambda q: float(q >= true), 10, 64, 0.8)
    assert found is not None
    assert true <= found <= 1.11 * true + 1
    assert smallest(lambda q: float(q >= 641), 10, 64, 0.8) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"power": 1.0}, "power"),
        ({"n": 0}, "n must"),
        ({"successes": 0}, "successes"),
        ({"simulation": Simulation(level=2.0)}, "level must be"),
        ({"simulation": Simulation(level=0.0)}, "level must be"),
        ({"simulation": Simulation(level=float("nan"))}, "level must be"),
    ],
)
def test_bad_settings_name_value_and_rule(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PlanSettings(**change)


def test_the_command_plans_from_two_runs(tmp_path: Path) -> None:
    for name in ("base", "grown"):
        done = pathshift(
            "sample", "--model", f"fake:{name}", "--tasks", "arithmetic", "--n", 8,
            "--limit", 12, "--out", tmp_path / name, "-q",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = pathshift("plan", tmp_path / "base", tmp_path / "grown", "--runs", 20, "--n", 8)
    assert done.returncode == 0, done.stderr
    assert "12 problems: the same again would decide in" in done.stdout
    assert "minutes)" in done.stdout
