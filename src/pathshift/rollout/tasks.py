"""The table that joins a family of problems, its template and its verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pathshift.errors import UnknownName
from pathshift.rollout import code_templates, templates
from pathshift.rollout.templates import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How a family is asked and judged unless the user says otherwise.

    Attributes:
        template: Its two ways of asking.
        verifier: Name in `verify.verifiers.VERIFIERS`.
        max_tokens: Enough for an answer in the template's style.
    """

    template: Template
    verifier: str
    max_tokens: int


TASKS: Mapping[str, Task] = {
    "arithmetic": Task(template=templates.ARITHMETIC, verifier="number-first", max_tokens=32),
    "countdown": Task(template=templates.COUNTDOWN, verifier="countdown", max_tokens=512),
    "compose": Task(template=templates.COMPOSE, verifier="text", max_tokens=256),
    "gsm8k": Task(template=templates.GSM8K, verifier="number", max_tokens=512),
    "math500": Task(template=templates.MATH, verifier="math", max_tokens=2048),
    "aime24": Task(template=templates.MATH, verifier="math", max_tokens=4096),
    "amc23": Task(template=templates.MATH, verifier="math", max_tokens=4096),
    "jsonl": Task(template=templates.PLAIN, verifier="math", max_tokens=1024),
    "reasoning_gym": Task(template=templates.TAGGED, verifier="reasoning_gym", max_tokens=1024),
    "humaneval": Task(template=code_templates.HUMANEVAL, verifier="code-tests", max_tokens=512),
    "mbpp": Task(template=code_templates.MBPP, verifier="code-tests", max_tokens=512),
    "cruxeval": Task(template=code_templates.CRUXEVAL, verifier="cruxeval", max_tokens=1024),
}


def task_named(spec: str) -> Task:
    """The task of a spec; what stands behind a colon belongs to its family.

    Raises:
        UnknownName: lists the tasks there are.
    """
    name = spec.partition(":")[0]
    if name not in TASKS:
        raise UnknownName(f"task {name!r} is not known; use one of {', '.join(TASKS)}")
    return TASKS[name]
