"""The verifiers by name: an extractor (text -> answer or None) and a grader each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from pathshift.errors import MissingExtra, UnknownName
from pathshift.records import Outcome, Problem
from pathshift.verify import (
    code,
    code_text,
    countdown,
    cruxeval,
    extract,
    gym,
    number,
    symbolic,
)
from pathshift.verify.jobs import Job

Grader = Callable[[str, Problem], Outcome | Job]
"""(answer, problem) -> what became of it, or the job that a worker process settles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """An optional package: the module, its name on the package index, and our extra."""

    module: str
    package: str
    extra: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """How answers of one kind are found and judged.

    Attributes:
        name: What the command line calls it.
        summary: One line for a listing.
        extract: Text -> the answer as written, or None (UNPARSED).
        grade: Decides here, or returns a job for the worker.
        worker: Kind of the jobs; None if every answer is decided in this process.
        needs: The package that the worker imports.
        max_chars: A longer "answer" is none: UNPARSED.
        in_sandbox: Its jobs are programs to run: they go to the code sandbox, not to a worker.
    """

    name: str
    summary: str
    extract: Callable[[str], str | None]
    grade: Grader
    worker: str | None = None
    needs: Requirement | None = None
    max_chars: int = 2_000
    in_sandbox: bool = False


def _grade_string(answer: str, problem: Problem) -> Outcome:
    same = extract.trim_string(answer) == extract.trim_string(problem.gold)
    return Outcome.CORRECT if same else Outcome.WRONG


_ALL = (
    Verifier(
        name="number",
        summary="a marked number, compared exactly as a fraction",
        extract=extract.number,
        grade=number.grade,
    ),
    Verifier(
        name="number-lenient",
        summary="as number, or else the last number in the text; inflates what guessing reaches",
        extract=extract.number_or_last,
        grade=number.grade,
    ),
    Verifier(
        name="number-first",
        summary="as number, or else the number the text begins with; for completions of Answer:",
        extract=extract.number_or_first,
        grade=number.grade,
    ),
    Verifier(
        name="math",
        summary="a marked expression, compared exactly or by math-verify with a second opinion",
        extract=extract.expression,
        grade=symbolic.grade,
        worker="math",
        needs=Requirement(module="math_verify", package="math-verify", extra="math"),
    ),
    Verifier(
        name="countdown",
        summary="an expression over the given numbers; the first complete answer counts",
        extract=countdown.first_answer,
        grade=countdown.grade,
    ),
    Verifier(
        name="countdown-strict",
        summary="an expression over the given numbers, on the last line and nothing after it",
        extract=countdown.last_line,
        grade=countdown.grade,
    ),
    Verifier(
        name="text",
        summary="a string, compared letter by letter without surrounding quotes and space",
        extract=extract.string,
        grade=_grade_string,
    ),
    Verifier(
        name="reasoning_gym",
        summary="the data set's own scorer; correct from a score of .99 on",
        extract=extract.tagged_or_whole,
        grade=gym.grade,
        worker="reasoning_gym",
        needs=Requirement(module="reasoning_gym", package="reasoning-gym", extra="gym"),
        max_chars=50_000,
    ),
    Verifier(
        name="code-tests",
        summary="a program, fenced or continued, that runs a problem's tests to their end",
        extract=code_text.code_of,
        grade=code.grade,
        max_chars=50_000,
        in_sandbox=True,
    ),
    Verifier(
        name="cruxeval",
        summary="a Python literal compared by value, or arguments that give the stated result",
        extract=cruxeval.extract,
        grade=cruxeval.grade,
        max_chars=cruxeval.MAX_ANSWER,
        in_sandbox=True,
    ),
)

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in _ALL}


def verifier_named(name: str) -> Verifier:
    """The verifier of that name.

    Raises:
        UnknownName: There is none; the message lists those there are.
    """
    try:
        return VERIFIERS[name]
    except KeyError:
        raise UnknownName(
            f"no verifier is called {name!r}; there are: {', '.join(VERIFIERS)}"
        ) from None


def check_installed(verifier: Verifier) -> None:
    """Raises MissingExtra if the verifier's package is absent. Imports nothing.

    Asked before the first answer, not when the first hard one comes: a run must not end half way,
    nor judge by a weaker rule, because of what is installed.
    """
    needs = verifier.needs
    if needs is not None and importlib.util.find_spec(needs.module) is None:
        raise MissingExtra(needs.package, needs.extra)
