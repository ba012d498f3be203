"""The bench that all probes share, and how they name what they saw."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pathshift.problems.seeds import generator
from pathshift.records import Problem
from pathshift.rollout.audit.result import Attack, Finding
from pathshift.rollout.audit.subject import AT, RIGHT_FROM, AuditOptions, Mark, Subject

BUDGETS = 8
"""A probe may take this part of the wall limit."""


@dataclass(slots=True, kw_only=True)
class Bench:
    """What the probes share: the problems, how answers are presented, and what came back."""

    subject: Subject
    options: AuditOptions
    problems: list[Problem]
    form: str = AT
    attacks: list[Attack] = field(default_factory=list)
    wrong: list[tuple[str, Mark]] = field(default_factory=list)
    """Answers that are wrong by construction, with their marks."""
    seconds: float = 0.0
    n_marks: int = 0

    @property
    def affordable(self) -> int:
        """How many answers a probe may have judged, from what one took so far.

        Only a slow verifier is asked less than the probes would like.
        """
        if not self.n_marks:
            return 1_000_000
        pace = max(self.seconds / self.n_marks, 1e-6)
        return max(2 * len(self.problems), int(self.options.wall_s / BUDGETS / pace))

    @property
    def referenced(self) -> list[tuple[Problem, str]]:
        """The problems that have a reference answer, with it."""
        both = ((p, self.subject.reference(p)) for p in self.problems)
        return [(problem, answer) for problem, answer in both if answer is not None]

    def say(self, answer: str) -> str:
        """The answer in the form that the verifier reads best."""
        return self.form.replace(AT, answer)

    def marks(self, pairs: Sequence[tuple[Problem, str]]) -> list[Mark]:
        """Marks of answers, presented in the form."""
        started = time.monotonic()
        marks = self.subject.marks([(problem, self.say(answer)) for problem, answer in pairs])
        self.seconds += time.monotonic() - started
        self.n_marks += len(marks)
        return marks

    def attack(self, kind: str, pairs: Sequence[tuple[Problem, str]]) -> tuple[Attack, list[Mark]]:
        """Judge wrong answers and keep the count."""
        marks = self.marks(pairs)
        made = Attack(
            kind=kind,
            asked=len(marks),
            right=sum(mark.is_right for mark in marks),
            failed=sum(mark.score is None for mark in marks),
            partial=sum(0 < (mark.score or 0) < RIGHT_FROM for mark in marks),
        )
        self.attacks.append(made)
        self.wrong.extend((answer, mark) for (_, answer), mark in zip(pairs, marks, strict=True))
        return made, marks


def generator_of(bench: Bench, probe: str) -> random.Random:
    """The random choices of one probe, the same ones for the same seed."""
    return generator("audit", probe, bench.options.seed)


def score_of(mark: Mark) -> str:
    """A mark in brackets."""
    return f"({mark.detail})" if mark.score is None else f"(score {mark.score:.3g})"


def plain(text: str) -> str:
    """Text without differences of case and space."""
    return " ".join(text.casefold().split())


def is_same(answer: str, reference: str | None) -> bool:
    """Whether two answers are one in other dress: case, space, or a number written otherwise."""
    if reference is None:
        return False
    left, right = plain(answer), plain(reference)
    if left == right:
        return True
    try:
        return float(left) == float(right)
    except (ValueError, OverflowError):
        return False


def shown(text: str) -> str:
    """A text in one short line without control characters."""
    line = repr(text)
    return line if len(line) <= 60 else line[:56] + "…" + line[-1]


def undetermined(seen: str) -> Finding:
    """The finding that something differs between two equal calls."""
    return Finding(
        severity="error", name="determinism", seen=seen,
        advice="fix the seed of every draw; two models would be asked different things",
    )  # fmt: skip
