"""One spelling for what LaTeX, Markdown and keyboards write in many ways.

Covers wrappers, spacing, signs and synonyms that never change a value. Does not know mathematics:
`1/2` and `0.5` stay two spellings.
"""

from __future__ import annotations

import re

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\ufe63\uff0d\u2013", "-"),  # minus signs and the dash used as one
        **dict.fromkeys("\u00a0\u2009\u202f\u2007\t\r\n~", " "),
    }
)

# The lookbehind keeps `\\ `, the end of a matrix row, in one piece.
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\\)\\[!,;: ]"), ""),
    (re.compile(r"\\(?:displaystyle|textstyle|limits)(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:left|right)(?=[^A-Za-z])"), ""),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\frac ?([0-9]) ?([0-9])(?![0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac ?([0-9]) ?\{"), r"\\frac{\1}{"),
    (re.compile(r"(\\frac ?\{[^{}]*\}) ?([0-9])(?![0-9])"), r"\1{\2}"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\?\$"), ""),
    (re.compile(r"\\%"), "%"),
    (re.compile(r" {2,}"), " "),
)

_WRAPPERS = (("**", "**"), ("`", "`"), ("\\(", "\\)"), ("\\[", "\\]"))

_PROSE = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox) ?\{([^{}]*)\}")


def simplify(text: str) -> str:
    r"""`text` in the one spelling; simplifying twice changes nothing more.

    >>> simplify(" $\\\\dfrac12$. ")
    '\\\\frac{1}{2}'
    """
    while (simpler := _simplify_once(text)) != text:
        text = simpler
    return text


def _simplify_once(text: str) -> str:
    text = text.translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _unwrap(text.strip().rstrip(".,;:").strip())


def _unwrap(text: str) -> str:
    for start, end in _WRAPPERS:
        if len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end):
            inner = text[len(start) : -len(end)]
            return text if start in inner or end in inner else inner
    return text[1:-1] if _is_one_group(text) else text


def _is_one_group(text: str) -> bool:
    """Whether a single pair of braces holds all of the text."""
    return (
        text.startswith("{")
        and text.endswith("}")
        and not text.endswith("\\}")
        and "{" not in text[1:]
        and "}" not in text[:-1]
    )


def without_prose_commands(text: str) -> str:
    r"""`\text{...}` and its kin replaced by what they hold, set off by a space.

    >>> without_prose_commands(r"18\text{dollars}")
    '18 dollars'
    """
    while (plainer := _PROSE.sub(r" \1", text)) != text:
        text = plainer
    return " ".join(text.split())
