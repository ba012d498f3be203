"""One arithmetic expression as a tree whose equal forms share one key.

Equal are expressions that become one another by the order of summands, the order of factors, and
brackets: a sum is a bag of signed terms, a product a bag of factors above and below the line. So
(a-b)+c = a+c-b, a-(b-c) = a-b+c, a/(b/c) = a*c/b, and a sign in a product stands before it. Not
equal are forms that need the distributive law, arithmetic, or turning a difference round:
a*(b+c) and a*b+a*c, 2+2 and 4, c*(a-b) and -c*(b-a). They compute something else on the way.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

MAX_CHARS = 400
"""Longest expression that is read."""

MAX_DEPTH = 40
"""Deepest nesting of brackets and signs."""

_TOKEN = re.compile(r" *(?:([0-9]+(?:\.[0-9]+)?|\.[0-9]+)|([-+*/()]))")


class _Number(NamedTuple):
    value: Fraction


class _Sum(NamedTuple):
    """Signed terms, none of them a sum; one term alone only if its sign is -1."""

    terms: tuple[tuple[int, _Node], ...]


class _Product(NamedTuple):
    """Factors with exponent 1 or -1, none of them a product or a negated term."""

    factors: tuple[tuple[int, _Node], ...]


_Node = _Number | _Sum | _Product


class Expression(NamedTuple):
    """A parsed expression.

    Attributes:
        key: Its canonical form: equal for equal trees, and readable.
        operations: Operations between two operands.
    """

    key: str
    operations: int


def parse_expression(text: str) -> Expression | None:
    """The expression that the whole text is, or None.

    Numbers, + - * /, signs and round brackets; no powers, no floor division, no letters, nothing
    left out between a number and a bracket. `notation.plain_arithmetic` brings other spellings to
    this one.

    >>> parse_expression("8 - (3 - 5)") == parse_expression("5 + 8 - 3")
    True
    >>> parse_expression("2 ** 3") is None
    True
    """
    if len(text) > MAX_CHARS:
        return None
    try:
        parser = _Parser(_tokens(text))
        node = parser.whole()
    except _Refused:
        return None
    return Expression(_written(node), parser.operations)


class _Refused(Exception):
    """The text is no expression of this kind."""


def _tokens(text: str) -> list[str]:
    found, place, text = [], 0, text.strip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise _Refused
        found.append(token.group().strip())
        place = token.end()
    return found


class _Parser:
    """Recursive descent over sums, products and operands, no deeper than `MAX_DEPTH`."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self.operations = 0

    def whole(self) -> _Node:
        node = self._sum(MAX_DEPTH)
        if self._next < len(self._tokens):
            raise _Refused
        return node

    def _take(self, choices: str) -> str | None:
        """The next token if it is one of these."""
        if self._next == len(self._tokens) or self._tokens[self._next] not in set(choices):
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _sum(self, depth: int) -> _Node:
        node = self._product(depth)
        while sign := self._take("+-"):
            self.operations += 1
            node = _added(node, 1 if sign == "+" else -1, self._product(depth))
        return node

    def _product(self, depth: int) -> _Node:
        node = self._operand(depth)
        while sign := self._take("*/"):
            self.operations += 1
            node = _multiplied(node, 1 if sign == "*" else -1, self._operand(depth))
        return node

    def _operand(self, depth: int) -> _Node:
        if depth == 0:
            raise _Refused
        if self._take("-"):
            return _signed(-1, self._operand(depth - 1))
        if self._take("("):
            node = self._sum(depth - 1)
            if not self._take(")"):
                raise _Refused
            return node
        return self._number()

    def _number(self) -> _Node:
        if self._next == len(self._tokens) or self._tokens[self._next] in set("+-*/()"):
            raise _Refused
        self._next += 1
        return _Number(Fraction(Decimal(self._tokens[self._next - 1])))


def _terms(node: _Node) -> tuple[tuple[int, _Node], ...]:
    return node.terms if isinstance(node, _Sum) else ((1, node),)


def _sum_of(terms: tuple[tuple[int, _Node], ...]) -> _Node:
    return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else _Sum(terms)


def _signed(sign: int, node: _Node) -> _Node:
    return _sum_of(tuple((sign * own, term) for own, term in _terms(node)))


def _added(left: _Node, sign: int, right: _Node) -> _Node:
    return _sum_of(_terms(left) + _terms(_signed(sign, right)))


def _multiplied(left: _Node, exponent: int, right: _Node) -> _Node:
    (sign, left), (other, right) = _without_sign(left), _without_sign(right)
    below = tuple((exponent * own, factor) for own, factor in _factors(right))
    return _signed(sign * other, _Product(_factors(left) + below))


def _without_sign(node: _Node) -> tuple[int, _Node]:
    """Takes the sign off a negated term; a longer sum keeps its signs."""
    return node.terms[0] if isinstance(node, _Sum) and len(node.terms) == 1 else (1, node)


def _factors(node: _Node) -> tuple[tuple[int, _Node], ...]:
    return node.factors if isinstance(node, _Product) else ((1, node),)


def _written(node: _Node) -> str:
    if isinstance(node, _Number):
        return str(node.value)
    if isinstance(node, _Sum):
        parts = sorted((-sign, _written(term)) for sign, term in node.terms)
        return "(" + "".join(("+" if sign < 0 else "-") + text for sign, text in parts) + ")"
    parts = sorted((-exponent, _written(factor)) for exponent, factor in node.factors)
    return "(" + "".join(("*" if sign < 0 else "/") + text for sign, text in parts) + ")"
