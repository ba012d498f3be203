"""How a number is written on a page: the one home of digits, signs and words for "undefined".

Covers numbers and ranges. Knows nothing of the page they end up on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from pathshift.analysis.result import Range

UNDEFINED = "undefined"
UNKNOWN = "not known"
MINUS = "\u2212"
LEAST = 1e-9
"""Differences below this are rounding errors of a computer, not of a measurement."""
NO_BREAK = "\u00a0"


def rate(value: float | None) -> str:
    """A probability or a share with three digits.

    >>> rate(0.41249), rate(None)
    ('0.412', 'undefined')
    """
    return UNDEFINED if not is_number(value) else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference with its sign, which decides a verdict: small values get more digits.

    >>> signed(0.1), signed(-0.1), signed(-0.0002), signed(0.0)
    ('+0.100', '−0.100', '−0.0002', '0.000')
    """
    if not is_number(value):
        return UNDEFINED
    size = abs(value)
    if size < LEAST:
        return "0.000"
    digits = max(3, math.ceil(-math.log10(size)))
    return f"{value:+.{digits}f}".replace("-", MINUS)


def amount(value: float | None) -> str:
    """A positive quantity with two digits after the point.

    >>> amount(1.944)
    '1.94'
    """
    return UNDEFINED if not is_number(value) else f"{value:,.2f}"


def reached(base_k: float | None, k_max: int) -> str:
    """A worth in base samples; an undefined one lies above the base's largest k.

    >>> reached(1.944, 32), reached(None, 32)
    ('1.94', 'above 32')
    """
    return amount(base_k) if is_number(base_k) else f"above {whole(k_max)}"


def whole(value: int | None) -> str:
    """A count.

    >>> whole(1060), whole(None)
    ('1,060', 'not known')
    """
    return UNKNOWN if value is None else f"{value:,}"


def counted(value: int | str, noun: str) -> str:
    """A count with its noun, singular or plural.

    >>> counted(1, "sample"), counted(1060, "problem")
    ('1 sample', '1,060 problems')
    """
    text = value if isinstance(value, str) else whole(value)
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def interval(
    low: float | None, high: float | None, write: Callable[[float | None], str] = rate
) -> str:
    """Both ends of an interval, written alike; no line breaks inside it.

    >>> interval(0.05, 0.17, signed).replace(NO_BREAK, " ")
    '[+0.050, +0.170]'
    """
    return f"[{write(low)},{NO_BREAK}{write(high)}]"


def p_value(value: float | None) -> str:
    """A p-value to two digits; very small ones by their bound.

    >>> p_value(0.0025), p_value(1.0), p_value(1e-9)
    ('p = 0.0025', 'p = 1', 'p < 0.0001')
    """
    if not is_number(value):
        return f"p {UNDEFINED}"
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def ranges(parts: Sequence[Range]) -> str:
    """Ranges of k in words.

    >>> ranges([Range(1, 6), Range(9, 9)])
    'k = 1 to 6 and k = 9'
    """
    return " and ".join(f"k = {a:,}" if a == b else f"k = {a:,} to {b:,}" for a, b in parts)


def span(ends: Mapping[str, int]) -> str:
    """The smallest and the largest of some counts; one number where they are equal.

    >>> span({"min": 16, "max": 32})
    '16 to 32'
    """
    low, high = ends["min"], ends["max"]
    return whole(low) if low == high else f"{whole(low)} to {whole(high)}"


def percent(value: object) -> str:
    """A confidence level in percent; anything but a number gives an empty text.

    >>> percent(0.95), percent(None)
    ('95%', '')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{100 * value:g}%"


def share(value: float | None) -> str:
    """A measured share in percent with one digit after the point.

    >>> share(0.128), share(None)
    ('12.8%', 'undefined')
    """
    return UNDEFINED if not is_number(value) else f"{value:.1%}"


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def setting(value: Any) -> str:
    """A setting as it was given; None is said in words."""
    return UNKNOWN if value is None or value == "" else str(value)
