r"""What kind of token each token of a completion is, and where its first operation stands.

The text is read as a whole, so that a word cut into several tokens is one word: each of its tokens
has the word's class, whether or not it could be told from the tokens before it. A token that spans
several classes has that of its first character that is no space. In order of precedence:

    first operation  from the first operand to the second of the first "number sign number"
    formatting       line ends, \boxed, ####, **, code fences, math brackets, special tokens
    number           digits with their decimal point and thousands commas
    operator         + - * / = ^ < > % and their LaTeX and Unicode forms; no hyphen within a word
    reflection       wait, hmm, but, however, actually, alternatively, check, mistake, ...
    connective       so, then, therefore, because, if, first, next, finally, ...
    other            everything else

Words are English; in other languages reflection and connectives count as other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CLASSES = (
    "first operation", "formatting", "number", "operator", "reflection", "connective", "other",
)  # fmt: skip
PHASES = ("before", "at", "after", "no operation")
"""Where a token stands to its completion's first operation."""

_FIRST, _REFLECTION, _CONNECTIVE, _OTHER = 0, 4, 5, 6
_OPERATOR_SIGN = (
    r"\\(?:times|cdot|div|frac|ast)(?![A-Za-z])|[+*/=^<>%×÷·⋅−≤≥≈]|(?<![A-Za-z])-|-(?![A-Za-z])"
)
_REFLECTIVE = frozenset([
    "wait", "hm", "but", "however", "actually", "alternatively", "although", "though", "instead",
    "maybe", "perhaps", "check", "checking", "recheck", "double", "verify", "verifying", "mistake",
    "wrong", "incorrect", "oops", "hold", "again", "reconsider", "rethink", "try",
])  # fmt: skip
_CONNECTING = frozenset([
    "so", "then", "therefore", "thus", "hence", "because", "since", "now", "next", "first",
    "second", "third", "finally", "lastly", "if", "when", "which", "that", "and", "or", "also",
    "let", "means", "gives", "get", "step", "after", "given",
])  # fmt: skip
_PARTS = re.compile(
    r"(?P<formatting>\n|\\boxed|\\text|\\[()\[\]]|\${1,2}|\#{2,}|\*\*|```|<\|[^|<>\n]{1,40}\|>"
    r"|</?[a-z]{1,20}>)"
    r"|(?P<number>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"
    rf"|(?P<operator>{_OPERATOR_SIGN})"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)"
)
_GROUPS = {name: CLASSES.index(name) for name in ("formatting", "number", "operator")}
_HUM = re.compile(r"hm{2,}")
_SPACE = r"[ \t$(){}\\]{0,6}"
_OPERAND = r"[0-9]+(?:[.,][0-9]+)*"
_SIGN = (
    r"(?:[+*/^×÷·⋅−-]|\\(?:times|cdot|div|ast)(?![A-Za-z])"
    r"|times|plus|minus|divided by|multiplied by)"
)
# Begun only where a number begins, and a number reads in one way only: linear in the text.
_FIRST_OPERATION = re.compile(
    rf"(?<![0-9])(?<![0-9][.,]){_OPERAND}{_SPACE}{_SIGN}{_SPACE}{_OPERAND}", re.IGNORECASE
)


class TokenKinds(NamedTuple):
    """Kinds of a completion's tokens.

    Attributes:
        of_class: Index into `CLASSES`, shape (n,).
        phase: Index into `PHASES`, shape (n,).
    """

    of_class: npt.NDArray[np.int8]
    phase: npt.NDArray[np.int8]


def token_kinds(pieces: Sequence[str]) -> TokenKinds:
    r"""Class and phase of every token.

    Args:
        pieces: Text of each token, in order; they make up the completion.

    >>> found = token_kinds([" add", " 3", " +", " 4", ".", " W", "ait"])
    >>> [CLASSES[i] for i in found.of_class[3:]]
    ['first operation', 'other', 'reflection', 'reflection']
    """
    text = "".join(pieces)
    starts, ends = _places(pieces)
    of_char = bytearray([_OTHER]) * (len(text) + 1)
    for found in _PARTS.finditer(text):
        kind = _class_of(str(found.lastgroup), found.group())
        if kind != _OTHER:
            start, end = found.span()
            of_char[start:end] = bytes([kind]) * (end - start)
    of_class = np.frombuffer(bytes(of_char), dtype=np.int8)[_first_visible(pieces, starts)]
    phase = np.full(len(pieces), PHASES.index("no operation"), dtype=np.int8)
    operation = _FIRST_OPERATION.search(text)
    if operation is not None:
        is_at = (starts < operation.end()) & (ends > operation.start())
        of_class[is_at] = _FIRST
        phase[:] = np.where(is_at, 1, np.where(starts < operation.start(), 0, 2))
    return TokenKinds(of_class, phase)


@lru_cache(maxsize=65_536)
def _class_of(group: str, part: str) -> int:
    """Class of a part of the text that one group of `_PARTS` matched."""
    if group != "word":
        return _GROUPS[group]
    word = _HUM.sub("hm", part.lower())
    if word in _REFLECTIVE:
        return _REFLECTION
    return _CONNECTIVE if word in _CONNECTING else _OTHER


def _places(pieces: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return np.concatenate([[0], ends[:-1]]).astype(np.int64), ends


def _first_visible(pieces: Sequence[str], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Place in the text of each token's first character that is no space, else of its first."""
    skipped = [(len(piece) - len(piece.lstrip(" \t"))) % (len(piece) or 1) for piece in pieces]
    return starts + np.array(skipped, dtype=np.int64)
