"""When two sources ask the same question in different dress.

One tool keeps the question, another the whole prompt with a chat template and an instruction around
it. All prompts of one source wear the same dress, so what they all begin and end with is taken off:
what is left is the same for any template, as long as the two sources ask the same set of questions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pathshift.records import digest


def core_hashes(questions: Sequence[str]) -> list[str | None]:
    """Hash of each question without the common beginning and end of all of them.

    None for all if there are fewer than two different ones, if two would become the same, or if
    one is all beginning and end: where it stops and a template starts could then not be told.

    >>> bare, dressed = core_hashes(["2 + 3", "4 + 5"]), core_hashes(["Q: 2 + 3 =", "Q: 4 + 5 ="])
    >>> bare == dressed
    True
    """
    distinct = sorted(set(questions))
    if len(distinct) < 2:
        return [None] * len(questions)
    start = _common_start(distinct)
    end = _common_start([text[start:][::-1] for text in distinct])
    cores = {text: text[start : len(text) - end].strip() for text in distinct}
    if len(set(cores.values())) < len(cores) or "" in cores.values():
        return [None] * len(questions)
    return [digest(cores[text])[:32] for text in questions]


def _common_start(texts: Sequence[str]) -> int:
    return len(os.path.commonprefix(texts))  # noqa: RUF071 - letters are what is compared here
