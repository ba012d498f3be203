"""Which path a completion took: a key that two completions share if they went the same way.

Four kinds, from the most to the least certain: the expression tree of an answer that is itself the
work (countdown), the syntax tree of Python code, the sequence of worked equations, and else the
normalised words. Each module of a kind says what it takes for equal. Keys of different kinds say
nothing about each other: counts of paths are compared within one kind only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pathshift.traces.code_tree import code_key
from pathshift.traces.equations import equations_key
from pathshift.traces.expression_tree import Expression, parse_expression
from pathshift.traces.notation import plain_arithmetic
from pathshift.traces.steps import steps_key

MAX_TEXT = 400_000
"""Characters of a completion that are read, from its start: about 100,000 tokens."""

_LONGEST_ANSWER = 1_000
_DRESS = " \n\t`.*"


class Kind(StrEnum):
    """What a path's key is made of, the most certain first."""

    EXPRESSION = "expression"
    CODE = "code"
    EQUATIONS = "equations"
    STEPS = "steps"


class Path(NamedTuple):
    """A path's kind and its key; equal paths are equal tuples."""

    kind: Kind
    key: str


def path_of(text: str, answer: str | None = None, *, expects: Kind | None = None) -> Path:
    """The path by the most certain kind that the completion has.

    Args:
        text: The completion.
        answer: What the verifier took as the answer, if it says.
        expects: `Kind.EXPRESSION` where the task asks for an expression: then an answer with one
            operation counts, and the last line of the text is read if there is no answer. Without
            it an answer needs two operations, so that the number 3/4 is not taken for work.

    >>> path_of("Answer: (8 - 2) * 4", "(8 - 2) * 4", expects=Kind.EXPRESSION)
    Path(kind=<Kind.EXPRESSION: 'expression'>, key='(*(+8-2)*4)')
    >>> path_of("3 + 4 = 7, then 7 * 2 = 14").key
    '(+3+4)=7; (*2*7)=14'
    """
    found = paths_in(text, answer, expects=expects)
    kind = next(kind for kind in Kind if kind in found)
    return Path(kind, found[kind])


def paths_in(
    text: str, answer: str | None = None, *, expects: Kind | None = None
) -> dict[Kind, str]:
    """The key of every kind that the completion has; `Kind.STEPS` is always there.

    Args: as `path_of`.
    """
    text = text[:MAX_TEXT]
    keys = {
        Kind.EXPRESSION: _expression_key(text, answer, expects),
        Kind.CODE: code_key(text),
        Kind.EQUATIONS: equations_key(text),
        Kind.STEPS: steps_key(text),
    }
    return {kind: key for kind, key in keys.items() if key is not None}


def _expression_key(text: str, answer: str | None, expects: Kind | None) -> str | None:
    is_expected = expects is Kind.EXPRESSION
    if answer is None:
        answer = text.rstrip().rpartition("\n")[2] if is_expected else text
    found = _read(answer)
    if found is None or found.operations < (1 if is_expected else 2):
        return None
    return found.key


def _read(answer: str) -> Expression | None:
    """The expression that an answer is, with or without a marker before and `= value` after it."""
    if len(answer) > _LONGEST_ANSWER:
        return None
    plain = plain_arithmetic(answer.rpartition(":")[2]).strip(_DRESS)
    left, _, value = plain.partition("=")
    if value.strip() and _is_number(left):
        left = value
    elif value.strip() and not _is_number(value):
        return None
    return parse_expression(left)


def _is_number(side: str) -> bool:
    found = parse_expression(side)
    return found is not None and found.operations == 0
