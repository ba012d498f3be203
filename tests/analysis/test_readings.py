"""Readings beside pass@k against what the counts say by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.analysis.readings import Readings, ladder, readings
from pathshift.errors import ConfigError
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.drawn import Drawn
from pathshift.stats.passk import pass_at_k
from pathshift.stats.power import drawn_on
from pathshift.stats.stopping import StoppingRule


def table(c: list[int], *, n: int = 16, floor: float | None = 0.001) -> CountTable:
    counts = tuple(
        ProblemCount(id=f"p{i}", n=n, c=x, failed=0, floor=floor) for i, x in enumerate(c)
    )
    return CountTable(name="run", counts=counts)


def read(
    c: list[int], *, n: int = 16, floor: float | None = 0.001, f: float | None = None
) -> Readings:
    found = readings(table(c, n=n, floor=floor), false_positive=f)
    assert found is not None
    return found


def test_curves_are_those_of_the_counts() -> None:
    c = [0, 1, 8, 16]
    found = read(c)
    assert [p.k for p in found.curve] == [1, 2, 4, 8, 16]
    for point in found.curve:
        assert point.value == pytest.approx(np.mean([pass_at_k(16, x, point.k) for x in c]))
        assert point.floor == pytest.approx(1 - 0.999**point.k)
        assert (point.corrected, point.no_ability) == (None, None)
    assert found.curve[-1].g_pass == pytest.approx(0.5)
    assert found.cover is not None
    assert {p.tau: p.share for p in found.cover} == {0.01: 0.75, 0.1: 0.5, 0.5: 0.5, 0.9: 0.25}


def test_on_no_ability_data_nothing_is_solved_beyond_the_floor() -> None:
    """Uniform answers 0..999: pass@1024 says .64."""
    c = np.random.default_rng(1).binomial(1024, 0.001, 300)
    found = read(c.tolist(), n=1024)
    assert found.curve[-1].value == pytest.approx(0.64, abs=0.08)
    assert found.beyond is not None
    assert found.beyond.any_success == (c > 0).sum()
    assert found.beyond.solved <= 0.05 * 300
    assert found.beyond.by_chance == pytest.approx(300 * 0.641, rel=0.01)


def test_a_false_positive_rate_explains_what_it_would_bring() -> None:
    """Without ability or floor, a verifier that slips once in a thousand: the same data again."""
    c = np.random.default_rng(2).binomial(1024, 0.001, 300)
    without, slipping = (
        read(c.tolist(), n=1024, floor=0.0),
        read(c.tolist(), n=1024, floor=0.0, f=0.001),
    )
    assert without.beyond is not None
    assert slipping.beyond is not None
    assert without.beyond.solved == (c > 0).sum()
    assert slipping.beyond.solved <= 15
    last = slipping.curve[-1]
    assert last.no_ability == pytest.approx(0.641, abs=0.001)
    assert last.corrected == pytest.approx(0, abs=0.25)


def test_without_a_floor_nothing_is_said_of_what_is_beyond_it() -> None:
    found = read([1, 2], floor=None, f=0.1)
    assert found.beyond is None
    assert found.curve[0].floor is None
    assert found.curve[0].no_ability == pytest.approx(0.1)


def test_a_run_that_a_rule_stopped_has_no_g_pass_and_no_cover() -> None:
    counts = (
        ProblemCount(id="a", n=16, c=2, failed=0, floor=0.01),
        ProblemCount(id="b", n=32, c=0, failed=0, floor=0.01),
    )
    stopping = {"pilot": 16, "successes": 2, "cap": 32}
    found = readings(CountTable(name="run", counts=counts, settings={"stopping": stopping}))
    assert found is not None
    assert found.curve[0].g_pass is None
    assert (found.cover, found.mg_pass) == (None, None)
    assert found.beyond is not None


def test_what_guessing_brings_under_a_rule_is_what_it_brings_up_to_the_cap() -> None:
    """Guesses at .02 that stop at the first hit, simulated: they solve 1 - .98^64 in the end."""
    rule, rng = StoppingRule(pilot=4, successes=1, cap=64), np.random.default_rng(1)
    drawing = Drawn.plain(np.column_stack([np.full(2000, 4), rng.binomial(4, 0.02, 2000)]))
    side = drawn_on(drawing, np.full(2000, 0.02), rule, rng)
    counts = tuple(
        ProblemCount(id=str(i), n=int(n), c=int(c), failed=0, floor=0.02)
        for i, (n, c) in enumerate(side.counts)
    )
    stopping = {"stopping": rule.as_settings()}
    found = readings(CountTable(name="run", counts=counts, settings=stopping))
    assert found is not None
    assert found.beyond is not None
    assert found.beyond.by_chance == pytest.approx(2000 * (1 - 0.98**64))
    assert found.beyond.any_success == pytest.approx(found.beyond.by_chance, rel=0.05)
    assert found.beyond.solved <= 0.05 * 2000


def test_failed_problems_are_left_out_and_none_left_is_none() -> None:
    assert readings(table([], n=4)) is None
    assert readings(table([0], n=0)) is None


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="false-positive rate"):
        readings(table([1]), false_positive=rate)


def test_the_ladder_ends_at_the_largest() -> None:
    assert ladder(1).tolist() == [1]
    assert ladder(10).tolist() == [1, 2, 4, 8, 10]
