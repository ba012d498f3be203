"""Worked solutions as text, right or with wrong steps at a stated rate.

compose: one line a function, innermost first, `f03: bcdefgha`; the last ends in the answer,
`f12 answer: ahgfedcb`. countdown: one line an operation, `25 * 4 = 100`, then `answer: 25 * 4 + 3`.
Both end as the project's verifiers read an answer (`verify.extract`).

A wrong step is a legal one of the wrong kind: another function than the one asked for, another
operation than the one that leads to the target. What follows goes on from its result: in compose
by the right functions, in countdown blindly, since nothing right is left to do. The final answer is
then wrong for certain, so that a trace of s steps is wrong with chance 1 - (1 - noise)^s.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

from pathshift.errors import ConfigError, UnknownName
from pathshift.problems.compose_functions import FUNCTIONS
from pathshift.problems.seeds import generator
from pathshift.problems.whole_numbers import LARGEST
from pathshift.records import Problem

_SIGNS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
# Blind ways on that are tried from one place before an earlier one is.
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One worked solution.

    Attributes:
        text: What a model is to write behind the prompt, the end token left out.
        n_steps: Functions applied or operations made.
        wrong: Places of the wrong steps, from 0; in countdown the first of them only.
    """

    text: str
    n_steps: int
    wrong: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of an expression: its value, its text, how tightly it binds (1 sum, 2 product, 3)."""

    value: int
    text: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of countdown: two terms become one."""

    left: Term
    sign: str
    right: Term
    result: Term

    @property
    def line(self) -> str:
        """As a trace writes it."""
        return f"{self.left.value} {self.sign} {self.right.value} = {self.result.value}"


def trace(problem: Problem, *, noise: float = 0.0, seed: int = 0) -> Trace:
    """The worked solution of `problem` that `seed` gives.

    Args:
        noise: Chance of each step to be wrong, from 0 to below 1.

    Raises:
        UnknownName: The problem is of another family.
        ConfigError: `noise` is out of range, or the problem's gold passes through a value that has
            no token (a fraction, or a number above 999).
    """
    if not 0 <= noise < 1:
        raise ConfigError(f"noise must be from 0 to below 1, got {noise}")
    writer = _WRITERS.get(problem.task)
    if writer is None:
        raise UnknownName(f"no traces for task {problem.task!r}; there are: {', '.join(_WRITERS)}")
    return writer(problem, noise, generator("zoo-trace", problem.id, seed))


def wrong_share(noise: float, *, n_steps: int) -> float:
    """Chance that a trace of `n_steps` is wrong.

    >>> round(wrong_share(0.3, n_steps=2), 2)
    0.51
    """
    return 1 - (1 - noise) ** n_steps


def _wrong_places(n_steps: int, noise: float, rng: Random) -> tuple[int, ...]:
    return tuple(place for place in range(n_steps) if rng.random() < noise)


def _compose(problem: Problem, noise: float, rng: Random) -> Trace:
    names: list[str] = problem.data["functions"]
    wrong = _wrong_places(len(names), noise, rng)
    results = _applied(problem, wrong, rng)
    # Two wrong steps can make up for each other; with none wrong the first walk is the right one.
    while wrong and results[-1] == problem.gold:
        results = _applied(problem, wrong, rng)
    lines = [f"{name}: {result}" for name, result in zip(names, results, strict=True)]
    lines[-1] = f"{names[-1]} answer: {results[-1]}"
    return Trace(text="\n".join(lines), n_steps=len(names), wrong=wrong)


def _applied(problem: Problem, wrong: tuple[int, ...], rng: Random) -> list[str]:
    """The string after each function; at a wrong place another function is taken instead."""
    text: str = problem.data["input"]
    results = []
    for place, name in enumerate(problem.data["functions"]):
        right = FUNCTIONS[name].apply(text)
        text = _misapplied(text, right, rng) if place in wrong else right
        results.append(text)
    return results


def _misapplied(text: str, right: str, rng: Random) -> str:
    others = list(FUNCTIONS.values())
    rng.shuffle(others)
    return next(result for other in others if (result := other.apply(text)) != right)


def _countdown(problem: Problem, noise: float, rng: Random) -> Trace:
    operations = list(derivation(problem))
    wrong = _wrong_places(len(operations), noise, rng)[:1]
    if wrong:
        operations, place = _astray(problem, operations, wrong[0], rng)
        wrong = (place,)
    lines = [operation.line for operation in operations]
    answer = f"answer: {operations[-1].result.text}"
    return Trace(text="\n".join([*lines, answer]), n_steps=len(operations), wrong=wrong)


def derivation(problem: Problem) -> Iterator[Operation]:
    """The operations of a countdown problem's gold expression, inner ones first.

    Raises:
        ConfigError: A value on the way has no token.
    """
    yield from _operations(ast.parse(problem.gold, mode="eval").body, problem)


def _operations(node: ast.expr, problem: Problem) -> Iterator[Operation]:
    """Those below `node`, then its own; a number has none."""
    if not isinstance(node, ast.BinOp):
        return
    sides = []
    for side in (node.left, node.right):
        last = None
        for last in _operations(side, problem):
            yield last
        sides.append(number(int(ast.unparse(side))) if last is None else last.result)
    left, right = sides
    sign = _SIGNS[type(node.op)]
    result = combined(left, sign, right)
    if result is None:
        raise ConfigError(
            f"the gold {problem.gold} of {problem.id} takes {left.value} {sign} {right.value}, "
            f"which is no whole number from 0 to {LARGEST}; take problems of the zoo's "
            "corpora, whose solutions keep to those"
        )
    yield Operation(left=left, sign=sign, right=right, result=result)


def number(value: int) -> Term:
    """A number as it was dealt."""
    return Term(value=value, text=str(value), rank=3)


def combined(left: Term, sign: str, right: Term) -> Term | None:
    """The term `left sign right`; None if its value has no token."""
    value = _value(left.value, sign, right.value)
    if value is None:
        return None
    rank = 1 if sign in "+-" else 2
    before = left.text if left.rank >= rank else f"({left.text})"
    # An operand of the same rank keeps its brackets on the right, so that reading the expression
    # again gives these very operations: 400 * 20 / 20 passes 999 and 400 * (20 / 20) does not.
    after = right.text if right.rank > rank else f"({right.text})"
    return Term(value=value, text=f"{before} {sign} {after}", rank=rank)


def _value(left: int, sign: str, right: int) -> int | None:
    if sign == "/":
        if right == 0 or left % right:
            return None
        value = left // right
    else:
        value = {"+": left + right, "-": left - right, "*": left * right}[sign]
    return value if 0 <= value <= LARGEST else None


def blind_operation(pool: list[Term], rng: Random) -> Operation:
    """Any two terms of the pool under any operation whose value has a token."""
    while True:
        left, right = rng.sample(pool, 2)
        sign = rng.choice("+-*/")
        result = combined(left, sign, right)
        if result is not None:
            return Operation(left=left, sign=sign, right=right, result=result)


def after(pool: list[Term], operation: Operation) -> list[Term]:
    """The pool with the operation's two terms replaced by its result."""
    rest = list(pool)
    rest.remove(operation.left)
    rest.remove(operation.right)
    return [*rest, operation.result]


def _astray(
    problem: Problem, right: list[Operation], place: int, rng: Random
) -> tuple[list[Operation], int]:
    """The right operations up to `place`, another one there, blind ones to the end; and the place.

    Where nothing else is possible (700 - 600 is all that 700 and 600 allow) it is an earlier place.
    """
    for attempt in count():
        first = max(0, place - attempt // _TRIES)
        made = _blindly_on(problem, right[:first], rng)
        goes_wrong_here = made[first].result.value != right[first].result.value
        if goes_wrong_here and made[-1].result.value != problem.data["target"]:
            return made, first
    raise AssertionError("counting does not end")


def _blindly_on(problem: Problem, made: list[Operation], rng: Random) -> list[Operation]:
    pool = [number(value) for value in problem.data["numbers"]]
    for operation in made:
        pool = after(pool, operation)
    while len(pool) > 1:
        made = [*made, blind_operation(pool, rng)]
        pool = after(pool, made[-1])
    return made


_WRITERS: Mapping[str, Callable[[Problem, float, Random], Trace]] = {
    "compose": _compose,
    "countdown": _countdown,
}
