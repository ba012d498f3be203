"""The guesser that keeps to whole numbers: its chance against a list of every way, and its gold."""

from __future__ import annotations

import ast
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest

from pathshift.problems.whole_numbers import LARGEST, WholeNumbers


def listed_chance(cards: list[int], target: int) -> Fraction:
    """Every ordered pair of cards and every sign, one by one; no memory, no symmetry."""
    if len(cards) == 1:
        return Fraction(cards[0] == target)
    ways: list[Fraction] = []
    for i, j in permutations(range(len(cards)), 2):
        rest = [card for place, card in enumerate(cards) if place not in (i, j)]
        for value in legal(cards[i], cards[j]):
            ways.append(listed_chance([*rest, value], target))
    return sum(ways, Fraction(0)) / len(ways)


def legal(a: int, b: int) -> list[int]:
    exact = [Fraction(a + b), Fraction(a - b), Fraction(a * b)] + ([Fraction(a, b)] if b else [])
    return [int(x) for x in exact if x.denominator == 1 and 0 <= x <= LARGEST]


@pytest.mark.parametrize(
    ("cards", "target"),
    [([1, 2], 3), ([2, 3, 4], 24), ([3, 3, 3], 9), ([1, 1, 2, 5], 10), ([7, 7, 1, 1], 0),
     ([999, 1, 2], 999), ([30, 40, 2], 600), ([2, 4, 6, 9], 54)],
)  # fmt: skip
def test_the_chance_is_the_share_of_all_ways(cards: list[int], target: int) -> None:
    assert WholeNumbers(cards, target).chance == pytest.approx(float(listed_chance(cards, target)))


def test_the_order_of_the_numbers_does_not_matter() -> None:
    chances = {WholeNumbers(list(order), 24).chance for order in permutations([2, 3, 4, 5])}
    assert len(chances) == 1


def test_the_gold_is_reached_by_whole_numbers_alone() -> None:
    rng = Random(4)
    n_found = 0
    for _ in range(30):
        cards = [rng.randint(1, 25) for _ in range(4)]
        guesser = WholeNumbers(cards, rng.randint(10, 200))
        if guesser.chance:
            n_found += 1
            body = ast.parse(guesser.solution(), mode="eval").body
            used: list[int] = []
            assert valued(body, used) == guesser._target
            assert sorted(used) == sorted(cards)
    assert n_found > 5


def valued(node: ast.expr, used: list[int]) -> int:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        used.append(node.value)
        return node.value
    assert isinstance(node, ast.BinOp)
    a, b = valued(node.left, used), valued(node.right, used)
    value = {
        ast.Add: Fraction(a + b), ast.Sub: Fraction(a - b), ast.Mult: Fraction(a * b),
        ast.Div: Fraction(a, b) if b else Fraction(-1),
    }[type(node.op)]  # fmt: skip
    assert value.denominator == 1
    assert 0 <= value <= LARGEST
    return int(value)


def test_a_target_out_of_reach_has_no_chance_and_no_gold() -> None:
    guesser = WholeNumbers([3, 4, 4, 12], 16 * 61)
    assert guesser.chance == 0
    with pytest.raises(ValueError, match="do not reach 976 by whole numbers"):
        guesser.solution()


def test_fractions_are_not_passed_through() -> None:
    """5 * (5 - 1 / 5) = 24 is the only way with fractions, and no way of this guesser."""
    assert WholeNumbers([1, 5, 5, 5], 24).chance == 0
