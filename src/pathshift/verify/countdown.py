"""Countdown answers: an expression over exactly the given numbers that reaches the target.

Covers whole-number literals, + - * /, unary minus and parentheses, in exact fractions; the signs
× ÷ − count as * / -. One final `= target` may follow the expression. Everything that earned credit
from looser checkers without being arithmetic on the given numbers is refused: powers, floor
division, digits joined by a point, an underscore or a parenthesis, digits of other scripts.

Two ways to find the answer. `first_answer` is lenient: the first complete answer counts and text
may follow. `last_line` is strict: the answer stands on the last line and nothing visible follows.
"""

from __future__ import annotations

import ast
import itertools
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem

MAX_TEXT = 100_000
"""Characters that are looked at: the first ones for `first_answer`, else the last ones."""

MAX_CHARS = 200
"""Longest expression that is parsed; six numbers of six digits need 60 with all parentheses."""

_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "·": "*"})
_ALPHABET = re.compile(r"[0-9+\-*/() ]+")
_EQUALS_NUMBER = re.compile(r"(?P<left>[^=]*)= {0,4}(?P<right>-?[0-9]{1,12})")
_TAG = re.compile(r"<answer>(.{0,2000}?)</answer>", re.DOTALL | re.IGNORECASE)
_MARKER = re.compile(
    r"\b(?:answer|solution|expression|equation)\b[ *]{0,4}(?:is|:)[ *:]{0,6}", re.I
)
_BOX = re.compile(r"\\(?:boxed|fbox)\{([^{}]{0,400})\}")
_LATEX = ((r"\times", "*"), (r"\cdot", "*"), (r"\div", "/"), (r"\left", ""), (r"\right", ""))
_DRESS = " \t*`$."

_Operation = Callable[[Fraction, Fraction], Fraction]
_OPERATIONS: dict[type[ast.operator], _Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class _Illegal(Exception):
    """The text is not an expression of this game."""


def first_answer(text: str) -> str | None:
    r"""The first complete answer: tagged, else boxed or after a marker, else a line that is one.

    >>> first_answer("3*8 is it.\nAnswer: 4*6, so I am done")
    '4*6'
    """
    head = text[:MAX_TEXT]
    if tag := _TAG.search(head):
        return tag[1].strip() or None
    boxed = (box[1] for box in _BOX.finditer(head))
    marked = (
        _first_segment(head[mark.end() : mark.end() + 2000]) for mark in _MARKER.finditer(head)
    )
    candidates = itertools.chain(boxed, marked, head.splitlines())
    return next(filter(None, map(_complete, candidates)), None)


def last_line(text: str) -> str | None:
    """The answer that ends the last line: tagged, or the whole line, with or without a marker.

    White space at the end of the text is not counted as a line.
    """
    line = text[-MAX_TEXT:].rstrip().rpartition("\n")[2]
    if tags := list(_TAG.finditer(line)):
        return tags[-1][1].strip() or None if tags[-1].end() == len(line) else None
    marks = list(_MARKER.finditer(line))
    return _complete(line[marks[-1].end() :] if marks else line)


def grade(answer: str, problem: Problem) -> Outcome:
    """CORRECT if the expression is legal, uses `data["numbers"]` each once, equals the target.

    Raises:
        ConfigError: The problem carries no numbers or no target.
    """
    numbers, target = _rules(problem)
    try:
        node = _parsed(_without_target(answer, target))
        used, value = Counter(_literals(node)), _evaluated(node)
    except (_Illegal, ZeroDivisionError):
        return Outcome.WRONG
    return Outcome.CORRECT if used == numbers and value == target else Outcome.WRONG


def _rules(problem: Problem) -> tuple[Counter[int], int]:
    try:
        return Counter(problem.data["numbers"]), int(problem.data["target"])
    except KeyError as missing:
        raise ConfigError(
            f"problem {problem.id} of task {problem.task} has no data[{missing}], which the "
            "countdown verifiers need; choose another verifier"
        ) from None


def _without_target(answer: str, target: int) -> str:
    """Drops a final `= number` if the number is the target; any other equation stays illegal."""
    found = _EQUALS_NUMBER.fullmatch(_undressed(answer))
    return found["left"] if found and int(found["right"]) == target else answer


def _first_segment(text: str) -> str:
    """The start of a text up to the end of its line, sentence or clause."""
    lines = text.strip().splitlines()
    return re.split(r"[,;.!?](?=\s|$)", lines[0], maxsplit=1)[0] if lines else ""


def _complete(segment: str) -> str | None:
    """The segment if it is a legal expression with an operation, or one set equal to a number."""
    text = _undressed(segment)
    equation = _EQUALS_NUMBER.fullmatch(text)
    try:
        node = _parsed(equation["left"] if equation else text)
    except _Illegal:
        return None
    return text if any(isinstance(part, ast.BinOp) for part in ast.walk(node)) else None


def _undressed(text: str) -> str:
    return text.strip().strip(_DRESS)


def _parsed(text: str) -> ast.expr:
    """The syntax tree of a legal expression. Length and alphabet are checked before parsing."""
    if len(text) > 2 * MAX_CHARS:
        raise _Illegal
    for command, sign in _LATEX:
        text = text.replace(command, sign)
    text = _undressed(text).translate(_SIGNS)
    if len(text) > MAX_CHARS or not _ALPHABET.fullmatch(text):
        raise _Illegal
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _Illegal from None
    if not all(map(_is_legal, ast.walk(node))):
        raise _Illegal
    return node


def _is_legal(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATIONS
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub)
    return isinstance(node, ast.USub) or type(node) in _OPERATIONS


def _literals(node: ast.expr) -> Iterator[int]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, int):
            yield part.value


def _evaluated(node: ast.expr) -> Fraction:
    """The exact value; the tree is at most `MAX_CHARS` deep and holds no powers."""
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    if isinstance(node, ast.UnaryOp):
        return -_evaluated(node.operand)
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int)
    return Fraction(node.value)
