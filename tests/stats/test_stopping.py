"""Stopped sampling against every path there is, path counting, and exact fractions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.passk import miss_table
from pathshift.stats.stopping import StoppingRule, free_paths, miss_of_stopped

Path = tuple[bool, ...]


@st.composite
def rules(draw: st.DrawFn, largest: int = 10) -> StoppingRule:
    cap = draw(st.integers(1, largest))
    return StoppingRule(
        pilot=draw(st.integers(1, cap)), successes=draw(st.integers(1, cap)), cap=cap
    )


def paths_of(rule: StoppingRule) -> Iterator[Path]:
    """Every sequence of outcomes that the rule ends, each once."""
    waiting: list[Path] = [()]
    while waiting:
        path = waiting.pop()
        if path and rule.stop_at(sum(path), len(path)):
            yield path
        else:
            waiting += [(*path, True), (*path, False)]


def points_of(rule: StoppingRule) -> dict[tuple[int, int], int]:
    """Number of paths to each stopping point (n, c), counted step by step."""
    reached, ended = Counter({(0, 0): 1}), Counter[tuple[int, int]]()
    while reached:
        ahead = Counter[tuple[int, int]]()
        for (n, c), paths in reached.items():
            if n and rule.stop_at(c, n):
                ended[n, c] += paths
            else:
                ahead[n + 1, c] += paths
                ahead[n + 1, c + 1] += paths
        reached = ahead
    return dict(ended)


def misses(n: int, c: int, rule: StoppingRule, k_max: int | None = None) -> list[float]:
    table = miss_of_stopped(np.array([n]), np.array([c]), rule, k_max or rule.cap)
    return [float(value) for value in table[0]]


@given(rules(), st.floats(0, 1))
def test_unbiased_at_every_k_summed_over_every_path(rule: StoppingRule, p: float) -> None:
    expected = np.zeros(rule.cap)
    for path in paths_of(rule):
        chance = p ** sum(path) * (1 - p) ** (len(path) - sum(path))
        expected += chance * np.array(misses(len(path), sum(path), rule))
    assert expected == pytest.approx((1 - p) ** np.arange(1, rule.cap + 1), abs=1e-12)


@given(rules())
def test_is_the_share_of_paths_that_begin_with_k_misses(rule: StoppingRule) -> None:
    """The ratio of Girshick, Mosteller and Savage, with the paths written out."""
    to: Counter[tuple[int, int]] = Counter()
    with_misses: Counter[tuple[int, int, int]] = Counter()
    for path in paths_of(rule):
        point = len(path), sum(path)
        to[point] += 1
        for k in range(1, rule.cap + 1):
            with_misses[(*point, k)] += len(path) >= k and not any(path[:k])
    assert to == points_of(rule)
    for (n, c), paths in to.items():
        ratio = [with_misses[n, c, k] / paths for k in range(1, rule.cap + 1)]
        assert misses(n, c, rule) == pytest.approx(ratio, abs=1e-12)


def counted(rule: StoppingRule, k: int) -> dict[tuple[int, int], int]:
    """Paths to each stopping point that begin with k misses, by dynamic programming."""
    reached, ended = Counter({(k, 0): 1}), Counter[tuple[int, int]]()
    while reached:
        ahead = Counter[tuple[int, int]]()
        for (n, c), paths in reached.items():
            if rule.stop_at(c, n):
                ended[n, c] += paths
            else:
                ahead[n + 1, c] += paths
                ahead[n + 1, c + 1] += paths
        reached = ahead
    return dict(ended)


@pytest.mark.parametrize(
    "rule",
    [
        StoppingRule(pilot=1, successes=2, cap=60),
        StoppingRule(pilot=8, successes=4, cap=60),
        StoppingRule(pilot=16, successes=2, cap=60),
        StoppingRule(pilot=20, successes=25, cap=60),
    ],
)
def test_equals_path_counts_by_dynamic_programming(rule: StoppingRule) -> None:
    all_paths = points_of(rule)
    for k in (1, 2, 7, 8, 9, 31, 60):
        with_misses = counted(rule, k)
        for (n, c), paths in all_paths.items():
            exact = with_misses.get((n, c), 0) / paths
            assert misses(n, c, rule)[k - 1] == pytest.approx(exact, abs=1e-12)


@given(st.integers(1, 1024), st.data())
def test_equals_exact_fractions_up_to_a_cap_of_1024(cap: int, data: st.DataObject) -> None:
    pilot, r = data.draw(st.integers(1, cap)), data.draw(st.integers(1, cap))
    rule = StoppingRule(pilot=pilot, successes=r, cap=cap)
    k = data.draw(st.integers(1, cap))
    at_cap = data.draw(st.integers(0, min(r - 1, cap)))
    assert near(
        misses(cap, at_cap, rule)[k - 1], Fraction(comb(cap - k, at_cap), comb(cap, at_cap))
    )
    if max(pilot + 1, r) <= cap:
        n = data.draw(st.integers(max(pilot + 1, r), cap))
        exact = Fraction(comb(n - 1 - k, r - 1) if n > k else 0, comb(n - 1, r - 1))
        assert near(misses(n, r, rule)[k - 1], exact)
    if r <= pilot:
        c = data.draw(st.integers(r, pilot))
        exact = Fraction(comb(pilot - k, c) if pilot >= k else 0, comb(pilot, c))
        assert near(misses(pilot, c, rule)[k - 1], exact)


def near(value: float, exact: Fraction) -> bool:
    return abs(Fraction(value) - exact) < Fraction(1, 10**12)


@given(st.integers(1, 40), st.data())
def test_equals_the_plain_estimate_where_no_path_ends_early(cap: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, cap))
    plain = miss_table(np.array([cap]), np.array([c]), cap)[0]
    whole_pilot = StoppingRule(pilot=cap, successes=1, cap=cap)
    assert misses(cap, c, whole_pilot) == pytest.approx(plain, abs=1e-15)
    if c < cap:
        out_of_reach = StoppingRule(pilot=1, successes=cap, cap=cap)
        assert misses(cap, c, out_of_reach) == pytest.approx(plain, abs=1e-15)


@pytest.mark.parametrize(
    ("n", "c"), [(8, 1), (9, 3), (7, 2), (12, 1), (17, 2), (16, 3), (16, -1), (8, 9), (0, 0)]
)
def test_counts_that_the_rule_cannot_leave_are_an_error(n: int, c: int) -> None:
    rule = StoppingRule(pilot=8, successes=2, cap=16)
    assert (n, c) not in points_of(rule)
    with pytest.raises(ValueError, match=rf"problem 1 with c={c}, n={n} does not stand where"):
        miss_of_stopped(np.array([8, n]), np.array([2, c]), rule, 4)


@given(rules())
def test_all_and_only_stopping_points_are_taken(rule: StoppingRule) -> None:
    possible = points_of(rule)
    for n, c in product(range(rule.cap + 2), repeat=2):
        if (n, c) in possible:
            free_paths(np.array([n]), np.array([c]), rule)
        else:
            with pytest.raises(ValueError, match="does not stand"):
                free_paths(np.array([n]), np.array([c]), rule)


@pytest.mark.parametrize("k", [0, 17])
def test_k_beyond_the_cap_is_an_error(k: int) -> None:
    rule = StoppingRule(pilot=8, successes=2, cap=16)
    with pytest.raises(ValueError, match=rf"pass@{k} needs a cap of at least {k}"):
        miss_of_stopped(np.array([8]), np.array([2]), rule, k)


@given(rules(7), st.floats(0.05, 0.95), st.data())
def test_failed_draws_only_bring_the_cap_nearer(
    rule: StoppingRule, p: float, data: st.DataObject
) -> None:
    """Unbiased for whichever draws fail, as long as failing has nothing to do with being right."""
    failing = data.draw(st.lists(st.booleans(), min_size=rule.cap, max_size=rule.cap))
    reach = rule.cap - sum(failing)
    if not reach:
        return
    expected = np.zeros(reach)
    waiting: list[tuple[Path, int]] = [((), 0)]
    while waiting:
        path, at = waiting.pop()
        if at and rule.stop_at(sum(path), len(path), at - len(path)):
            if path:
                chance = p ** sum(path) * (1 - p) ** (len(path) - sum(path))
                counts = (np.array([x]) for x in (len(path), sum(path)))
                n, c = counts
                failed = np.array([at - len(path)])
                expected += chance * miss_of_stopped(n, c, rule, reach, failed)[0]
        elif failing[at]:
            waiting.append((path, at + 1))
        else:
            waiting += [((*path, right), at + 1) for right in (True, False)]
    assert expected == pytest.approx((1 - p) ** np.arange(1, reach + 1), abs=1e-12)


@pytest.mark.parametrize(
    ("pilot", "successes", "cap", "said"),
    [
        (0, 1, 8, "pilot must be 1 to the cap 8, got 0"),
        (9, 1, 8, "pilot must be 1 to the cap 8, got 9"),
        (4, 0, 8, "successes must be 1 to the cap 8, got 0"),
        (4, 9, 8, "successes must be 1 to the cap 8, got 9"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_an_error(
    pilot: int, successes: int, cap: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        StoppingRule(pilot=pilot, successes=successes, cap=cap)


def test_a_rule_goes_through_settings_and_refuses_others() -> None:
    rule = StoppingRule(pilot=8, successes=2, cap=16)
    assert StoppingRule.from_settings(rule.as_settings()) == rule
    for wrong in (
        {"pilot": 8},
        {**rule.as_settings(), "cap": "16"},
        {**rule.as_settings(), "x": 1},
    ):
        with pytest.raises(ValueError, match="a stopping rule"):
            StoppingRule.from_settings(wrong)
