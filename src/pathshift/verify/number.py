r"""Whole numbers, decimals and fractions read exactly; two are equal or they are not.

Covers signs, thousands commas, `1/2`, `\frac{1}{2}`, `1 1/2`, currency before and a unit after.
A percent sign is a unit: `50%` reads as 50 and never as .5, so that one answer has one value.
Not covered, on purpose, because each gives a guess a second chance: relative tolerance, value/100,
value*100, powers of ten, and words that change the value (`5 million` is not 5).
"""

from __future__ import annotations

import re
from fractions import Fraction

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify.notation import simplify, without_prose_commands

MAX_CHARS = 2000
"""Longer texts are no numbers; Python itself refuses to read 4,300 digits and more."""

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]+)?|\.[0-9]+)"
_LATEX_FRACTION = rf"\\frac ?\{{ ?-?{_DECIMAL} ?\}} ?\{{ ?-?{_DECIMAL} ?\}}"
_WHOLE_FRACTION = rf"(?: {_WHOLE} ?/ ?{_WHOLE}| ?\\frac ?\{{ ?{_WHOLE} ?\}} ?\{{ ?{_WHOLE} ?\}})"
_VALUE = (
    rf"(?P<mixed>{_WHOLE}{_WHOLE_FRACTION})"
    rf"|{_LATEX_FRACTION}"
    rf"|{_DECIMAL} ?/ ?-?{_DECIMAL}"
    rf"|{_DECIMAL}"
)
_NUMBER = re.compile(rf"(?P<sign>[-+] ?)?[€£¥]? ?(?:{_VALUE})")
_IN_PROSE = re.compile(
    rf"(?:(?<![0-9A-Za-z)\]}}])-)?(?:{_LATEX_FRACTION}|{_DECIMAL}(?:/{_DECIMAL})?)"
)
_PART = re.compile(_DECIMAL)

_UNIT = re.compile(
    r"(?P<mark> ?(?:%|°|\^ ?\{? ?\\circ ?\}?|\\degree))?"
    r"(?P<gap> ?)(?:(?P<words>[A-Za-z]+(?:[ /-][A-Za-z]+)*)\.?(?: ?(?:\^ ?\{?[23]\}?|[²³]))?)?"
)
_SHORT_UNIT = re.compile(
    r"[kcm]?m|k?g|m[glL]|[smghL]|ft|in|lbs?|oz|hrs?|min|sec|mph|[ap]m|th|st|[nr]d"
)
_LINK = re.compile(r"an?|of|at|is|by|on")
_FUNCTION = re.compile(r"sin|cos|tan|cot|sec|csc|log|exp|max|gcd|lcm|det|abc|xyz", re.IGNORECASE)
_VALUE_WORD = re.compile(
    r"hundreds?|thousands?|[mbtr]+illions?|dozens?|half|halves|thirds?|fourths?|fifths?|sixths?"
    r"|eighths?|tenths?|hundredths?|thousandths?|and|or|to|plus|minus|divided|over|choose|squared"
    r"|cubed|factorial|pi|tau|root|mod|modulo|power",
    re.IGNORECASE,
)

# What may not follow a number in running text, because the number would not be all of it.
_GOES_ON = re.compile(
    r" ?(?:[-+*/^×÷·=\\:%]? ?[0-9]|[-+*/^×÷·=\\!]|, ?-?[0-9]|\( ?[-0-9]|[A-Za-z] ?[-+*/^=(])"
    r"| (?:times|x) [0-9]"
)
_FIRST_WORD = re.compile(r"[ %°-]*([A-Za-z]+)")
_LEFT_SIDE = re.compile(r"[A-Za-z_ ]+[0-9]?|(?:[^A-Za-z\\]|\\(?:times|cdot|div|frac|[^A-Za-z]))*")


def read_number(text: str) -> Fraction | None:
    r"""The value of a text that is one number (with a unit, or after its last equals sign).

    >>> read_number("$1,234.50"), read_number(r"x = -\frac{3}{6}"), read_number("18 dollars.")
    (Fraction(2469, 2), Fraction(-1, 2), Fraction(18, 1))
    >>> read_number("5 million") is None
    True
    """
    if len(text) > MAX_CHARS:
        return None
    spelled = _right_side(without_prose_commands(simplify(text)))
    found = _NUMBER.match(spelled)
    if found is None or not _is_unit(spelled[found.end() :]):
        return None
    return _value(found)


def leading_number(text: str) -> str | None:
    """The number that a sentence starts with, as written; None if the sentence hedges or computes.

    >>> leading_number("18 dollars because 3 eggs are left"), leading_number("5 or 6")
    ('18', None)
    """
    if len(text) > MAX_CHARS:
        return None
    spelled = _right_side(without_prose_commands(simplify(text)))
    found = _NUMBER.match(spelled)
    if found is None or _value(found) is None:
        return None
    rest = spelled[found.end() :]
    return None if _goes_on(rest) else found.group()


def last_number(text: str) -> str | None:
    """The last number anywhere in a text, as written."""
    found = _IN_PROSE.findall(text)
    return found[-1] if found else None


def grade(answer: str, problem: Problem) -> Outcome:
    """CORRECT if the answer is exactly the reference number; an answer that is none is WRONG.

    Raises:
        ConfigError: The reference answer is not a number, so no answer could be right.
    """
    gold = read_number(problem.gold)
    if gold is None:
        raise ConfigError(
            f"problem {problem.id}: the reference answer {problem.gold[:80]!r} is not a number; "
            "use the verifier math or text"
        )
    return Outcome.CORRECT if read_number(answer) == gold else Outcome.WRONG


def _right_side(text: str) -> str:
    """What follows the last equals sign: `x = 5`, `Total cost = 5`, `3 + 2 = 5` all say 5.

    Not so where letters and digits stand before it: `3x = 6` and "5, since x = 3" say something
    else.
    """
    *left, right = text.split("=")
    return right.strip() if left and all(map(_LEFT_SIDE.fullmatch, left)) else text


def _is_unit(text: str) -> bool:
    found = _UNIT.fullmatch(text)
    if found is None:
        return False
    words = re.split(r"[ /-]", found["words"]) if found["words"] else []
    if not words or found["mark"]:
        return len(words) <= 6 and not any(map(_VALUE_WORD.fullmatch, words))
    first_is_unit = _is_unit_word(words[0]) if found["gap"] else _may_be_glued(words[0])
    return first_is_unit and len(words) <= 6 and all(map(_may_follow, words[1:]))


def _may_be_glued(word: str) -> bool:
    """`5km` and `18dollars` carry units, `5xy` is a product."""
    is_long_word = len(word) >= 4 and not _VALUE_WORD.fullmatch(word)
    return is_long_word or _SHORT_UNIT.fullmatch(word) is not None


def _is_unit_word(word: str) -> bool:
    """`5 cups` and `5 m` carry units; `5 xy` and `5 sin` are products."""
    if len(word) == 3:
        return not _VALUE_WORD.fullmatch(word) and not _FUNCTION.fullmatch(word)
    return _may_be_glued(word)


def _may_follow(word: str) -> bool:
    """Words of a unit of several words: `miles per hour`, `times a day`."""
    return _LINK.fullmatch(word) is not None or _is_unit_word(word)


def _goes_on(rest: str) -> bool:
    """Whether what follows a number makes it part of something else."""
    if _GOES_ON.match(rest):
        return True
    word = _FIRST_WORD.match(rest)
    if word is None:
        return False
    glued = rest[:1].isalpha() and not _may_be_glued(word[1])
    return glued or _VALUE_WORD.fullmatch(word[1]) is not None


def _value(found: re.Match[str]) -> Fraction | None:
    """The exact value of a match of `_NUMBER`; None where it divides by zero."""
    parts = [Fraction(part.replace(",", "")) for part in _PART.findall(found.group())]
    if len(parts) > 1 and parts[-1] == 0:
        return None
    size = parts[0]
    if found["mixed"]:
        size = parts[0] + parts[1] / parts[2]
    elif len(parts) == 2:
        size = parts[0] / parts[1]
    return size if found.group().count("-") % 2 == 0 else -size
