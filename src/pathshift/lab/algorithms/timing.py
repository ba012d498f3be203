"""How long the study takes: from what a step and a sample took on this machine.

An estimate. Answers grow shorter or longer while models learn, and other work slows the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pathshift.lab.algorithms.jobs import Job, outcome_of
from pathshift.lab.algorithms.plan import Arm, Plan

START_SECONDS = 3.0
"""Loading a model and problems."""
_DRAWS = {"dapo": 2.0}
_LEARNS = {"ppo": 1.3}


class Pace(NamedTuple):
    """Seconds on one worker while all are busy: drawing and learning of a step, one sample."""

    drawing: float
    learning: float
    sample: float


def paces(root: Path, jobs: Sequence[Job]) -> dict[str, Pace]:
    """The mean pace of each family, from its finished timings."""
    found: dict[str, list[Pace]] = {}
    for job in jobs:
        if job.kind == "time":
            told = outcome_of(root, job.name)
            pace = Pace(*(float(told[name]) for name in Pace._fields))
            found.setdefault(job.family, []).append(pace)
    return {
        family: Pace(*(sum(each) / len(each) for each in zip(*all_, strict=True)))
        for family, all_ in found.items()
    }


def seconds_of(job: Job, plan: Plan, pace: Pace) -> float:
    """What a job should take."""
    if job.kind == "time":
        return START_SECONDS + 3 * (pace.drawing + pace.learning)
    if job.kind == "tune":
        return START_SECONDS + plan.tune_steps * _step(plan.arm(job.arm), plan, pace)
    if job.kind == "train":
        arm = plan.arm(job.arm)
        n_steps = plan.steps_of(arm)
        n_looks = 1 + -(-n_steps // plan.look_every)
        looks = n_looks * plan.look_problems * plan.look_n * pace.sample
        return START_SECONDS + n_steps * _step(arm, plan, pace) + looks
    family = plan.family(job.family)
    n_problems = sum(n for _, n in family.sets.values())
    return START_SECONDS + n_problems * plan.final_n * pace.sample


def _step(arm: Arm, plan: Plan, pace: Pace) -> float:
    redrawn = min(_DRAWS.get(arm.algorithm, 1.0), 1.0 + plan.redraws)
    return pace.drawing * redrawn + pace.learning * _LEARNS.get(arm.algorithm, 1.0)


@dataclass(slots=True)
class Clock:
    """Time left, from the jobs' estimates, mended by how long those that are done took.

    Attributes:
        expected: Seconds of each job by name.
        share: How much of each begun job is done.
    """

    expected: Mapping[str, float]
    workers: int
    share: dict[str, float]
    taken: float = 0.0
    foretold: float = 0.0

    def done(self, name: str, seconds: float) -> None:
        """A job took so long."""
        self.share[name] = 1.0
        self.taken += seconds
        self.foretold += self.expected[name]

    @property
    def factor(self) -> float:
        """Taken over foretold so far, begun with as one minute of trust in the estimate."""
        return (60.0 + self.taken) / (60.0 + self.foretold)

    @property
    def seconds_left(self) -> float:
        """Until all are done, if the work could be shared out evenly."""
        left = sum(s * (1 - self.share.get(name, 0.0)) for name, s in self.expected.items())
        return self.factor * left / self.workers


def told(seconds: float) -> str:
    """A duration in words a person uses.

    >>> told(42), told(600), told(5400)
    ('42 s', '10 min', '1 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
