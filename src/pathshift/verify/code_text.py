r"""What a model wrote -> the code in it.

A chat answer: the last fenced block that defines something, or else the last block; a block that
only defines tests is passed over where another defines more. A fence that is never closed (the
answer was cut) reaches to the end. What stands before the last `</think>` is not looked at.

Without a fence the text is code itself. One that begins at the left margin is a program and is kept
whole. One that begins indented continues the prompt's function, as of a base model; it ends before
the first line at the left margin that begins with a letter, `@`, `#` or a backtick, which is where
the stop texts of the Codex paper end it too. Text that holds no line of code is none.

Differs from evalplus' sanitiser, which keeps the longest run of lines that parses and what the
entry point needs of it: nothing is parsed here (text is hostile, and parsing happens behind walls),
so code between two halves of prose without a fence is not found.
"""

from __future__ import annotations

import re

MAX_TEXT = 200_000
"""Characters of a text that are looked at, counted from its end."""

_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})[ \t]*([\w+.#-]*)[^\n`]*$", re.MULTILINE)
_PYTHON = {"", "python", "py", "python3", "py3", "pycon"}
_DEFINES = re.compile(r"^(?:async[ ]+def|def|class)[ ]+(\w+)", re.MULTILINE)
_CODE_LINE = re.compile(
    r"^(?:[ \t]+\S|(?:def|class|import|from|return|for|while|if|try|with|async)\b|\w+[ ]*=[^=])",
    re.MULTILINE,
)
_NEW_TOP = re.compile(r"^[A-Za-z@#`~<]", re.MULTILINE)
_TEST_NAME = re.compile(r"(?i)test|main$|check")


def code_of(text: str) -> str | None:
    r"""The code in a text, or None if there is none.

    >>> code_of("Sure:\n```python\ndef f():\n    return 1\n```\nDone.")
    'def f():\n    return 1\n'
    >>> code_of("    return 1\n\nprint(f())\n")
    '    return 1\n\n'
    """
    tail = text[-MAX_TEXT:].replace("\r\n", "\n").rpartition("</think>")[2]
    blocks = fenced_blocks(tail)
    if blocks:
        return _chosen(blocks)
    code = _as_code(tail)
    return code if code.strip() and _CODE_LINE.search(code) else None


def fenced_blocks(text: str) -> list[str]:
    """Contents of the fenced blocks that are Python or do not say what they are, in order."""
    blocks, start, mark, language = [], None, "", ""
    for fence in _FENCE.finditer(text):
        if start is None:
            start, mark, language = fence.end() + 1, fence[1], fence[2].lower()
        elif fence[1].startswith(mark) and not fence[2]:
            if language in _PYTHON:
                blocks.append(text[start : fence.start()])
            start = None
    if start is not None and language in _PYTHON:
        blocks.append(text[start:])
    return blocks


def _chosen(blocks: list[str]) -> str | None:
    filled = [block for block in blocks if block.strip()]
    defining = [block for block in filled if _DEFINES.search(block)]
    solving = [block for block in defining if not all(map(_TEST_NAME.search, _names(block)))]
    ranked = solving or defining or filled
    return ranked[-1] if ranked else None


def _names(block: str) -> list[str]:
    return _DEFINES.findall(block)


def _as_code(text: str) -> str:
    body = text.lstrip("\n")
    if not body[:1].isspace():
        return body
    end = _NEW_TOP.search(body)
    return body[: end.start()] if end else body
