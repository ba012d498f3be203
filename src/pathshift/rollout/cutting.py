"""Where a completion can be cut, and whether its beginning gives the answer away.

Token boundaries where the run stores tokens; else the ends of words, which are boundaries for
every tokenizer that joins a space to the word behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from pathshift.records import Sample
from pathshift.verify.number import read_number

_WORD = re.compile(r"\s*\S+")
_NUMBER = re.compile(r"(?P<minus>-\s?)?(?P<size>\d[\d,]{0,40}(?:\.\d{1,40})?)")
_MOST_CHARS = 100_000
_SLACK = 8
"""Characters that a token's text may lie further on: spaces and halves of characters get lost."""


def unit_of(at: Sequence[float], samples: Sequence[Sample]) -> str:
    """What lengths count: characters for shares, tokens where all samples have them, else words."""
    if at[0] < 1:
        return "characters"
    return "tokens" if all(sample.trace is not None for sample in samples) else "words"


def ends_of(sample: Sample, unit: str) -> list[int]:
    """Places in the text where it may be cut, one a piece.

    >>> text = " tens 37 +"
    >>> ends_of(Sample(problem_id="a", sample_no=0, seed=0, text=text, n_tokens=3,
    ...                finish_reason="stop"), "words")
    [5, 8, 10]
    """
    if unit == "tokens" and sample.trace is not None:
        return _token_ends(sample.text, sample.trace.pieces)
    return [word.end() for word in _WORD.finditer(sample.text)]


def _token_ends(text: str, pieces: Sequence[str]) -> list[int]:
    """Ends of tokens whose text is that of the completion; stop texts and what follows have none.

    Half a character shows as a replacement mark and takes the place of the token before it.
    """
    ends, at = [], 0
    for piece in pieces:
        if "\ufffd" in piece:
            ends.append(at)
            continue
        found = text.find(piece, at, at + len(piece) + _SLACK)
        if found < 0 or not piece:
            break
        at = found + len(piece)
        ends.append(at)
    return ends


def answer_in(text: str, gold: str) -> bool:
    """Whether the reference answer stands anywhere in a text, by value if it is a number.

    An operand of the same value counts too: a beginning is rather left out than let pass. For
    the same reason a minus may be read as a sign and as an operation.

    >>> answer_in(" tens 37 + 40 = 77;", "85"), answer_in("so we get 1,085.0", "1085")
    (False, True)
    """
    text, gold = text[:_MOST_CHARS], gold.strip()
    value = read_number(gold)
    if value is not None:
        return any(value in _values(found) for found in _NUMBER.finditer(text))
    tight, sought = ("".join(x.split()).casefold() for x in (text, gold))
    return bool(sought) and sought in tight


def _values(found: re.Match[str]) -> tuple[Fraction, ...]:
    size = Fraction(found["size"].replace(",", ""))
    return (size, -size) if found["minus"] else (size,)
