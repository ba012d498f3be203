r"""Mathematical answers: numbers and equal spellings here, all else by math-verify in the worker.

Decides in this process, without a job, whenever that is exact: both sides are numbers, both are
spelled alike, or the reference answer is a word. Two numbers are compared as fractions and that is
final: 1/3 is not 0.333, and 50% is 50 (see `number`).
"""

from __future__ import annotations

import re
from fractions import Fraction

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
    (re.compile(r"\\(?:dots[cb]?|cdots|hdots)(?![A-Za-z])|…|\.{3}"), r"\\ldots"),
    (re.compile(r"\+ ?-"), "-"),
)
_REPEATING = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]{0,40})\\(?:overline|bar) ?\{([0-9]{1,40})\}")
_VALUE_COMMA = re.compile(r" ?, ?")

# Whether a value is called near or equal, it is compared all the same.
_NEARLY = re.compile(r"^((?:[\s$]|\\[(\[])*)(?:\\approx(?![A-Za-z])|\\simeq(?![A-Za-z])|≈)")

# `12 \pmod 7` is as far as the answer got: 12.
_MODULUS = re.compile(r"(?<=[0-9a-z)}]) ?\\(?:[bp]?mod)(?![A-Za-z]).*$", re.DOTALL)
_UNDONE = re.compile(
    r"\\(?:sum|prod|i*int|oint|lim|gcd|min|max|det|operatorname ?\{(?:lcm|gcd|min|max)\}|lcm)"
    r"(?![A-Za-z])"
)
_ANGULAR = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_DEGREES = re.compile(r"\\circ|°|\\degree")
_BASED = re.compile(r"(-?[0-9A-Za-z]+)_ ?(?:\{ ?([0-9]+) ?\}|([0-9]))")
_RATIO = re.compile(r"[0-9]{1,30}(?: ?: ?[0-9]{1,30})+")
_FIGURE = re.compile(
    r"\\(?:angle|triangle|overline|overrightarrow|overleftrightarrow|widehat) ?\{? ?[A-Z]{1,6} ?\}?"
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_FUNCTIONS = "sin|cos|tan|cot|sec|csc|log|exp|sqrt|mod|gcd|lcm|min|max|lim|det|and|inf"
_WORD_BY_WORD = re.compile(rf"(?<![A-Za-z])((?!{_FUNCTIONS})[A-Za-z]{{3,}}) ([A-Za-z]+)")
_VALUE_WORD = re.compile(r"hundred|thousand|[mbtr]illion|dozen|percent|pi|half|and|or")


def grade(answer: str, problem: Problem) -> Outcome | Job:
    """The outcome where it is plain, else the job that settles it."""
    gold, answer = _plain(problem.gold), _plain(answer)
    if not _MODULUS.search(gold):
        answer = _MODULUS.sub("", answer)
    gold_value, value = read_number(gold), read_number(answer)
    # Of two assignments the letters count too: x=5 is not y=5.
    both_name_a_letter = "=" in gold and "=" in answer
    if gold_value is not None and value is not None and not both_name_a_letter:
        return _outcome(value == gold_value)
    spelled_gold, spelled = _spelled(gold), _spelled(answer)
    if spelled_gold.replace(" ", "") == spelled.replace(" ", ""):
        return Outcome.CORRECT
    if is_words(spelled_gold):
        return _outcome(_as_words(spelled_gold) == _as_words(spelled))
    if is_prose(spelled):
        return Outcome.WRONG
    same = _as_notation(spelled_gold, spelled)
    if same is not None:
        return _outcome(same)
    return Job(kind="math", payload={"gold": spelled_gold, "answer": spelled})


def _outcome(is_same: bool) -> Outcome:  # noqa: FBT001
    return Outcome.CORRECT if is_same else Outcome.WRONG


def _plain(text: str) -> str:
    """Repeating decimals as fractions; without a sign that says "nearly"."""
    return _REPEATING.sub(_fraction, _NEARLY.sub(r"\1", text))


def _fraction(decimal: re.Match[str]) -> str:
    r"""`1.2\overline{34}` is (1234 - 12)/990."""
    whole, fixed, period = decimal.groups()
    top = int(f"{whole}{fixed}{period}") - int(f"0{whole}{fixed}")
    return rf"\frac{{{top}}}{{{'9' * len(period)}{'0' * len(fixed)}}}"


def _as_notation(gold: str, answer: str) -> bool | None:
    """What the notation alone tells of answers that algebra would read too kindly; or None."""
    if _FIGURE.fullmatch(gold) or _leaves_work_undone(gold, answer):
        return False
    if _differ_in_degrees(gold, answer):
        return False
    based = _BASED.fullmatch(gold), _BASED.fullmatch(answer)
    if based[0] and based[1]:
        return [*filter(None, based[0].groups())] == [*filter(None, based[1].groups())]
    if _RATIO.fullmatch(gold) and _RATIO.fullmatch(answer):
        return _is_same_ratio(gold, answer)
    listed_gold, listed = _numbers(gold), _numbers(answer)
    if listed_gold is None or listed is None:
        return None
    return _same_list(listed_gold, listed)


def _differ_in_degrees(gold: str, answer: str) -> bool:
    r"""Whether only one of two sines is of degrees, which the parser drops as a unit."""
    are_angular = bool(_ANGULAR.search(gold) and _ANGULAR.search(answer))
    return are_angular and bool(_DEGREES.search(gold)) != bool(_DEGREES.search(answer))


def _leaves_work_undone(gold: str, answer: str) -> bool:
    r"""Whether the answer repeats the question: \gcd(12, 18), an integral, where a value is due."""
    return bool(_UNDONE.search(answer)) and not _UNDONE.search(gold)


def _is_same_ratio(gold: str, answer: str) -> bool:
    """`6:8` is `3:4`. With a zero it is a time of day and no ratio."""
    wanted, given = ([int(part) for part in text.split(":")] for text in (gold, answer))
    if 0 in wanted or 0 in given or len(wanted) != len(given):
        return wanted == given
    return all(a * given[0] == b * wanted[0] for a, b in zip(wanted, given, strict=True))


def _numbers(text: str) -> list[Fraction] | None:
    """The members of a list of plain numbers such as `3, -4`; None if it is anything else."""
    parts = _VALUE_COMMA.split(text)
    if len(parts) < 2 or len(parts) > 100 or "=" in text:
        return None
    values = [read_number(part) for part in parts]
    return None if None in values else [value for value in values if value is not None]


def _same_list(gold: list[Fraction], answer: list[Fraction]) -> bool:
    """In any order. Where the reference repeats a number the repeats count, else they do not."""
    if len(set(gold)) < len(gold):
        return sorted(gold) == sorted(answer)
    return set(gold) == set(answer)


def is_words(text: str) -> bool:
    r"""Whether a reference answer is prose or the letter of a choice, to be compared as text.

    As mathematics its letters would be a product, and any anagram of it would be right.

    >>> is_words(r"\text{no solution}"), is_words("(B)"), is_words("ab"), is_words("2x")
    (True, True, False, False)
    """
    return bool(_TEXT_ONLY.fullmatch(text) or _WORDS.fullmatch(text))


def is_prose(text: str) -> bool:
    r"""Whether an answer is a sentence: as mathematics its letters would be a slow, long product.

    >>> is_prose("There are infinitely many"), is_prose(r"\sin x and y"), is_prose("abc + def")
    (True, False, False)
    """
    found = _WORD_BY_WORD.search(_COMMAND.sub(" ", text))
    return found is not None and not any(map(_VALUE_WORD.fullmatch, found.groups()))


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
