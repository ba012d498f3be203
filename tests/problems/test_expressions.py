"""The count of expressions against listing them all, and against drawing them."""

from __future__ import annotations

import ast
import operator
import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import permutations
from math import comb, factorial, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathshift.problems.expressions import Expressions

Operation = Callable[[Fraction, Fraction], Fraction]
OPERATIONS: tuple[Operation, ...] = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
)
NODES = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def applied(operation: Operation, left: Fraction | None, right: Fraction | None) -> Fraction | None:
    """The result; None if it, or an operand, comes of a division by zero."""
    if left is None or right is None or (operation is operator.truediv and right == 0):
        return None
    return operation(left, right)


def every_value(row: tuple[Fraction, ...]) -> Iterator[Fraction | None]:
    """Value of every expression over the numbers in this order; None for a division by zero."""
    if len(row) == 1:
        yield row[0]
    for cut in range(1, len(row)):
        right_values = list(every_value(row[cut:]))
        for left in every_value(row[:cut]):
            for right in right_values:
                yield from (applied(operation, left, right) for operation in OPERATIONS)


def listed(numbers: list[int]) -> Counter[Fraction | None]:
    orders = permutations([Fraction(number) for number in numbers])
    return Counter(value for order in orders for value in every_value(order))


def evaluated(node: ast.expr) -> tuple[Fraction, list[int]]:
    """Value of an expression and the numbers in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value), [node.value]
    assert isinstance(node, ast.BinOp)
    (left, used), (right, used_too) = evaluated(node.left), evaluated(node.right)
    if isinstance(node.op, ast.Div):
        return left / right, used + used_too
    return NODES[type(node.op)](left, right), used + used_too


def read(text: str) -> tuple[Fraction, list[int]]:
    return evaluated(ast.parse(text, mode="eval").body)


def drawn(numbers: list[Fraction], rng: random.Random) -> Fraction | None:
    """Value of a uniformly random expression over shuffled numbers; None if illegal."""
    n = len(numbers)
    if n == 1:
        return numbers[0]
    catalan = [comb(2 * i, i) // (i + 1) for i in range(n)]
    weights = [catalan[cut - 1] * catalan[n - cut - 1] for cut in range(1, n)]
    cut = rng.choices(range(1, n), weights)[0]
    left, right = drawn(numbers[:cut], rng), drawn(numbers[cut:], rng)
    return applied(rng.choice(OPERATIONS), left, right)


def assert_counts_equal(numbers: list[int]) -> None:
    expressions, truth = Expressions(numbers), listed(numbers)
    n_illegal = truth.pop(None, 0)
    shapes = comb(2 * len(numbers) - 2, len(numbers) - 1) // len(numbers)
    n_all = factorial(len(numbers)) * shapes * 4 ** (len(numbers) - 1)
    assert expressions.n_legal == n_all - n_illegal
    assert {value: expressions.count(value) for value in truth if value is not None} == truth
    assert expressions.count(Fraction(1, 997)) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 13), min_size=1, max_size=3))
def test_counts_equal_the_list_of_all_expressions_over_up_to_three_numbers(
    numbers: list[int],
) -> None:
    assert_counts_equal(numbers)


@pytest.mark.parametrize(
    "numbers", [[3, 5, 7, 11], [1, 1, 2, 2], [6, 6, 6, 6], [0, 1, 4, 4], [12, 12, 1, 99]]
)
def test_counts_equal_the_list_of_all_expressions_over_four_numbers(numbers: list[int]) -> None:
    assert_counts_equal(numbers)


@pytest.mark.parametrize(
    ("numbers", "target"), [([1, 2, 3, 4, 5], 10), ([2, 2, 3, 3, 4, 4], 12), ([0, 0, 1, 2, 3], 0)]
)
def test_hit_rate_equals_the_share_of_random_expressions(numbers: list[int], target: int) -> None:
    rng = random.Random(20)
    pool = [Fraction(number) for number in numbers]
    draws = [drawn(rng.sample(pool, len(pool)), rng) for _ in range(12_000)]
    legal = [value for value in draws if value is not None]
    expected = Expressions(numbers).hit_rate(target)
    error = sqrt(expected * (1 - expected) / len(legal))
    assert abs(legal.count(Fraction(target)) / len(legal) - expected) < 4 * error


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=5), st.integers(0, 40))
def test_a_solution_uses_every_number_once_and_meets_the_target(
    numbers: list[int], target: int
) -> None:
    expressions = Expressions(numbers)
    if not expressions.count(target):
        with pytest.raises(ValueError, match="no expression"):
            expressions.solution(target)
        return
    value, used = read(expressions.solution(target))
    assert value == target
    assert sorted(used) == sorted(numbers)


def test_a_solution_of_zero_is_found_when_only_a_product_gives_it() -> None:
    value, used = read(Expressions([0, 1, 1, 1, 1, 7]).solution(0))
    assert value == 0
    assert len(used) == 6
