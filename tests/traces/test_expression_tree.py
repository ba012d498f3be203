"""Expression keys against algebra: every expression over a few numbers, and their values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import permutations

import pytest

from pathshift.traces.expression_tree import MAX_DEPTH, parse_expression

# Leaves far apart, so that two expressions have one value only if they are one function of them.
LEAVES = {"10007": 10007, "1000003": 1000003, "100000007": 100000007, "9999999967": 9999999967}


def key(text: str) -> str:
    found = parse_expression(text)
    assert found is not None, text
    return found.key


@cache
def expressions(leaves: tuple[str, ...]) -> list[tuple[str, Fraction]]:
    """Every bracketed expression over the leaves in this order, with its value."""
    if len(leaves) == 1:
        return [(leaves[0], Fraction(LEAVES[leaves[0]]))]
    return [
        (f"({left} {sign} {right})", value)
        for cut in range(1, len(leaves))
        for left, a in expressions(leaves[:cut])
        for right, b in expressions(leaves[cut:])
        for sign, value in results(a, b)
    ]


def results(a: Fraction, b: Fraction) -> Iterator[tuple[str, Fraction]]:
    yield from (("+", a + b), ("-", a - b), ("*", a * b), ("/", a / b))


def keys_by_value(n: int) -> dict[Fraction, set[str]]:
    found: dict[Fraction, set[str]] = defaultdict(set)
    for order in permutations(list(LEAVES)[:n]):
        for text, value in expressions(order):
            found[value].add(key(text))
    return found


@pytest.mark.parametrize(("n", "functions"), [(2, 6), (3, 68)])
def test_keys_are_the_different_functions_of_up_to_three_numbers(n: int, functions: int) -> None:
    # 6 and 68 different functions: OEIS A140606.
    found = keys_by_value(n)
    assert len(found) == functions
    assert all(len(keys) == 1 for keys in found.values())


def test_no_key_joins_two_functions_of_four_numbers() -> None:
    found = keys_by_value(4)
    assert len(found) == 1170  # OEIS A140606
    keys = [key for keys in found.values() for key in keys]
    assert len(keys) == len(set(keys))
    # What is split although it is one function: differences turned round, (a-b)(c-d) = (b-a)(d-c).
    split = [keys for keys in found.values() if len(keys) > 1]
    assert all(len(keys) == 2 and "-" in next(iter(keys)) for keys in split)
    assert 0 < len(split) < 0.2 * len(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(5-3)+8", "5+8-3"),
        ("5-(3-8)", "8+5-3"),
        ("2*(3*4)", "4*3*2"),
        ("8/(4/2)", "8*2/4"),
        ("((7))", "7"),
        ("-(2-5)", "5-2"),
        ("3*-4", "-(4*3)"),
        ("12.0 + 0.50", ".5 + 12"),
        ("007+1", "1+7"),
    ],
)
def test_order_brackets_and_spelling_do_not_count(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2*(3+4)", "2*3+2*4"),
        ("2+2", "4"),
        ("2*2", "2+2"),
        ("5-3", "3-5"),
        ("8/2", "2/8"),
        ("3*(5-2)", "-3*(2-5)"),
        ("1/2", "0.5"),
        ("6-3-2", "6-(3-2)"),
    ],
)
def test_other_work_is_another_key(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "text",
    ["", " ", "2**3", "6//4", "1_0", "2(3)", "(1)(2)", "1 2", "+3", "3+", "(3", "3)", "x+1", "1,2",
     "٣+1", "1e5", "0x10", "__import__('os')", "1.2.3", "3 = 3", "!"],
)  # fmt: skip
def test_what_is_no_plain_expression_is_refused(text: str) -> None:
    assert parse_expression(text) is None


@pytest.mark.parametrize("opening", ["(", "-", "(-"])
def test_nesting_beyond_the_limit_is_refused_without_a_crash(opening: str) -> None:
    closing = ")" if "(" in opening else ""
    fine, deep = MAX_DEPTH // len(opening) - 1, 190
    assert parse_expression(opening * fine + "1" + closing * fine) is not None
    assert parse_expression(opening * deep + "1" + closing * deep) is None


def test_operations_are_counted() -> None:
    found = parse_expression("-(1+2)*3/4")
    assert found is not None
    assert found.operations == 3
