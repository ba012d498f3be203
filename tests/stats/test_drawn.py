"""Counts with the way they were drawn: variance, cutting and pairing under a stopping rule."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.cells import lost_between_halves, lost_to_itself
from pathshift.stats.drawn import Drawn, paired_misses
from pathshift.stats.passk import IntArray, paired_table
from pathshift.stats.stopping import StoppingRule


@st.composite
def rules(draw: st.DrawFn) -> StoppingRule:
    cap = draw(st.integers(2, 14))
    return StoppingRule(
        pilot=draw(st.integers(1, cap)), successes=draw(st.integers(1, cap)), cap=cap
    )


def ends(rule: StoppingRule) -> tuple[Drawn, IntArray]:
    """Every stopping point, and the number of paths to it by its closed form."""
    rows, paths = [], []
    for n in range(rule.pilot, rule.cap + 1):
        for c in range(n + 1):
            by_success = n > rule.pilot and c == rule.successes
            at_end = (n == rule.pilot and c >= rule.successes) or (
                n == rule.cap and (c < rule.successes or n == rule.pilot)
            )
            if by_success or at_end:
                rows.append((n, c, 0))
                paths.append(comb(n - 1, c - 1) if by_success else comb(n, c))
    counts = np.array(rows)
    drawn = Drawn(n=counts[:, 0], c=counts[:, 1], failed=counts[:, 2], rule=rule)
    return drawn, np.array(paths)


@given(rules(), st.floats(0.01, 0.99))
def test_the_variance_of_a_stopped_estimate_is_unbiased(rule: StoppingRule, p: float) -> None:
    drawn, paths = ends(rule)
    chance = paths * p**drawn.c * (1 - p) ** (drawn.n - drawn.c)
    assert chance.sum() == pytest.approx(1)
    miss, known = drawn.misses(rule.cap), rule.cap // 2
    truth = chance @ miss**2 - (chance @ miss) ** 2
    variances = drawn.variances(rule.cap)
    assert chance @ variances[:, :known] == pytest.approx(truth[:known], abs=1e-12)
    assert np.isnan(variances[:, known:]).all()


@given(rules(), st.floats(0.01, 0.99))
def test_the_halves_null_and_the_rate_are_unbiased_under_a_rule(
    rule: StoppingRule, p: float
) -> None:
    drawn, paths = ends(rule)
    chance = paths * p**drawn.c * (1 - p) ** (drawn.n - drawn.c)
    half = rule.cap // 2
    lost = [lost_between_halves(row[None]) for row in drawn.misses(2 * half)]
    assert chance @ lost == pytest.approx((1 - p) ** half - (1 - p) ** (2 * half), abs=1e-12)
    shares = drawn.shares()
    if rule.successes > 1 or rule.pilot == rule.cap:
        assert chance @ (shares[:, 1] / shares[:, 0]) == pytest.approx(p, abs=1e-12)
    assert ((shares[:, 1] > 0) == (drawn.c > 0)).all()


def test_at_the_cap_solved_is_certain_and_below_it_the_first_draws_decide() -> None:
    rule = StoppingRule(pilot=4, successes=2, cap=16)
    counts = np.array([(16, 0), (16, 1), (9, 2), (4, 3), (16, 2)])
    drawn = Drawn(n=counts[:, 0], c=counts[:, 1], failed=0 * counts[:, 0], rule=rule)
    rng = np.random.default_rng(0)
    assert drawn.cut(16, rng).tolist() == [[16, 0], [16, 1], [16, 1], [16, 1], [16, 1]]
    solved = np.mean([drawn.cut(3, rng)[:, 1] for _ in range(4000)], axis=0)
    assert solved == pytest.approx(1 - drawn.misses(3)[:, 2], abs=0.04)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=30), st.data())
def test_plain_counts_give_what_they_gave(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    base, tuned = (np.array([(6, row[i]) for row in rows]) for i in (0, 1))
    k = np.array(sorted(data.draw(st.sets(st.integers(1, 6), min_size=1))))
    ours, theirs = (
        paired_misses(Drawn.plain(base), Drawn.plain(tuned), k),
        paired_table(base, tuned, k),
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine == other).all()
    assert Drawn.plain(base).curve(6) == pytest.approx(1 - Drawn.plain(base).misses(6).mean(axis=0))
    assert lost_between_halves(Drawn.plain(base).misses(6)) == lost_to_itself(base, 3)


def test_equal_stopping_points_share_a_row() -> None:
    rule = StoppingRule(pilot=4, successes=2, cap=16)
    side = Drawn(n=np.full(900, 4), c=np.full(900, 2), failed=np.zeros(900, dtype=int), rule=rule)
    table = paired_misses(side, Drawn.plain(np.tile([20, 3], (900, 1))), np.arange(1, 17))
    assert table.base.shape == (1, 16)
    assert table.n_problems == 900


def test_the_reach_is_the_cap_less_what_failed() -> None:
    rule = StoppingRule(pilot=2, successes=2, cap=8)
    drawn = Drawn(n=np.array([6, 2]), c=np.array([0, 2]), failed=np.array([2, 0]), rule=rule)
    assert drawn.reach.tolist() == [6, 8]
    assert drawn.misses(6).tolist() == [[1.0] * 6, [0.0] * 6]
    with pytest.raises(ValueError, match=r"pass@7 needs a cap of at least 7 judged draws, it is 6"):
        drawn.misses(7)
