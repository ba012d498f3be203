"""reasoning-gym's own scorers, asked in the worker only, behind a check of the answer's form.

Nine of its scorers hand the model's text to Python (as of reasoning-gym 0.1.25): four call `eval`,
five call a parser that evaluates. Such a scorer is asked only about text that is the reference
answer, a Python literal, or a formula of known names; any other text earns no credit there anyway,
because an answer counts as correct from a score of .99 on, which these scorers give to exact
matches and to formulas alone. Three scorers take wrong answers for right and are refused, with the
reason (docs/audit.md has the counts).

Entries are JSON, as stored with the problem; where a scorer compares tuples they are restored.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify.jobs import Job

CORRECT_FROM = 0.99

LITERAL_SCORERS = frozenset({"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"})
"""Data sets whose scorer evaluates an answer that is not the reference."""

FORMULA_SCORERS = frozenset(
    {
        "simple_integration",
        "intermediate_integration",
        "polynomial_multiplication",
        "puzzle24",
        "countdown",
    }
)
"""Data sets whose scorer gives the answer to a parser that evaluates names and attributes."""

BROKEN_SCORERS: Mapping[str, str] = {
    "game_of_life_halting": "accepts every answer that is not empty",
    "coin_flip": "accepts 0 for every probability below 1",
    "puzzle24": "accepts any four numbers that make 24, not only those given",
}
"""Data sets whose scorer takes wrong answers for right, and which: a curve made with one is void.
The audit finds them by its constants and by the answers of other problems."""

_TUPLE_GRIDS = frozenset({"arc_agi", "rearc"})

_FORMULA = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+|[A-Za-z]+[0-9]*|[-+*/^(), \n]){1,2000}")
_NAME = re.compile(r"[A-Za-z]+")
_KNOWN_NAME = re.compile(r"[A-Za-z]|a?(?:sin|cos|tan)h?|cot|sec|csc|exp|log|ln|sqrt|pi|Abs")


def grade(answer: str, problem: Problem) -> Job:
    """The job that asks the scorer of `data["dataset"]` about `data["entry"]`.

    Raises:
        ConfigError: The problem does not come from reasoning-gym, or its scorer takes wrong answers
            for right.
    """
    try:
        payload = {key: problem.data[key] for key in ("dataset", "entry")}
    except KeyError as missing:
        raise ConfigError(
            f"problem {problem.id} of task {problem.task} has no data[{missing}], which the "
            "verifier reasoning_gym needs; choose another verifier"
        ) from None
    if slip := BROKEN_SCORERS.get(payload["dataset"]):
        raise ConfigError(
            f"problem {problem.id}: reasoning-gym's scorer for {payload['dataset']} {slip}, so "
            "that a policy can be right without solving; choose another data set, or a --verifier "
            "that compares with the reference"
        )
    return Job(kind="reasoning_gym", payload={**payload, "answer": answer})


def load() -> Callable[[Mapping[str, Any]], Outcome]:
    """Imports reasoning-gym and returns the grader of jobs with `dataset`, `entry`, `answer`.

    A ValueError out of a scorer means that it could not read the answer: UNPARSED.
    """
    import reasoning_gym

    def grade_job(payload: Mapping[str, Any]) -> Outcome:
        name, answer = payload["dataset"], payload["answer"]
        entry = _restored(name, payload["entry"])
        if not is_harmless(name, entry, answer):
            return Outcome.WRONG
        scorer = reasoning_gym.get_score_answer_fn(name)
        try:
            score = scorer(answer, entry)
        except ValueError:
            return Outcome.UNPARSED
        return Outcome.CORRECT if score >= CORRECT_FROM else Outcome.WRONG

    return grade_job


def _restored(dataset: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if dataset not in _TUPLE_GRIDS:
        return entry
    grid = tuple(tuple(row) for row in entry["metadata"]["output"])
    return {**entry, "metadata": {**entry["metadata"], "output": grid}}


def is_harmless(dataset: str, entry: Mapping[str, Any], answer: str) -> bool:
    """Whether this data set's scorer may see the answer; the exact reference always may.

    >>> is_harmless("n_queens", {"answer": "Q _"}, "open('x', 'w')")
    False
    """
    if answer in _references(entry):
        return True
    if dataset in LITERAL_SCORERS:
        return _is_literal(answer)
    return dataset not in FORMULA_SCORERS or _is_formula(answer)


def _references(entry: Mapping[str, Any]) -> list[str]:
    metadata = entry.get("metadata") or {}
    return [str(entry.get("answer")), *metadata.get("valid_answers", [])]


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _is_formula(text: str) -> bool:
    """Numbers, operators and names that mean a variable or a known function; no attributes."""
    if not _FORMULA.fullmatch(text):
        return False
    return all(map(_KNOWN_NAME.fullmatch, _NAME.findall(text)))
