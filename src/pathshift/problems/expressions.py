"""Every expression over some numbers, each used once, with + - * /: how many give a value.

Counts exactly and without listing them: k numbers have k! * Catalan(k-1) * 4^(k-1) expressions,
30,965,760 of them for k=6. Subsets of up to half the numbers are tabulated by value; a larger one
is counted backwards, by asking which value its other part would need. Values are exact fractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd
from typing import NamedTuple

Ratio = tuple[int, int]
"""A fraction in lowest terms with a positive denominator. Far quicker than `Fraction`."""

_ZERO: Ratio = (0, 1)


class _Need(NamedTuple):
    """The value `other` makes `form` come out right, in `ways` orders of the two operands."""

    other: Ratio
    ways: int
    form: str


class _Text(NamedTuple):
    """An expression and how tightly its last operation binds (1 sum, 2 product, 3 number)."""

    text: str
    rank: int


class Expressions:
    """All expressions over `numbers`. A number that stands twice counts as two numbers.

    >>> Expressions([1, 2, 3]).n_legal  # 3! * 2 * 4^2, none of them divides by zero
    192
    >>> Expressions([1, 1, 2]).n_legal  # of as many, 2 / (1 - 1) drops out in both orders
    190
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = tuple(numbers)
        self._all = (1 << len(numbers)) - 1
        self._tabulated = len(numbers) // 2 + 1
        self._tables: dict[int, dict[Ratio, int]] = {}
        self._counts: dict[tuple[int, Ratio], int] = {}
        self._legal: dict[int, int] = {}

    @property
    def n_legal(self) -> int:
        """Number of expressions in which nothing is divided by zero."""
        return self._n_legal(self._all)

    def count(self, value: int | Fraction) -> int:
        """Number of legal expressions that equal `value`."""
        return self._count(self._all, Fraction(value).as_integer_ratio())

    def hit_rate(self, value: int | Fraction) -> float:
        """Chance that a uniformly random legal expression equals `value`."""
        return self.count(value) / self.n_legal

    def solution(self, value: int | Fraction) -> str:
        """One expression that equals `value`, always the same; ValueError if there is none."""
        if not self.count(value):
            raise ValueError(f"no expression over {self._numbers} equals {value}")
        return self._find(self._all, Fraction(value).as_integer_ratio()).text

    def _table(self, subset: int) -> dict[Ratio, int]:
        """Value -> number of legal expressions over `subset` that equal it."""
        if subset not in self._tables:
            table: dict[Ratio, int] = defaultdict(int)
            if subset.bit_count() == 1:
                table[self._sum(subset)] = 1
            for part, rest in _splits(subset):
                _join(self._table(part), self._table(rest), table)
            self._tables[subset] = dict(table)
        return self._tables[subset]

    def _count(self, subset: int, value: Ratio) -> int:
        if subset.bit_count() <= self._tabulated:
            return self._table(subset).get(value, 0)
        key = (subset, value)
        if key not in self._counts:
            self._counts[key] = sum(
                self._count_split(part, rest, value) for part, rest in _splits(subset)
            )
        return self._counts[key]

    def _count_split(self, part: int, rest: int, value: Ratio) -> int:
        total = 0
        for known, n_known in self._table(part).items():
            if known == value == _ZERO:
                # 0 * b and b * 0 for any b, 0 / b for any b but 0; the rest as for other values.
                total += n_known * (3 * self._n_legal(rest) - self._count(rest, _ZERO))
            for need in _needs(known, value):
                total += n_known * need.ways * self._count(rest, need.other)
        return total

    def _n_legal(self, subset: int) -> int:
        if subset.bit_count() == 1:
            return 1
        if subset not in self._legal:
            total = 0
            for part, rest in _splits(subset):
                n_part, n_rest = self._n_legal(part), self._n_legal(rest)
                by_zero = n_part * self._count(rest, _ZERO) + n_rest * self._count(part, _ZERO)
                total += 8 * n_part * n_rest - by_zero
            self._legal[subset] = total
        return self._legal[subset]

    def _find(self, subset: int, value: Ratio) -> _Text:
        """An expression over `subset` that equals `value`; one is known to exist."""
        if subset.bit_count() == 1:
            return _Text(str(self._sum(subset)[0]), 3)
        for part, rest in _splits(subset):
            for known in self._table(part):
                for need in self._ways(known, value, rest):
                    if self._count(rest, need.other):
                        return _write(
                            need.form, self._find(part, known), self._find(rest, need.other)
                        )
        raise AssertionError(f"counted an expression for {value} that is not there")

    def _ways(self, known: Ratio, value: Ratio, rest: int) -> Iterator[_Need]:
        yield from _needs(known, value)
        if known == value == _ZERO:
            yield _Need(self._sum(rest), 2, "known * other")

    def _sum(self, subset: int) -> Ratio:
        return (sum(x for i, x in enumerate(self._numbers) if subset >> i & 1), 1)


def _splits(subset: int) -> Iterator[tuple[int, int]]:
    """Every way to part `subset` in two, the smaller part first, each once."""
    part = (subset - 1) & subset
    while part:
        rest = subset ^ part
        n_part, n_rest = part.bit_count(), rest.bit_count()
        if n_part < n_rest or (n_part == n_rest and part < rest):
            yield part, rest
        part = (part - 1) & subset


def _ratio(above: int, below: int) -> Ratio:
    """Lowest terms; `below` is not zero."""
    divisor = gcd(above, below)
    if below < 0:
        divisor = -divisor
    return above // divisor, below // divisor


def _join(left: dict[Ratio, int], right: dict[Ratio, int], into: dict[Ratio, int]) -> None:
    """Add every legal operation between a value of `left` and one of `right`, in both orders."""
    for (p, q), n_left in left.items():
        for (r, s), n_right in right.items():
            n = n_left * n_right
            ps, rq, qs = p * s, r * q, q * s
            into[_ratio(ps + rq, qs)] += 2 * n
            into[_ratio(ps - rq, qs)] += n
            into[_ratio(rq - ps, qs)] += n
            into[_ratio(p * r, qs)] += 2 * n
            if r:
                into[_ratio(ps, rq)] += n
            if p:
                into[_ratio(rq, ps)] += n


def _needs(known: Ratio, value: Ratio) -> Iterator[_Need]:
    """Which other operand turns `known` into `value`; a factor of 0 is the caller's case."""
    (p, q), (r, s) = known, value
    ps, rq, qs = p * s, r * q, q * s
    yield _Need(_ratio(rq - ps, qs), 2, "known + other")
    yield _Need(_ratio(ps - rq, qs), 1, "known - other")
    yield _Need(_ratio(rq + ps, qs), 1, "other - known")
    if p:
        yield _Need(_ratio(rq, ps), 2, "known * other")
        yield _Need(_ratio(p * r, qs), 1, "other / known")
        if r:
            yield _Need(_ratio(ps, rq), 1, "known / other")


def _write(form: str, known: _Text, other: _Text) -> _Text:
    """The expression `form` of two, with no more parentheses than it needs."""
    first, operation, second = form.split()
    operands = {"known": known, "other": other}
    left, right = operands[first], operands[second]
    rank = 1 if operation in "+-" else 2
    before = left.text if left.rank >= rank else f"({left.text})"
    # Behind - and / an operand of the same rank would be read otherwise.
    bare = right.rank > rank or (right.rank == rank and operation in "+*")
    after = right.text if bare else f"({right.text})"
    return _Text(f"{before} {operation} {after}", rank)
