"""What is audited: problems, their reference answers, and a verifier that may do anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol, Self

from pathshift.errors import ConfigError
from pathshift.problems.families import FAMILIES, load_problems
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.rollout.tasks import task_named
from pathshift.verify.judge import Judge

RIGHT_FROM = 0.99
"""Score from which an answer counts as right."""

NOT_ASKED = "not asked, since others timed out"
"""Detail of a mark where the verifier hung too often to be asked again."""

FORMS = (r"\boxed{@}", "<answer>@</answer>", "The answer is @.", "#### @", "@")
"""Ways to present an answer; the audit uses the one in which most references are found right."""

AT = "@"
"""Stands for the answer in a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """How much to try.

    Attributes:
        limit: Problems to look at.
        seed: Seed of the problems and of the choice of attacks.
        others: Reference answers of other problems tried on each problem.
        timeout_s: Wall limit of judging one answer.
        wall_s: Wall limit of a reasoning-gym data set, its child's start included.
        workers: Data sets audited at a time.
    """

    limit: int = 50
    seed: int = 0
    others: int = 16
    timeout_s: float = 5.0
    wall_s: float = 300.0
    workers: int = 2

    def __post_init__(self) -> None:
        for name, low in (("limit", 2), ("seed", 0), ("others", 1), ("workers", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("timeout_s", "wall_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0 seconds, got {getattr(self, name)}")


class Mark(NamedTuple):
    """What a verifier made of one answer; score None if it raised, hung or crashed."""

    score: float | None
    detail: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the answer counts as right."""
        return self.score is not None and self.score >= RIGHT_FROM


class Subject(Protocol):
    """A task under audit.

    Attributes:
        task: Its spec.
        verifier: Name of what judges.
        forms: Ways to present an answer, each with one `AT`.
        is_seeded: Whether another seed gives other problems.
        states_floor: Whether its problems should say what guessing reaches.
    """

    task: str
    verifier: str
    forms: Sequence[str]
    is_seeded: bool
    states_floor: bool

    def problems(self, seed: int, limit: int) -> list[Problem]:
        """The first problems of a seed."""
        ...

    def reference(self, problem: Problem) -> str | None:
        """The reference answer; None if there is none."""
        ...

    def marks(self, pairs: Sequence[tuple[Problem, str]]) -> list[Mark]:
        """What the verifier makes of texts; its failures are marks, never exceptions."""
        ...


class TaskSubject:
    """A task of this package with its verifier; close it after use."""

    forms: Sequence[str] = FORMS
    states_floor = True

    def __init__(
        self,
        spec: str,
        pairs: Mapping[str, str] | None = None,
        *,
        verifier: str | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        self.task = spec
        self.verifier = verifier or task_named(spec).verifier
        self._pairs = dict(pairs or {})
        self._judge = Judge(self.verifier, timeout_s=timeout_s)
        self.is_seeded = is_seeded(spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._judge.close()

    def problems(self, seed: int, limit: int) -> list[Problem]:
        """See `Subject`; a task without a seed has the same problems for all."""
        given = {**self._pairs, "seed": str(seed)} if self.is_seeded else self._pairs
        return load_problems(self.task, given, limit=limit)

    def reference(self, problem: Problem) -> str | None:
        """See `Subject`."""
        return problem.gold or None

    def marks(self, pairs: Sequence[tuple[Problem, str]]) -> list[Mark]:
        """See `Subject`."""
        samples = [(problem, _sample(problem, i, text)) for i, (problem, text) in enumerate(pairs)]
        try:
            return [_mark(verdict) for verdict in self._judge.verdicts(samples)]
        except Exception:  # noqa: BLE001  a verifier that raises is what an audit looks for
            return [self._mark_alone(pair) for pair in samples]

    def _mark_alone(self, pair: tuple[Problem, Sample]) -> Mark:
        try:
            return _mark(self._judge.verdicts([pair])[0])
        except Exception as error:  # noqa: BLE001  as above
            return Mark(None, f"{type(error).__name__}: {error}"[:200])


def is_seeded(spec: str) -> bool:
    """Whether the task's family draws its problems by a seed."""
    options = FAMILIES[spec.partition(":")[0]].options
    return any(field.name == "seed" for field in fields(options))


def _sample(problem: Problem, number: int, text: str) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=number, seed=number, text=text, n_tokens=None,
        finish_reason="stop",
    )  # fmt: skip


def _mark(verdict: Verdict) -> Mark:
    if verdict.outcome is Outcome.FAILED:
        return Mark(None, verdict.detail)
    return Mark(float(verdict.outcome is Outcome.CORRECT))
