"""Tasks with one defect each, whose truth is known by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pathshift.records import Problem
from pathshift.rollout.audit.subject import AT, Mark

Grade = Callable[[Problem, str], float]


def exact(problem: Problem, text: str) -> float:
    """What a sound verifier says."""
    return float(text == problem.gold)


def distinct(seed: int, number: int) -> Problem:
    """A problem that no other seed or number repeats."""
    return problem(f"{seed}-{number}", f"What is {seed} and {number}?", f"gold {seed} {number}")


def problem(name: str, question: str, gold: str) -> Problem:
    return Problem(id=name, task="toy", question=question, gold=gold, floor=0.0)


@dataclass
class Toy:
    """A subject of which one part may be broken."""

    grade: Grade = exact
    draw: Callable[[int, int], Problem] = distinct
    references: Callable[[Problem], str | None] = lambda p: p.gold
    task: str = "toy"
    verifier: str = "toy"
    forms: Sequence[str] = (AT,)
    is_seeded: bool = True
    states_floor: bool = True
    asked: list[str] = field(default_factory=list)

    def problems(self, seed: int, limit: int) -> list[Problem]:
        return [self.draw(seed, number) for number in range(limit)]

    def reference(self, problem: Problem) -> str | None:
        return self.references(problem)

    def marks(self, pairs: Sequence[tuple[Problem, str]]) -> list[Mark]:
        return [self._mark(problem, text) for problem, text in pairs]

    def _mark(self, problem: Problem, text: str) -> Mark:
        self.asked.append(text)
        try:
            return Mark(self.grade(problem, text))
        except TimeoutError:
            return Mark(None, "timed out after 5 s")
        except ValueError as error:
            return Mark(None, f"ValueError: {error}")
