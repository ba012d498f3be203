"""The sequence of worked steps `a op b = c` in a text.

A step is a side with at least one operation set equal to its neighbour: 3*4+2 = 12+2 = 14 holds
two. Summands and factors are sorted and numbers have one spelling (see `expression_tree`); what
stands right of the sign is kept as the model wrote it, right or wrong. A step that was already
written counts once, where it first stood, so that checking or repeating the work makes no new path.

The order is part of the key: it is what the model did, while the bag of steps also joins texts that
go opposite ways. Two independent steps in the other order are then two paths; `unordered` gives the
key without the order, for those who would rather join them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from pathshift.traces.expression_tree import MAX_CHARS, Expression, parse_expression
from pathshift.traces.notation import TIMES, plain_arithmetic

MAX_PAIRS = 10_000
"""Pairs of sides that are looked at in one text; the rest is passed over."""

_MARKER = re.compile(r"(?m)^[ ]{0,12}(?:[-*+•]|[0-9]{1,3}[.)])[ ]{1,8}(?=\S)")
# 5 apples + 3 apples, 20 GB/minute * 3 minutes, 12 pens x 3
_UNITS = re.compile(r"(?<=[0-9])(?:[ /][A-Za-z]{1,20}){1,4}(?= ?(?:[-+*/=)]|[xX] ?[0-9.(]))")
_RUN = re.compile(r"[0-9+\-*/(). =]+")
_SENTENCE_END = re.compile(r"\.(?![0-9])")
# Two numbers side by side: the second begins something else.
_GAP = re.compile(r"(?<=[0-9)]) +(?=[0-9(])")
_JOIN = "; "


def equation_steps(text: str) -> list[str]:
    """Canonical steps in the order in which they first stand.

    >>> equation_steps("She has 3 + 4 = 7. Then 7 x 2 = 14, so 4 + 3 = 7.")
    ['(+3+4)=7', '(*2*7)=14']
    """
    plain = _UNITS.sub("", _MARKER.sub("", plain_arithmetic(text)))
    plain = TIMES.sub("*", plain)
    steps = (_step(*pair) for pair in islice(_pairs(plain), MAX_PAIRS))
    return list(dict.fromkeys(filter(None, steps)))


def equations_key(text: str) -> str | None:
    """The steps as one key; None if the text holds none."""
    return _JOIN.join(equation_steps(text)) or None


def unordered(key: str) -> str:
    """The key of the same steps in any order.

    >>> unordered("(+3+4)=7; (*2*5)=10") == unordered("(*2*5)=10; (+3+4)=7")
    True
    """
    return _JOIN.join(sorted(key.split(_JOIN)))


def _pairs(plain: str) -> Iterator[tuple[str, str]]:
    """What stands left and right of each equals sign."""
    for run in _RUN.finditer(plain):
        if "=" in run.group():
            for sentence in _SENTENCE_END.split(run.group()):
                yield from pairwise(sentence.split("="))


def _step(before: str, after: str) -> str | None:
    left, right = _read(before, last=True), _read(after, last=False)
    if left is None or right is None:
        return None
    if not left.operations:
        # 14 = 3*4 + 2 says the same as 3*4 + 2 = 14.
        left, right = right, left
    return f"{left.key}={right.key}" if left.operations else None


def _read(side: str, *, last: bool) -> Expression | None:
    """The expression that touches the equals sign: the last of a left side, else the first."""
    # No cut can make a longer side readable: what touches the sign is within these characters.
    side = side[-MAX_CHARS:] if last else side[:MAX_CHARS]
    piece = _GAP.split(side.strip())[-1 if last else 0]
    if not last:
        piece = piece.rstrip(" +-*/(")
    is_rest = piece[:1] in {"+", "*", "/"} or piece[:2] == "- "
    return None if is_rest or not piece else parse_expression(_balanced(piece))


def _balanced(piece: str) -> str:
    """Without brackets at either end that have no partner, as in "(so 3+4=7)"."""
    extra = piece.count("(") - piece.count(")")
    while extra > 0 and piece.startswith("("):
        piece, extra = piece[1:], extra - 1
    while extra < 0 and piece.endswith(")"):
        piece, extra = piece[:-1], extra + 1
    return piece
