"""What would decide, at either end of k: by hand, and against the rules of its parts."""

from __future__ import annotations

from typing import Any

import pytest

from pathshift.analysis.comparison import compare
from pathshift.analysis.deciding import noise_share_of
from pathshift.analysis.pairing import pair_up
from pathshift.analysis.result import Comparison
from pathshift.records import CountTable, ProblemCount

DRAWING = {"samples": 160, "tokens": 1600, "seconds": 16.0}
BASE, TUNED = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8], [1, 1, 3, 3, 5, 4, 7, 8, 8, 8]


def table(c: list[int], n: int = 8, cluster: str | None = None, **settings: Any) -> CountTable:
    counts = tuple(
        ProblemCount(id=str(i), n=n, c=x, failed=0, n_tokens=10 * n, cluster=cluster)
        for i, x in enumerate(c)
    )
    return CountTable(name="run", counts=counts, settings={"drawing": DRAWING, **settings})


@pytest.fixture(scope="module")
def undecided() -> Comparison:
    return compare(table(BASE), table(TUNED), replicates=400)


def test_both_ends_are_planned_from_their_own_difference(undecided: Comparison) -> None:
    assert [at.k for at in undecided.decide_at] == [1, 8]
    for at, i in zip(undecided.decide_at, (0, -1), strict=True):
        half_width = (undecided.high[i] - undecided.low[i]) / 2
        # 1 + .8416 / 1.9600 half widths are seen four times in five.
        expected = 10 * (1.4294 * half_width / undecided.difference[i]) ** 2
        assert at.problems == pytest.approx(expected, rel=0.01, abs=1)
    assert undecided.would_decide is not None
    fewest = min(at.problems for at in undecided.decide_at if at.problems is not None)
    assert undecided.would_decide.problems <= fewest


def test_costs_are_at_the_length_and_pace_of_the_runs(undecided: Comparison) -> None:
    for at in undecided.decide_at:
        assert at.problems is not None
        assert at.problems_cost is not None
        assert at.problems_cost.samples == at.problems * 16
        assert at.problems_cost.tokens == at.problems * 160
        assert at.problems_cost.minutes == pytest.approx(at.problems * 160 / 100 / 60)
    need = undecided.would_decide
    assert need is not None
    assert (need.tokens, need.samples) == (need.problems * 160, need.problems * 16)
    assert need.minutes == pytest.approx(need.problems * 160 / 100 / 60)


def test_a_decided_comparison_plans_nothing() -> None:
    found = compare([(8, 2)] * 40, [(8, 7)] * 40, replicates=400)
    assert found.verdict.word == "gain"
    assert (found.decide_at, found.would_decide) == ([], None)


def test_equal_models_have_no_number() -> None:
    found = compare([(8, i % 9) for i in range(10)], [(8, i % 9) for i in range(10)])
    assert [(at.problems, at.problems_cost, at.n) for at in found.decide_at] == [(None,) * 3] * 2


def test_noise_is_set_against_the_spread_of_the_differences() -> None:
    """p(1-p)/(n-1) is .25 for both bases and 0 for tuned; differences .5 and -.5 have spread .5."""
    pair = pair_up(table([1, 1], n=2), table([2, 0], n=2))
    assert noise_share_of(pair) == pytest.approx(0.5)


def test_the_noise_of_both_models_counts() -> None:
    """1/12 and 0 for the bases, 1/16 and 0 for the tuned; differences -1/4 and 1."""
    pair = pair_up(table([2, 0], n=4), table([1, 4], n=4))
    assert noise_share_of(pair) == pytest.approx((1 / 12 + 1 / 16) / 2 / (2 * 0.625**2))


def test_more_samples_help_only_where_noise_is_what_hides_the_difference() -> None:
    """The same problems at both ends: p = .5 against .6 on every one, all spread is noise."""
    base, tuned = [4, 6, 5, 3, 5, 7, 5, 4, 6, 5], [7, 5, 6, 6, 7, 5, 5, 6, 7, 6]
    found = compare(table(base, n=10), table(tuned, n=10), replicates=400)
    first, last = found.decide_at
    assert first.n_known
    assert first.n is not None
    assert first.n > 10
    assert first.n_cost is not None
    assert first.n_cost.samples == 2 * 10 * (first.n - 10)
    assert (last.n, last.n_known) == (None, False)


def test_for_these_problems_all_of_the_band_is_noise() -> None:
    found = compare(table(BASE), table(TUNED), question="these", replicates=400)
    first = found.decide_at[0]
    assert first.problems is not None
    assert first.n == pytest.approx(8 * first.problems / 10, abs=2)


@pytest.mark.parametrize(
    ("base", "tuned"),
    [
        (table([1, 1], n=1), table([1, 0], n=1)),
        (table([1, 1], n=4), table([2, 0], n=2)),
        (table([1, 1], cluster="a"), table([2, 0], cluster="a")),
        (table([1, 1]), table([2, 0], stopping={"pilot": 8, "successes": 1, "cap": 8})),
    ],
    ids=["one sample", "unequal n", "clusters", "stopped"],
)
def test_more_samples_are_not_planned_where_that_is_no_plain_thing(
    base: CountTable, tuned: CountTable
) -> None:
    assert noise_share_of(pair_up(base, tuned)) is None
