"""The pieces of work of the study: each in a folder of its own, and each can be gone on with.

DIR/plan.json
DIR/problems/FAMILY-train.jsonl ...   what is trained on and measured on (`problem_files`)
DIR/done/JOB.json                     one small file a finished job, with what came of it
DIR/FAMILY/tune/ARM-1/                training folders: tuning, and
DIR/FAMILY/train/ARM-s0/              every arm and seed, its looks in runs/step-000020
DIR/FAMILY/final/MODEL/inside/        run folders of the last measurement
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathshift.errors import RunError
from pathshift.lab.algorithms.plan import Arm, Family, Plan
from pathshift.store.manifest import write_json

DONE = "done"
BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work.

    Attributes:
        kind: "time", "tune", "train" or "final".
        family: Its name.
        label: Unlike those of the other jobs of its kind and family: what is trained or measured.
        arm: Name of the arm; empty where no arm is meant.
        seed: Of a training.
        rate: Learning rate; None where a finished tuning says it.
        spec: Model spec that a final job measures; empty for a model trained here.
        needs: Names of the jobs that come before.
    """

    kind: str
    family: str
    label: str
    arm: str = ""
    seed: int = 0
    rate: float | None = None
    spec: str = ""
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unlike all others; also its folder below the study's."""
        return f"{self.family}/{self.kind}/{self.label}"


def jobs_of(plan: Plan, *, workers: int = 1) -> list[Job]:
    """Every job, in the order in which they are best begun: what others wait for comes first."""
    kinds = (timings(plan, workers), tunings(plan), trainings(plan), finals(plan))
    return [job for kind in kinds for job in kind]


def timings(plan: Plan, workers: int) -> Iterator[Job]:
    """As many as there are workers, so that they are timed while they hinder each other."""
    for family in plan.families:
        for worker in range(workers):
            yield Job(kind="time", family=family.name, label=str(worker), arm=plan.arms[0].name)


def tunings(plan: Plan) -> Iterator[Job]:
    """Every learning rate of every arm that is tuned."""
    for family in plan.families:
        for arm in plan.arms:
            for i, rate in enumerate(plan.rates if arm.tunes else ()):
                yield Job(
                    kind="tune", family=family.name, label=f"{arm.name}-{i}", arm=arm.name,
                    seed=plan.tune_seed, rate=rate,
                )  # fmt: skip


def trainings(plan: Plan) -> Iterator[Job]:
    """Every arm and seed; the longest first."""
    for family in plan.families:
        for arm in sorted(plan.arms, key=plan.steps_of, reverse=True):
            needs = tuple(_tuning_names(plan, family, arm))
            for seed in plan.seeds_of(arm):
                yield Job(
                    kind="train", family=family.name, label=model_label(arm, seed), arm=arm.name,
                    seed=seed, needs=needs,
                )  # fmt: skip


def finals(plan: Plan) -> Iterator[Job]:
    """The base, what stands beside it, and every trained model."""
    for family in plan.families:
        for label, spec in {BASE: family.base, **family.beside}.items():
            yield Job(kind="final", family=family.name, label=label, spec=spec)
        for job in trainings(plan):
            if job.family == family.name:
                yield Job(
                    kind="final", family=family.name, label=job.label, arm=job.arm, seed=job.seed,
                    needs=(job.name,),
                )  # fmt: skip


def model_label(arm: Arm, seed: int) -> str:
    """What a trained model is called."""
    return f"{arm.name}-s{seed}"


def _tuning_names(plan: Plan, family: Family, arm: Arm) -> Iterator[str]:
    tuned = arm.rate_of or arm.name
    for i in range(len(plan.rates)):
        yield f"{family.name}/tune/{tuned}-{i}"


# --- what is finished ----------------------------------------------------------------------------


def done_path(root: Path, name: str) -> Path:
    """The file that says that a job is finished."""
    return root / DONE / f"{re.sub('/', '__', name)}.json"


def is_done(root: Path, name: str) -> bool:
    """Whether a job is finished."""
    return done_path(root, name).is_file()


def finish(root: Path, name: str, outcome: Mapping[str, Any]) -> None:
    """Say that a job is finished, and what came of it."""
    path = done_path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(outcome, path)


def outcome_of(root: Path, name: str) -> dict[str, Any]:
    """What came of a finished job.

    Raises:
        RunError: it is not finished, or the file cannot be read.
    """
    path = done_path(root, name)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunError(f"{name} is not finished: run the same `pathshift lab run` again") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}); remove it and run again") from error


def best_rate(root: Path, plan: Plan, family: str, arm: Arm) -> float:
    """The learning rate whose tuning ended with the highest mean reward; of equal ones the lower.

    Raises:
        RunError: a tuning of it is not finished.
    """
    names = _tuning_names(plan, plan.family(family), arm)
    rewards = [float(outcome_of(root, name)["reward"]) for name in names]
    pairs = zip(plan.rates, rewards, strict=True)
    return max(pairs, key=lambda pair: (pair[1], -pair[0]))[0]


def ready(jobs: Sequence[Job], done: set[str], begun: set[str]) -> Job | None:
    """The next job that waits for nothing; None if there is none yet."""
    for job in jobs:
        if job.name not in done | begun and set(job.needs) <= done:
            return job
    return None
