r"""Arithmetic as people and models write it, in one plain spelling: digits, + - * / ( ) = and dots.

Covers LaTeX (\times, \cdot, \div, \frac of two flat parts, \boxed, \text, dollars, percent), signs
such as × ÷ −, thousands commas, calculator notes like <<3+4=7>>, and bold marks. A percent sign is
dropped, not divided by: the spelling is for telling steps apart, not for computing.
"""

from __future__ import annotations

import re

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("×⋅·∗∙", "*"),
        **dict.fromkeys("÷∕", "/"),
        **dict.fromkeys("−–﹣－", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u2007\t~", " "),
        **dict.fromkeys("$€£¥%", ""),
    }
)

_COMMANDS = (
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\(?:text|mathrm|textbf|mbox) ?\{[^{}]{0,60}\}"), " "),
    (re.compile(r"\\[dtc]?frac ?\{([^{}]{1,60})\} ?\{([^{}]{1,60})\}"), r"(\1)/(\2)"),
    (re.compile(r"\\[dtc]?frac ?([0-9]) ?([0-9])(?![0-9])"), r"\1/\2"),
    (re.compile(r"\\(?:boxed|fbox|left|right|displaystyle|quad|qquad|[,;:! \[\]()])"), " "),
    (re.compile(r"\\(?=[$%{}])"), ""),
)

TIMES = re.compile(r"(?<=[0-9)]) ?[xX] ?(?=[0-9.(])")
"""The letter x between two numbers."""

_DRESS = (
    (re.compile(r"<<[^<>]{0,200}>>"), ""),
    # Bold marks; two stars between a digit and a digit are a power and stay one.
    (re.compile(r"(?<![0-9)])\*\*|\*\*(?![0-9(])"), ""),
    (TIMES, "*"),
    (re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"), ""),
)

_BRACES = str.maketrans("{}[]", "()()")


def plain_arithmetic(text: str) -> str:
    r"""The text with its arithmetic in the plain spelling; other words stay.

    >>> plain_arithmetic(r"$1,200 \times \frac{1}{2}$ = \boxed{600}")
    '1200 * (1)/(2) =  (600)'
    """
    for pattern, plain in _COMMANDS:
        text = pattern.sub(plain, text)
    text = text.translate(_SIGNS)
    for pattern, plain in _DRESS:
        text = pattern.sub(plain, text)
    return text.translate(_BRACES)
