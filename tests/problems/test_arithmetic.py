"""Arithmetic: right answers, distinct questions, the floor as a share of possible results."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathshift.errors import ConfigError
from pathshift.problems.arithmetic import OPERATIONS, Options, load


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_gold_is_the_value_of_the_expression(digits: int, seed: int) -> None:
    for problem in load(Options(n=20, digits=digits, seed=seed), limit=None):
        left, sign, right = problem.data["expression"].split()
        expected = {"+": int(left) + int(right), "-": int(left) - int(right)}
        assert int(problem.gold) == expected.get(sign, int(left) * int(right))
        assert len(left) == len(right) == digits
        assert problem.question == f"What is {problem.data['expression']}?"


@pytest.mark.parametrize("sign", OPERATIONS)
def test_floor_is_one_over_the_range_of_all_results(sign: str) -> None:
    results = [OPERATIONS[sign](a, b) for a, b in product(range(10, 100), repeat=2)]
    n_values = max(results) - min(results) + 1
    for problem in load(Options(n=50, ops=(sign,)), limit=None):
        assert problem.floor == 1 / n_values


def test_every_possible_exercise_is_drawn_once_if_all_are_asked_for() -> None:
    problems = load(Options(n=243, digits=1), limit=None)
    assert len({problem.question for problem in problems}) == 243 == 3 * 9 * 9


@pytest.mark.parametrize(
    "bad", [{"n": 244, "digits": 1}, {"ops": ("/",)}, {"ops": ()}, {"digits": 0}, {"digits": 13}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"digits|ops"):
        Options(**bad)  # type: ignore[arg-type]
