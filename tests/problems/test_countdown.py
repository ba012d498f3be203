"""Countdown problems: solvable, distinct, and with the floor curve that the docs state."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from pathshift.errors import ConfigError
from pathshift.problems import load_problems
from pathshift.problems.countdown import Options, load
from pathshift.problems.expressions import Expressions
from pathshift.problems.floors import reached_in
from pathshift.problems.whole_numbers import WholeNumbers
from pathshift.records import Outcome
from pathshift.verify.countdown import grade

TRIES = (1, 4, 16, 64, 256, 1024)


def curve(floors: list[float]) -> list[float]:
    return [sum(reached_in(p, tries=k) for p in floors) / len(floors) for k in TRIES]


def whole_number_table(numbers: list[int]) -> dict[int, int]:
    """Value -> number of expressions whose steps all stay whole, by subsets."""
    tables: dict[int, dict[int, int]] = {}
    for subset in range(1, 1 << len(numbers)):
        table: dict[int, int] = defaultdict(int)
        if subset.bit_count() == 1:
            table[numbers[subset.bit_length() - 1]] = 1
        part = (subset - 1) & subset
        while part:
            for a, n_a in tables[part].items():
                for b, n_b in tables[subset ^ part].items():
                    for value in (a + b, a - b, a * b):
                        table[value] += n_a * n_b
                    if b and a % b == 0:
                        table[a // b] += n_a * n_b
            part = (part - 1) & subset
        tables[subset] = dict(table)
    return tables[(1 << len(numbers)) - 1]


def test_every_problem_is_solvable_within_its_ranges() -> None:
    options = Options(n=60, numbers=(3, 4), max_number=20, min_target=10, max_target=50, seed=3)
    problems = load(options, limit=None)
    assert {len(problem.data["numbers"]) for problem in problems} == {3, 4}
    for problem in problems:
        numbers, target = problem.data["numbers"], problem.data["target"]
        assert 10 <= target <= 50
        assert all(1 <= number <= 20 for number in numbers)
        assert problem.floor == Expressions(numbers).count(target) / Expressions(numbers).n_legal
        assert problem.floor > 0
        assert all(str(value) in problem.question for value in [*numbers, target])


def test_problems_are_distinct_in_numbers_and_target() -> None:
    problems = load(Options(n=150, numbers=(3,), max_number=5, max_target=20), limit=None)
    keys = {(tuple(sorted(p.data["numbers"])), p.data["target"]) for p in problems}
    assert len(keys) == len({p.id for p in problems}) == 150


def test_six_numbers_have_a_floor_too() -> None:
    problems = load_problems("countdown", {"numbers": "6", "n": "3"})
    assert all(0 < (problem.floor or 0) < 0.2 for problem in problems)


def test_targets_are_uniform_among_the_reachable_ones() -> None:
    options = [Options(n=1, numbers=(3,), max_number=1, max_target=99, seed=s) for s in range(300)]
    targets = [load(option, limit=None)[0].data["target"] for option in options]
    # 1, 1, 1 makes 1 (1+1-1), 2 ((1+1)*1) and 3 among the positive whole numbers.
    assert set(targets) == {1, 2, 3}
    assert all(70 <= targets.count(target) <= 130 for target in (1, 2, 3))


def test_mean_floor_of_the_default_problems_is_what_the_docs_say() -> None:
    floors = [problem.floor or 0.0 for problem in load(Options(n=600), limit=None)]
    assert curve(floors) == pytest.approx([0.006, 0.022, 0.080, 0.236, 0.517, 0.815], abs=6e-4)


def test_published_curve_belongs_to_whole_steps_and_common_targets() -> None:
    """The published .026/.096/.308/.674/.917/.990: random value as target, whole steps only."""
    rng = random.Random(5)
    floors: list[float] = []
    while len(floors) < 250:
        table = whole_number_table([rng.randint(1, 12) for _ in range(4)])
        reachable = {value: n for value, n in table.items() if 1 <= value <= 99}
        target = rng.choices(list(reachable), list(reachable.values()))[0]
        floors.append(table[target] / sum(table.values()))
    assert curve(floors) == pytest.approx([0.026, 0.096, 0.308, 0.674, 0.917, 0.990], abs=0.03)


@pytest.mark.parametrize(
    "bad",
    [
        {"numbers": (2,)},
        {"numbers": (4, 7)},
        {"numbers": ()},
        {"n": 0},
        {"min_number": 0},
        {"max_number": 0},
        {"min_target": 100},
        {"max_target": 50_000},
        {"guesser": "lucky"},
        {"max_floor": 0.0},
        {"max_floor": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad)).split("_")[-1]):
        Options(**bad)  # type: ignore[arg-type]


def test_a_range_with_too_few_problems_is_refused() -> None:
    with pytest.raises(ConfigError, match="found only 3 different"):
        load(Options(n=4, numbers=(3,), max_number=1), limit=None)


def test_a_low_floor_leaves_out_what_is_guessed_often() -> None:
    usual = load(Options(n=20, max_target=300), limit=None)
    hard = load(Options(n=20, max_target=300, max_floor=0.001), limit=None)
    assert max(problem.floor or 1.0 for problem in hard) <= 0.001
    assert max(problem.floor or 0.0 for problem in usual) > 0.001


def test_the_whole_number_guesser_makes_the_floor_the_better_of_two() -> None:
    for problem in load(Options(n=20, guesser="whole", max_floor=0.01), limit=None):
        numbers, target = problem.data["numbers"], problem.data["target"]
        either = Expressions(numbers).hit_rate(target), WholeNumbers(numbers, target).chance
        assert problem.floor == max(either)
        assert min(either) > 0


def test_under_the_whole_number_guesser_the_gold_is_judged_correct() -> None:
    for problem in load(Options(n=20, guesser="whole"), limit=None):
        assert grade(problem.gold, problem) is Outcome.CORRECT
