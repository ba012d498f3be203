"""Evaluation sets: fixed problems, floors as stated, and texts that the zoo's tokens cover."""

from __future__ import annotations

import pytest

from pathshift.errors import UnknownName
from pathshift.lab.zoo.corpus import prompt_of
from pathshift.lab.zoo.evaluation import BOUND, SETS, evaluation_set, floor_at
from pathshift.lab.zoo.tokens import UNKNOWN, tokenizer_for
from pathshift.lab.zoo.traces import trace
from pathshift.problems.floors import reached_in
from pathshift.records import Problem

# Drawing is slow for the last one; studies/zoo_floors.py goes through all sets in full.
FIRST = {name: 2 if name == "countdown-6" else 10 for name in SETS}


@pytest.fixture(scope="module")
def first() -> dict[str, list[Problem]]:
    return {name: found.problems(limit=FIRST[name]) for name, found in SETS.items()}


@pytest.mark.parametrize("name", ["compose-3", "compose-4", "countdown-5", "countdown-6"])
def test_guarded_sets_hold_the_bound_problem_by_problem(
    first: dict[str, list[Problem]], name: str
) -> None:
    for problem in first[name]:
        assert problem.floor is not None
        assert reached_in(problem.floor, tries=SETS[name].tries) <= BOUND


@pytest.mark.parametrize(("name", "tries"), [("compose-1", 1), ("compose-2", 64)])
def test_unguarded_sets_hold_the_bound_to_where_they_say(name: str, tries: int) -> None:
    problems = SETS[name].problems()
    assert SETS[name].tries == tries
    within, beyond = floor_at(problems, [tries, 2 * tries])
    assert within <= BOUND < beyond or (name == "compose-1" and within <= BOUND)


@pytest.mark.parametrize("name", SETS)
def test_prompts_and_solutions_have_tokens(first: dict[str, list[Problem]], name: str) -> None:
    tokenizer = tokenizer_for(SETS[name].task)
    for problem in first[name]:
        tokens = tokenizer.encode(prompt_of(problem) + trace(problem).text).tokens
        assert UNKNOWN not in tokens


def test_flags_name_the_set_to_the_command_line() -> None:
    assert SETS["compose-3"].flags == (
        "--tasks compose -T depth=3 -T definitions=none -T n=200 -T seed=20261124"
    )


def test_a_floor_at_is_the_mean_of_each_problems_own() -> None:
    problems = [Problem(id=str(p), task="t", question="", gold="", floor=p) for p in (0.5, 0.0)]
    assert floor_at(problems, [1, 2]) == [0.25, 0.375]


def test_a_problem_without_a_floor_is_refused() -> None:
    problem = Problem(id="a", task="t", question="", gold="")
    with pytest.raises(ValueError, match="1 of 1 problems have no floor"):
        floor_at([problem], [1])


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(UnknownName, match="'compose-9'; there are: compose-1, compose-2"):
        evaluation_set("compose-9")
