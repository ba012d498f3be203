"""The study run: problems written, the machine timed, then every job that is not done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pathshift.errors import PathshiftError
from pathshift.lab.algorithms.jobs import Job, is_done, jobs_of
from pathshift.lab.algorithms.plan import Family, Plan, settle
from pathshift.lab.algorithms.pool import Watching, run_jobs
from pathshift.lab.algorithms.problem_files import write_problems
from pathshift.lab.algorithms.timing import Clock, paces, seconds_of, told
from pathshift.models.zoo import zoo_location
from pathshift.store.run import take_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told: `say` lines that stay, `show` the state of the moment."""

    say: Callable[[str], None] = lambda line: None
    show: Callable[[str], None] = lambda line: None


def run_study(
    plan: Plan, root: Path, *, workers: int, listener: Listener, only_estimate: bool = False
) -> dict[str, str]:
    """Run what is left of a study; returns the jobs that could not be done, with the reason.

    Raises:
        ConfigMismatch: the folder holds another plan.
        RunLocked: another process runs this study.
        PathshiftError: no family's base is there.
    """
    settle(plan, root)
    with take_lock(root):
        there = _with_models(plan, listener)
        listener.say(f"{plan.name}: plan {plan.hash} in {root}; problems are drawn")
        write_problems(root, there)
        return _Running(there, root, workers, listener).all_jobs(only_estimate=only_estimate)


class _Running:
    """One call of `run_study`."""

    def __init__(self, plan: Plan, root: Path, workers: int, listener: Listener) -> None:
        self.plan, self.root, self.workers, self.listener = plan, root, workers, listener
        self.jobs = jobs_of(plan, workers=workers)
        self.done = {job.name for job in self.jobs if is_done(root, job.name)}
        self.under_way: dict[str, float] = {}
        self.clock: Clock | None = None

    def all_jobs(self, *, only_estimate: bool) -> dict[str, str]:
        """Timings, the estimate, and the rest."""
        timings = [job for job in self.jobs if job.kind == "time"]
        failed = self._run(timings)
        if failed:
            return failed
        self.clock = self._clock()
        left = [job for job in self.jobs if job.name not in self.done]
        self.listener.say(
            f"{len(left)} of {len(self.jobs)} jobs left, about "
            f"{told(self.clock.seconds_left)} with {self.workers} workers ({self._by_kind()})"
        )
        return {} if only_estimate else self._run(self.jobs)

    def _run(self, jobs: list[Job]) -> dict[str, str]:
        watching = Watching(
            on_begin=self._begun, on_share=self._share, on_done=self._done, on_failed=self._failed
        )
        return run_jobs(
            jobs, partial(_perform, self.plan, self.root), done=self.done, workers=self.workers,
            watching=watching,
        )  # fmt: skip

    def _clock(self) -> Clock:
        pace = paces(self.root, self.jobs)
        expected = {
            job.name: seconds_of(job, self.plan, pace[job.family])
            for job in self.jobs
            if job.kind != "time"
        }
        share = {name: 1.0 for name in expected if name in self.done}
        return Clock(expected, self.workers, share)

    def _by_kind(self) -> str:
        assert self.clock is not None
        sums: dict[str, float] = {}
        for job in self.jobs:
            if job.name in self.clock.expected and job.name not in self.done:
                sums[job.kind] = sums.get(job.kind, 0.0) + self.clock.expected[job.name]
        return ", ".join(f"{kind} {told(s / self.workers)}" for kind, s in sums.items())

    def _begun(self, job: Job) -> None:
        self.under_way[job.name] = 0.0
        self._show()

    def _share(self, job: Job, share: float) -> None:
        self.under_way[job.name] = share
        if self.clock is not None:
            self.clock.share[job.name] = share
        self._show()

    def _done(self, job: Job, outcome: dict[str, Any]) -> None:
        self.under_way.pop(job.name, None)
        if self.clock is not None and job.name in self.clock.expected:
            self.clock.done(job.name, float(outcome["seconds"]))
        self.listener.say(self._line(job, outcome))
        self._show()

    def _failed(self, job: Job, reason: str) -> None:
        self.under_way.pop(job.name, None)
        self.listener.say(f"failed: {job.name}: {reason}")

    def _line(self, job: Job, outcome: dict[str, Any]) -> str:
        what = [f"reward {outcome['reward']:.3f}"] if "reward" in outcome else []
        what += [f"rate {outcome['rate']:g}"] if "rate" in outcome else []
        what.append(told(outcome["seconds"]))
        return f"{len(self.done)}/{len(self.jobs)} {job.name}: {', '.join(what)}"

    def _show(self) -> None:
        now = ", ".join(f"{name} {share:.0%}" for name, share in self.under_way.items())
        left = "" if self.clock is None else f" · {told(self.clock.seconds_left)} left"
        self.listener.show(f"{len(self.done)}/{len(self.jobs)} jobs{left} · {now}")


def _perform(plan: Plan, root: Path, job: Job, tell: Callable[[float], None]) -> dict[str, Any]:
    """In a worker: torch is loaded here and nowhere above."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from pathshift.lab.algorithms.work import Study, perform

    return perform(Study(plan=plan, root=root), job, tell)


def _with_models(plan: Plan, listener: Listener) -> Plan:
    """The plan without the families and models that are not there yet, each told."""
    kept = []
    for family in plan.families:
        reason = _lacks(family.base)
        if reason:
            listener.say(f"note: family {family.name} is left out: {reason}")
        else:
            kept.append(_with_beside(family, listener))
    if not kept:
        raise PathshiftError("no family is left: name a base with --base FAMILY=SPEC")
    return replace(plan, families=tuple(kept))


def _with_beside(family: Family, listener: Listener) -> Family:
    found = {}
    for name, spec in family.beside.items():
        reason = _lacks(spec)
        if reason:
            listener.say(f"note: {name} is not measured beside {family.name}: {reason}")
        else:
            found[name] = spec
    return replace(family, beside=found)


def _lacks(spec: str) -> str:
    """Why a model is not there; empty if it is."""
    kind, _, rest = spec.partition(":")
    if kind == "hf" and rest.startswith(("/", ".", "~")) and not Path(rest).is_dir():
        return f"no folder {rest}"
    if kind != "zoo":
        return ""
    try:
        zoo_location(rest)
    except PathshiftError as error:
        return str(error)
    return ""
