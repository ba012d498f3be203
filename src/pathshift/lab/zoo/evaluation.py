"""The fixed problems that zoo models are measured on, and how far blind guessing gets on each.

Covers the sets, their floor curves and the number of tries up to which a floor stays below .05.
Each set is a task with options, so that `pathshift sample --tasks TASK -T KEY=VALUE ...` draws on
the same problems; `stored` keeps the slow sets, and says what no corpus may hold.

Three sets cannot hold the bound at 1,024 tries. In compose forty functions are too few: depth 1 is
guessed once in 40 tries at best and depth 2 once in 1,600. In countdown five numbers are too few:
against a uniformly random legal expression alone they would do, but a guesser that keeps to whole
numbers, as worked solutions do, reaches a target in one of a few thousand tries. These sets show
what a model knows of single functions, of pairs and of small hands, up to the stated number of
tries and no further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pathshift.errors import UnknownName
from pathshift.lab.zoo.corpus import MAX_NUMBER, TARGETS
from pathshift.problems.families import load_problems
from pathshift.records import Problem
from pathshift.stats.passk import floor_curve

BOUND = 0.05
"""Most that blind guessing may reach, as a mean over a set's problems."""

_SEED = 20_261_124
# The bound holds at 1,024 and at 256 tries: 1 - (1 - 5e-5)^1024 = .0499 = 1 - (1 - 2e-4)^256.
_AT_1024, _AT_256 = 5e-5, 2e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Problems of one kind.

    Attributes:
        task: The family.
        options: Its options, as `-T` gives them.
        tries: Largest k of the powers of two to 1,024 at which the floor is at most `BOUND`; 0 if
            even one try is guessed too often.
    """

    task: str
    options: Mapping[str, str]
    tries: int

    def problems(self, *, limit: int | None = None) -> list[Problem]:
        """The problems or the first ones of them, the same always, each with its exact floor.

        Drawing is slow where hard targets are looked for: `countdown-6` takes minutes.
        """
        return load_problems(self.task, self.options, limit=limit)

    @property
    def flags(self) -> str:
        """What names the set to `pathshift sample`."""
        options = " ".join(f"-T {key}={value}" for key, value in self.options.items())
        return f"--tasks {self.task} {options}"


def _compose(depth: int, *, n: int, tries: int) -> EvaluationSet:
    options = {"depth": depth, "definitions": "none", "n": n, "seed": _SEED}
    return EvaluationSet(
        task="compose", options={key: str(value) for key, value in options.items()}, tries=tries
    )


def _countdown(n_numbers: int, *, n: int, tries: int) -> EvaluationSet:
    max_floor = {1024: _AT_1024, 256: _AT_256}[tries]
    options = {
        "numbers": n_numbers, "max_number": MAX_NUMBER, "min_target": TARGETS[0],
        "max_target": TARGETS[1], "guesser": "whole",
        "max_floor": f"{max_floor:.5f}", "n": n, "seed": _SEED,
    }  # fmt: skip
    return EvaluationSet(
        task="countdown", options={key: str(value) for key, value in options.items()}, tries=tries
    )


SETS: Mapping[str, EvaluationSet] = {
    "compose-1": _compose(1, n=200, tries=1),
    "compose-2": _compose(2, n=200, tries=64),
    "compose-3": _compose(3, n=200, tries=1024),
    "compose-4": _compose(4, n=100, tries=1024),
    "countdown-5": _countdown(5, n=100, tries=256),
    "countdown-6": _countdown(6, n=100, tries=1024),
}
"""By name; the number is the depth, or how many numbers a problem has."""


def evaluation_set(name: str) -> EvaluationSet:
    """The set of that name.

    Raises:
        UnknownName: There is none; lists those there are.
    """
    if name not in SETS:
        raise UnknownName(f"no evaluation set {name!r}; there are: {', '.join(SETS)}")
    return SETS[name]


def floor_at(problems: Sequence[Problem], tries: Sequence[int]) -> list[float]:
    """Mean chance over the problems that blind guessing is right within each of `tries`.

    Raises:
        ValueError: A problem has no floor.
    """
    floors = [problem.floor for problem in problems if problem.floor is not None]
    if len(floors) < len(problems):
        raise ValueError(f"{len(problems) - len(floors)} of {len(problems)} problems have no floor")
    curve: list[float] = floor_curve(np.array(floors), np.array(tries)).tolist()
    return curve
