"""One-step arithmetic: sums, differences and products of two whole numbers.

Covers operands of exactly `digits` digits. Does not cover division, chains or negative operands.

Null policy: a uniform whole number from the smallest to the largest result that the operation and
the digits allow. Drawing from the true distribution of results does better, for the middle ones are
more frequent: one-digit products are then hit within 1/8/128 tries in .05/.30/.95 of cases,
two-digit sums in .01/.10/.60.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass

from pathshift.errors import ConfigError
from pathshift.problems.floors import blind_whole_number
from pathshift.problems.options import check_at_least
from pathshift.problems.seeds import generator
from pathshift.records import Problem

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which exercises to draw.

    Attributes:
        n: How many.
        ops: Operations, one of them for each exercise, at random.
        digits: Decimal digits of both operands, the first of them never 0.
        seed: Seed of the draw.
    """

    n: int = 200
    ops: tuple[str, ...] = ("+", "-", "*")
    digits: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(self, n=1, digits=1)
        if self.digits > _MOST_DIGITS:
            raise ConfigError(f"digits must be from 1 to {_MOST_DIGITS}, got {self.digits}")
        if not self.ops or not set(self.ops) <= set(OPERATIONS):
            raise ConfigError(f"ops must be some of {','.join(OPERATIONS)}, got {self.ops}")
        if self.n > self.n_possible:
            raise ConfigError(
                f"only {self.n_possible} different exercises exist with digits={self.digits} and "
                f"these ops, got n={self.n}; lower n or raise digits"
            )

    @property
    def low(self) -> int:
        """Smallest operand."""
        return int(10 ** (self.digits - 1))

    @property
    def high(self) -> int:
        """Largest operand."""
        return int(10**self.digits) - 1

    @property
    def n_possible(self) -> int:
        """Number of different exercises."""
        return len(set(self.ops)) * (self.high - self.low + 1) ** 2


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """Distinct exercises; the first ones do not depend on how many follow."""
    n_wanted = options.n if limit is None else min(limit, options.n)
    rng = generator("arithmetic", options.seed, options.digits, list(options.ops))
    drawn: dict[str, Problem] = {}
    while len(drawn) < n_wanted:
        problem = _draw(options, rng)
        drawn.setdefault(problem.id, problem)
    return list(drawn.values())


def _draw(options: Options, rng: random.Random) -> Problem:
    sign = rng.choice(options.ops)
    left, right = (rng.randint(options.low, options.high) for _ in range(2))
    gold = str(OPERATIONS[sign](left, right))
    low, high = _range_of(sign, options)
    return Problem(
        id=f"arithmetic-{left}{sign}{right}",
        task="arithmetic",
        question=f"What is {left} {sign} {right}?",
        gold=gold,
        source=f"arithmetic-{sign}",
        floor=blind_whole_number(gold, low=low, high=high),
        data={"expression": f"{left} {sign} {right}"},
    )


def _range_of(sign: str, options: Options) -> tuple[int, int]:
    """Smallest and largest result; all three operations take theirs at the operands' ends."""
    ends = (options.low, options.high)
    results = [OPERATIONS[sign](left, right) for left in ends for right in ends]
    return min(results), max(results)
