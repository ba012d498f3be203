r"""Mathematical answers: numbers and equal spellings here, all else by math-verify in the worker.

Decides in this process, without a job, whenever that is exact: both sides are numbers, both are
spelled alike, or the reference answer is a word. Two numbers are compared as fractions and that is
final: 1/3 is not 0.333, and 50% is 50 (see `number`).
"""

from __future__ import annotations

import re

from pathshift.records import Outcome, Problem
from pathshift.verify.jobs import Job
from pathshift.verify.notation import simplify, without_prose_commands
from pathshift.verify.number import read_number

_WORDS = re.compile(r"\(?(?:[A-Za-z]|[A-Za-z]{4,}|[A-Za-z]{2,} [A-Za-z ]+)\)?")
_TEXT_ONLY = re.compile(r"\\(?:text|textbf|textit|textrm|mbox) ?\{[^{}]*\}(?:\^\{?[a-z]*\}?)?")

# A unit behind a number or a closing brace, in text mode; never a lone letter, which may be e or i.
_UNIT = re.compile(
    r"(?<=[0-9})])(?: ?\\(?:text|textrm|mbox|mathrm) ?\{ ?(?!and|or|if)[A-Za-z][A-Za-z./ -]+\})"
    r"(?: ?\^ ?\{?[23]\}?)?$"
)
_SYNONYMS = (
    (re.compile(r"\\(?:mathrm|text|textrm|rm) ?\{([ei])\}"), r"\1"),
    (re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"\*\*"), "^"),
)
_VALUE_WORD = re.compile(r"hundred|thousand|[mbtr]illion|dozen|percent|pi|half|and|or")


def grade(answer: str, problem: Problem) -> Outcome | Job:
    """The outcome where it is plain, else the job that settles it."""
    gold = problem.gold
    gold_value, value = read_number(gold), read_number(answer)
    # Of two assignments the letters count too: x=5 is not y=5.
    both_name_a_letter = "=" in gold and "=" in answer
    if gold_value is not None and value is not None and not both_name_a_letter:
        return Outcome.CORRECT if value == gold_value else Outcome.WRONG
    spelled_gold, spelled = _spelled(gold), _spelled(answer)
    if spelled_gold.replace(" ", "") == spelled.replace(" ", ""):
        return Outcome.CORRECT
    if is_words(spelled_gold):
        same = _as_words(spelled_gold) == _as_words(spelled)
        return Outcome.CORRECT if same else Outcome.WRONG
    return Job(kind="math", payload={"gold": spelled_gold, "answer": spelled})


def is_words(text: str) -> bool:
    r"""Whether a reference answer is prose or the letter of a choice, to be compared as text.

    As mathematics its letters would be a product, and any anagram of it would be right.

    >>> is_words(r"\text{no solution}"), is_words("(B)"), is_words("ab"), is_words("2x")
    (True, True, False, False)
    """
    return bool(_TEXT_ONLY.fullmatch(text) or _WORDS.fullmatch(text))


def _as_words(text: str) -> str:
    plain = without_prose_commands(text).strip("()").casefold()
    return " ".join(plain.split())


def _spelled(text: str) -> str:
    """The one spelling of mathematics, without a unit in text mode behind the value."""
    text = simplify(text)
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    unit = _UNIT.search(text)
    if unit and not _VALUE_WORD.search(unit.group()):
        text = text[: unit.start()]
    return text.strip()
