"""Countdown: make a target from given numbers, each used exactly once, with + - * /.

Covers three to six positive whole numbers and a positive whole target that can be reached with
exact fractions. Does not cover targets that are met with some of the numbers only, powers, or
joined digits.

Null policy: a uniformly random legal expression, that is a random order of the numbers, a random
binary tree and random operators, given that nothing is divided by zero. Its chance is exact. It is
not small: on the default problems (four numbers up to 12) the mean success within 1, 4, 16, 64, 256
and 1024 tries is .006, .022, .080, .236, .517 and .815. Here every reachable target in the range is
equally likely. Targets drawn as values of random expressions are the common ones: with them, and a
guesser that keeps to whole numbers, the same curve is .027, .10, .31, .66, .91, .99.

`guesser="whole"` takes a stronger one besides, which keeps to whole numbers (`whole_numbers`): the
floor is then the better of the two, targets that whole numbers do not reach are not drawn, and the
gold keeps to whole numbers too. With a low `max_floor` it is what makes success hard to guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pathshift.errors import ConfigError
from pathshift.problems.expressions import Expressions
from pathshift.problems.options import check_at_least
from pathshift.problems.seeds import generator
from pathshift.problems.whole_numbers import WholeNumbers
from pathshift.records import Problem

FEWEST, MOST = 3, 6
GUESSERS = ("any", "whole")
# Draws of numbers in a row that reach no target, or only known problems, before giving up.
_PATIENCE = 2000
# A hard-to-reach range is searched target by target, so its width is bounded.
_WIDEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which countdown problems to draw.

    Attributes:
        n: How many.
        numbers: How many numbers a problem has; one of these for each problem, at random.
        min_number: Smallest number dealt.
        max_number: Largest number dealt.
        min_target: Smallest target.
        max_target: Largest target.
        guesser: "any" for the null policy alone, "whole" for the better of it and of a guesser
            that keeps to whole numbers from 0 to 999.
        max_floor: Most that guessing may reach in one try, as a probability.
        seed: Seed of the draw.
    """

    n: int = 200
    numbers: tuple[int, ...] = (4,)
    min_number: int = 1
    max_number: int = 12
    min_target: int = 1
    max_target: int = 99
    guesser: str = "any"
    max_floor: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(self, n=1, min_number=1, min_target=1)
        if self.guesser not in GUESSERS:
            raise ConfigError(f"guesser must be one of {', '.join(GUESSERS)}, got {self.guesser!r}")
        if not 0 < self.max_floor <= 1:
            raise ConfigError(f"max_floor must be above 0 and at most 1, got {self.max_floor}")
        if not self.numbers or not all(FEWEST <= k <= MOST for k in self.numbers):
            raise ConfigError(
                f"numbers must be from {FEWEST} to {MOST} (as 4, or 3,4), got {self.numbers}"
            )
        for what in ("number", "target"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if high < low:
                raise ConfigError(f"max_{what} must be at least min_{what}={low}, got {high}")
        if self.max_target - self.min_target >= _WIDEST:
            raise ConfigError(
                f"targets may span {_WIDEST} values, got {self.min_target}..{self.max_target}"
            )


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """Distinct problems; the first ones do not depend on how many follow.

    Raises:
        ConfigError: Too few problems exist within the ranges.
    """
    seen: set[str] = set()
    n_wanted = options.n if limit is None else min(limit, options.n)
    problems = []
    for number in range(n_wanted):
        problem = _new_problem(options, number, seen)
        seen.add(problem.id)
        problems.append(problem)
    return problems


def _new_problem(options: Options, number: int, seen: set[str]) -> Problem:
    for problem in _candidates(options, number):
        if problem.id not in seen:
            return problem
    raise ConfigError(
        f"found only {number} different countdown problems within max_number="
        f"{options.max_number}, max_target={options.max_target} and max_floor={options.max_floor}; "
        "lower n or widen the ranges"
    )


def _candidates(options: Options, number: int) -> Iterator[Problem]:
    """Problems from this place's own generator: numbers first, then a reachable target."""
    rng = generator("countdown", options.seed, number)
    targets = range(options.min_target, options.max_target + 1)
    for _ in range(_PATIENCE):
        k = rng.choice(options.numbers)
        # Sorted, so that one problem has one wording and one id however it was dealt.
        dealt = sorted(rng.randint(options.min_number, options.max_number) for _ in range(k))
        expressions = Expressions(dealt)
        # The first fit target of a random order is uniform among the fit ones.
        for target in rng.sample(targets, len(targets)):
            if problem := _fit(dealt, target, expressions, options):
                yield problem
                break


def _fit(
    numbers: list[int], target: int, expressions: Expressions, options: Options
) -> Problem | None:
    """The problem, if its target can be reached and guessing does not reach it too often."""
    chance = expressions.hit_rate(target)
    if not 0 < chance <= options.max_floor:
        return None
    if options.guesser == "any":
        return stated(numbers, target, gold=expressions.solution(target), floor=chance)
    whole = WholeNumbers(numbers, target)
    if not 0 < whole.chance <= options.max_floor:
        return None
    return stated(numbers, target, gold=whole.solution(), floor=max(chance, whole.chance))


def stated(
    numbers: Sequence[int], target: int, *, gold: str, floor: float | None = None
) -> Problem:
    """The problem that asks for `target` from `numbers`, given in rising order.

    Args:
        gold: An expression that is known to solve it.
        floor: The null policy's chance; None where it is not worth its time, as in corpora.
    """
    listed = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    return Problem(
        id=f"countdown-{'-'.join(map(str, numbers))}={target}",
        task="countdown",
        question=(
            f"Use the numbers {listed}, each exactly once, with the operations + - * / and "
            f"parentheses to write an expression that equals {target}."
        ),
        gold=gold,
        source=f"countdown-{len(numbers)}",
        floor=floor,
        data={"numbers": list(numbers), "target": target},
    )
