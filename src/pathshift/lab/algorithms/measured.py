"""What the finished jobs of a study hold, as arrays: counts by model and set, looks by run.

Models are joined into ways: an arm with its seeds, the base, or what stands beside it. Covers
reading only; jobs that are not done are left out, so that a study can be looked at half-way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pathshift.lab.algorithms.jobs import BASE, Job, finals, is_done, trainings
from pathshift.lab.algorithms.plan import Family, Plan
from pathshift.stats.passk import FloatArray, IntArray, miss_table
from pathshift.store.counts import run_counts
from pathshift.store.manifest import is_run
from pathshift.training.progress import read_metrics

KL_STEPS = 5
"""A look's divergence is the mean over so many steps before it: that of one step is noisy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to get a model, with a model a seed.

    Attributes:
        label: "base", an arm's name, or that of a model beside.
        kind: "base", "beside", or the arm's.
        counts_SQ2: Columns n and c by seed and problem.
    """

    label: str
    kind: str
    seeds: tuple[int, ...]
    counts_SQ2: IntArray

    def success(self, k: IntArray) -> FloatArray:
        """pass@k by seed and problem at the k asked for, shape (S, Q, K)."""
        tables = [
            1 - miss_table(rows[:, 0], rows[:, 1], int(k[-1]))[:, k - 1] for rows in self.counts_SQ2
        ]
        return np.stack(tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSet:
    """One set of problems, the same for every way.

    Attributes:
        k: Powers of two to the samples that every model has of every problem.
        floor_Q: Chance of a blind guess by problem; NaN where it is not known.
        ways: The base first.
    """

    name: str
    k: IntArray
    ids: tuple[str, ...]
    floor_Q: FloatArray
    ways: tuple[Way, ...]

    @property
    def base(self) -> Way:
        """The base."""
        return self.ways[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The looks of one training.

    Attributes:
        steps: Of each look, shape (L,).
        kl: Divergence from the base in nats a token, 0 at step 0, shape (L,).
        curve_LK: pass@k at `k`.
    """

    arm: str
    seed: int
    steps: IntArray
    kl: FloatArray
    k: IntArray
    curve_LK: FloatArray


def measured_set(root: Path, plan: Plan, family: Family, use: str) -> MeasuredSet | None:
    """Everything that was measured on one set; None while the base is not."""
    found: dict[str, list[tuple[Job, IntArray]]] = {}
    ids: tuple[str, ...] = ()
    floor_Q = np.zeros(0)
    for job in finals(plan):
        if job.family != family.name or not is_done(root, job.name):
            continue
        table = run_counts(root / job.name / use)
        if job.label == BASE:
            ids = tuple(one.id for one in table.counts)
            floor_Q = np.array([np.nan if p.floor is None else p.floor for p in table.counts])
        by_id = {one.id: (one.n, one.c) for one in table.counts}
        if set(by_id) == set(ids):
            rows = np.array([by_id[name] for name in ids], dtype=np.int64)
            found.setdefault(job.arm or job.label, []).append((job, rows))
    if BASE not in found:
        return None
    ways = tuple(_way(plan, label, some) for label, some in found.items())
    least = min(int(way.counts_SQ2[..., 0].min()) for way in ways)
    if least < 1:
        return None
    return MeasuredSet(
        name=family.sets[use][0], k=powers_to(least), ids=ids, floor_Q=floor_Q, ways=ways
    )


def _way(plan: Plan, label: str, some: list[tuple[Job, IntArray]]) -> Way:
    kinds = {arm.name: arm.kind for arm in plan.arms}
    kind = BASE if label == BASE else kinds.get(label, "beside")
    seeds = tuple(job.seed for job, _ in some)
    return Way(label=label, kind=kind, seeds=seeds, counts_SQ2=np.stack([rows for _, rows in some]))


def powers_to(n: int) -> IntArray:
    """1, 2, 4 .. and at most n.

    >>> powers_to(20).tolist()
    [1, 2, 4, 8, 16]
    """
    return np.array([2**i for i in range(n.bit_length())], dtype=np.int64)


def looks_of(root: Path, plan: Plan, family: Family) -> list[Looked]:
    """The looks of every finished training."""
    return [
        found
        for job in trainings(plan)
        if job.family == family.name and is_done(root, job.name)
        for found in _looked(root / job.name, job)
    ]


def _looked(folder: Path, job: Job) -> Iterator[Looked]:
    runs = {
        int(path.name.removeprefix("step-")): path
        for path in sorted((folder / "runs").glob("step-*"))
        if is_run(path)
    }
    if not runs:
        return
    counts = {step: _columns(path) for step, path in runs.items()}
    k = powers_to(min(int(rows[:, 0].min()) for rows in counts.values()))
    curves = [
        (1 - miss_table(rows[:, 0], rows[:, 1], int(k[-1]))[:, k - 1]).mean(axis=0)
        for rows in counts.values()
    ]
    by_step = _divergences(folder / "metrics.jsonl")
    yield Looked(
        arm=job.arm, seed=job.seed, steps=np.array(list(runs)), k=k, curve_LK=np.array(curves),
        kl=np.array([_kl_at(step, by_step) for step in runs]),
    )  # fmt: skip


def _columns(path: Path) -> IntArray:
    return np.array([(one.n, one.c) for one in run_counts(path).counts], dtype=np.int64)


def _divergences(path: Path) -> dict[int, float]:
    """Step -> nats a token; steps in which nothing was updated say nothing."""
    return {
        int(line["step"]): float(line["reference_kl"])
        for line in read_metrics(path)
        if line.get("reference_kl") is not None
    }


def _kl_at(step: int, by_step: Mapping[int, float]) -> float:
    """Mean over the last steps before the look; 0 before training, and where nothing was said."""
    last = [by_step[one] for one in range(step - KL_STEPS + 1, step + 1) if one in by_step]
    return float(np.mean(last)) if last else 0.0
