"""The table of task families, and loading one by its spec.

A spec is a family's name (`countdown`), or a name and what it takes behind a colon (`jsonl:PATH`,
`reasoning_gym:NAME`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pathshift.errors import ConfigError, InputError, UnknownName
from pathshift.problems import (
    aime24,
    amc23,
    arithmetic,
    compose,
    countdown,
    cruxeval,
    gsm8k,
    humaneval,
    jsonl,
    math500,
    mbpp,
    reasoning_gym,
)
from pathshift.problems.options import parse_options
from pathshift.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One task family.

    Attributes:
        name: What a spec calls it.
        summary: What is asked, in one line.
        options: The frozen dataclass of its options.
        load: `load(options, limit=...)`, its problems in a fixed order.
        licence: Where the problems come from and under which licence.
        floor: The null policy, in one sentence.
        argument: The option that takes the text behind the colon of a spec; None if none does.
    """

    name: str
    summary: str
    options: type[Any]
    load: Callable[..., list[Problem]]
    licence: str
    floor: str
    argument: str | None = None


_WHOLE_NUMBER = "A uniform whole number from 0 to 999; 0 where the answer is no such number."
_OWN = "made by this package's generator"

FAMILIES: dict[str, Family] = {
    "countdown": Family(
        name="countdown",
        summary="Make a target from 3 to 6 numbers with + - * /, each number used once.",
        options=countdown.Options,
        load=countdown.load,
        licence=_OWN,
        floor="A uniformly random legal expression over the numbers; exact.",
    ),
    "compose": Family(
        name="compose",
        summary="What is f(g(h(x))) for named functions on strings?",
        options=compose.Options,
        load=compose.load,
        licence=_OWN,
        floor="The better of blindly chosen functions and a blind shuffle of the letters; exact.",
    ),
    "arithmetic": Family(
        name="arithmetic",
        summary="Sums, differences and products of two whole numbers.",
        options=arithmetic.Options,
        load=arithmetic.load,
        licence=_OWN,
        floor="A uniform whole number among those the operation and the digits allow; exact.",
    ),
    "gsm8k": Family(
        name="gsm8k",
        summary="1,319 grade-school word problems (test split), shipped.",
        options=gsm8k.Options,
        load=gsm8k.load,
        licence="openai/grade-school-math, MIT, Copyright (c) 2021 OpenAI",
        floor=_WHOLE_NUMBER,
    ),
    "math500": Family(
        name="math500",
        summary="500 competition problems with free-form answers; not shipped.",
        options=math500.Options,
        load=math500.load,
        licence="not shipped: a local file or the hub's HuggingFaceH4/MATH-500, rights unclear",
        floor=_WHOLE_NUMBER,
    ),
    "aime24": Family(
        name="aime24",
        summary="30 AIME problems of 2024; not shipped.",
        options=aime24.Options,
        load=aime24.load,
        licence="not shipped: a local file or the hub's Maxwell-Jia/AIME_2024, rights unclear",
        floor=_WHOLE_NUMBER,
    ),
    "amc23": Family(
        name="amc23",
        summary="40 AMC 12 problems of 2023; not shipped.",
        options=amc23.Options,
        load=amc23.load,
        licence="not shipped: a local file or the hub's math-ai/amc23, rights unclear",
        floor=_WHOLE_NUMBER,
    ),
    "jsonl": Family(
        name="jsonl",
        summary="Your own problems: jsonl:FILE (.jsonl, .json, .csv, .parquet) or a hub id.",
        options=jsonl.Options,
        load=jsonl.load,
        licence="the file's own",
        floor="The row's field `floor`; unknown without it.",
        argument="path",
    ),
    "reasoning_gym": Family(
        name="reasoning_gym",
        summary="reasoning_gym:NAME, a procedural data set (needs the extra gym).",
        options=reasoning_gym.Options,
        load=reasoning_gym.load,
        licence="reasoning-gym, Apache-2.0, not shipped",
        floor="The gold answer of another item, judged by the data set's scorer; simulated.",
        argument="name",
    ),
    "humaneval": Family(
        name="humaneval",
        summary="164 Python functions to complete, with tests, shipped; run in the code sandbox.",
        options=humaneval.Options,
        load=humaneval.load,
        licence="openai/human-eval, MIT, Copyright (c) OpenAI",
        floor="A one-line body that ignores the docstring, uniform over 40; exact.",
    ),
    "cruxeval": Family(
        name="cruxeval",
        summary="800 Python functions: what is returned or (-T asks=input) was given; shipped.",
        options=cruxeval.Options,
        load=cruxeval.load,
        licence="facebookresearch/cruxeval, MIT, Copyright (c) 2023 Meta",
        floor="What the line shows, handed over, or another problem's answer, half each; exact.",
    ),
    "mbpp": Family(
        name="mbpp",
        summary="Your own programs with tests: mbpp:FILE with text, code, test_list (MBPP's form).",
        options=mbpp.Options,
        load=mbpp.load,
        licence="the file's own",
        floor="The row's field `floor`; unknown without it.",
        argument="path",
    ),
}
"""Every family by its name."""


def load_problems(
    spec: str, pairs: Mapping[str, str] | None = None, *, limit: int | None = None
) -> list[Problem]:
    """Problems of the family that `spec` names: the same ones for the same options.

    Args:
        spec: NAME, or NAME:ARGUMENT for the families that take one.
        pairs: Task options as text, as `-T key=value` gives them.
        limit: Take only so many, the first ones; None for all.

    Raises:
        UnknownName: No family has this name.
        ConfigError: An option is unknown or out of its range.
        InputError: The rows are not to be had or break a rule, or two problems share an id.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, got {limit}")
    name, colon, argument = spec.partition(":")
    family = FAMILIES.get(name)
    if family is None:
        raise UnknownName(f"no task {name!r}; there are: {', '.join(FAMILIES)}")
    given = dict(pairs or {})
    if colon:
        _take_argument(family, argument, given)
    problems = family.load(parse_options(family.options, given), limit=limit)
    _check(problems, spec)
    return problems


def _take_argument(family: Family, argument: str, given: dict[str, str]) -> None:
    if family.argument is None:
        raise ConfigError(f"{family.name} takes nothing behind a colon, got {argument!r}")
    if family.argument in given:
        raise ConfigError(
            f"{family.argument} is given twice: {argument!r} and {given[family.argument]!r}"
        )
    given[family.argument] = argument


def _check(problems: list[Problem], spec: str) -> None:
    if not problems:
        raise InputError(f"{spec} holds no problems")
    places: dict[str, int] = {}
    for place, problem in enumerate(problems, 1):
        first = places.setdefault(problem.id, place)
        if first != place:
            raise InputError(
                f"{spec}: problems {first} and {place} share the id {problem.id!r}; ids must differ"
            )
