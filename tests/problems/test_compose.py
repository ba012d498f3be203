"""Compositions: the gold, the exact floor and the bound on blind choice."""

from __future__ import annotations

import re
from itertools import product

import pytest

from pathshift.errors import ConfigError
from pathshift.problems.compose import Options, blind_choice, floor, load
from pathshift.problems.compose_functions import FUNCTIONS
from pathshift.problems.families import load_problems
from pathshift.problems.floors import reached_in
from pathshift.records import Problem


def problems(*, depth: int, n: int = 30, definitions: str = "used") -> list[Problem]:
    return load(Options(depth=(depth,), n=n, definitions=definitions, seed=1), limit=None)


def listed_share(word: str, gold: str, depth: int) -> float:
    """Share of all sequences of functions that lead from `word` to `gold`, one by one."""
    n_hits = 0
    for chain in product(FUNCTIONS.values(), repeat=depth):
        text = word
        for function in chain:
            text = function.apply(text)
        n_hits += text == gold
    return n_hits / float(len(FUNCTIONS) ** depth)


@pytest.mark.parametrize(("depth", "n"), [(1, 20), (2, 12), (3, 4)])
def test_blind_choice_equals_the_list_of_every_sequence(depth: int, n: int) -> None:
    for problem in problems(depth=depth, n=n):
        word, gold = problem.data["input"], problem.gold
        assert blind_choice(word, gold, depth=depth) == listed_share(word, gold, depth)


def test_floor_of_a_mere_rearrangement_is_at_least_a_shuffle() -> None:
    assert floor("abcdefgh", "bacdefgh", depth=5) >= 1 / 40320


@pytest.mark.parametrize(("depth", "n"), [(3, 60), (4, 30), (5, 3)])
def test_blind_policies_stay_below_five_percent_in_1024_tries(depth: int, n: int) -> None:
    chances = [problem.floor or 1.0 for problem in problems(depth=depth, n=n)]
    assert max(reached_in(chance, tries=1024) for chance in chances) < 0.05
    assert min(chances) >= 40.0**-depth


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_gold_is_the_composition_read_from_the_question(depth: int) -> None:
    for problem in problems(depth=depth):
        call = re.search(r'What is ([f0-9(]+)"([a-z]+)"(\)+)\?$', problem.question)
        assert call is not None
        text = call[2]
        for name in reversed(call[1].rstrip("(").split("(")):
            text = FUNCTIONS[name].apply(text)
        assert problem.gold == text != call[2]
        assert len(call[3]) == depth
        assert 8 <= len(set(call[2])) == len(call[2]) <= 10


def test_data_names_the_functions_in_the_order_of_application() -> None:
    for problem in problems(depth=3):
        text = problem.data["input"]
        for name in problem.data["functions"]:
            text = FUNCTIONS[name].apply(text)
        assert text == problem.gold


def test_neighbours_in_a_chain_never_commute() -> None:
    for problem in problems(depth=2):
        first, second = (FUNCTIONS[name] for name in problem.data["functions"])
        assert first.apply(second.apply(problem.data["input"])) != problem.gold


@pytest.mark.parametrize(("definitions", "n_lines"), [("all", 40), ("none", 0)])
def test_the_question_holds_the_definitions_asked_for(definitions: str, n_lines: int) -> None:
    for problem in problems(depth=3, n=3, definitions=definitions):
        assert len(re.findall(r"^f\d\d\(s\): ", problem.question, re.MULTILINE)) == n_lines


def test_by_default_each_function_used_is_defined_once() -> None:
    for problem in problems(depth=3):
        defined = re.findall(r"^(f\d\d)\(s\): ", problem.question, re.MULTILINE)
        assert defined == sorted(set(problem.data["functions"]))


@pytest.mark.parametrize(
    "bad", [{"depth": (0,)}, {"depth": (2, 6)}, {"depth": ()}, {"definitions": "some"}, {"n": 0}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Options(**bad)  # type: ignore[arg-type]


def test_a_mixture_of_depths_holds_the_problems_of_each_depth_in_turn() -> None:
    two, three = (problems(depth=depth, n=6) for depth in (2, 3))
    mixed = load(Options(depth=(2, 3), n=6, seed=1), limit=None)
    assert mixed == [two[0], three[1], two[2], three[3], two[4], three[5]]


def test_depths_are_given_as_text_with_commas() -> None:
    options = {"depth": "2,3", "n": "4", "definitions": "none"}
    depths = [problem.data["depth"] for problem in load_problems("compose", options)]
    assert depths == [2, 3, 2, 3]
