"""The loop of `rollout.sampling`, with the drawing and judging done by workers on a cluster.

The driver holds the run's lock, knows where each problem stands, hands problems out and takes
finished shards in. It is the only one that writes among the run's files, so a lost worker's problem
is handed out again from where the last shard left it, and a driver that dies is resumed by the same
command. Seeds hang on problem and number alone: who draws what changes no sample.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from pathshift.errors import PathshiftError, RunError
from pathshift.models.protocol import ModelInfo
from pathshift.rollout.course import UNIT_SAMPLES
from pathshift.rollout.crew import START_SECONDS, STOP_SECONDS, Crew, Lost, RemoteModel
from pathshift.rollout.plan import Plan
from pathshift.rollout.remote import About, Assignment, Item, Shard
from pathshift.rollout.sampling import Progress, courses, judge_leftovers
from pathshift.store.manifest import changed_environment
from pathshift.store.run import SHARD_SECONDS, RunWriter
from pathshift.store.staging import Staging
from pathshift.verify.judge import Judge

MOST_LOSSES = 3
"""How many workers one problem may take with it without a shard in between, and how many may fail
to start one after the other, before the driver gives up."""
STAGING = "incoming"
_LOOK_SECONDS = 1.0


def draw_on_crew(
    plan: Plan,
    crew: Crew,
    out: Path,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_note: Callable[[str], None] = lambda note: None,
    shard_seconds: float = SHARD_SECONDS,
) -> Progress:
    """Bring a run folder to n samples of every problem, or to where its rule stops.

    As `sampling.draw_samples`, and the samples are the same ones.

    Args:
        on_note: Told of lost workers, and of machines that differ from the first.

    Raises:
        RunError: as `draw_samples`; no worker is left; a problem takes its workers with it.
        PathshiftError: a worker met what it cannot mend; all it had drawn before is kept.
    """
    token = uuid4().hex
    place = crew.options.staging or str((out / STAGING).absolute())
    with RunWriter.open(out, plan.manifest, plan.problems, plan.prompts) as writer:
        kept = len(writer.sampled())
        with Judge(writer.verifier) as judge:
            judge.check(plan.problems)
            judge_leftovers(writer, judge, plan.problems)
        if crew.options.staging is None:  # ours alone, by the lock: what is there, a dead one left
            Staging(str(out), STAGING).close()
        staging = Staging(place, token)
        driver = _Driver(
            crew, writer, staging,
            Assignment(plan=plan, staging=(place, token), shard_seconds=shard_seconds),
            on_progress, on_note,
        )  # fmt: skip
        staging.open()
        try:
            driver.draw(kept)
        finally:
            staging.close()
            done = driver.progress
            if done.drawn:
                writer.record_pace(done.drawn + done.surplus, done.tokens, done.seconds)
        writer.compact()
    return driver.progress


def placed(plan: Plan, model: RemoteModel) -> Plan:
    """The plan with the workers' environment in place of the driver's: there it is drawn."""
    environment = {**model.about.environment, "engine": "ray"}
    return replace(plan, manifest=replace(plan.manifest, environment=environment))


def _suited(info: ModelInfo) -> int:
    """Problems that fill a model: the samples it takes at once, or the rows of a pass."""
    samples = max(info.at_once, int(info.details.get("rows") or 0))
    return max(1, -(-samples // UNIT_SAMPLES))


class _Call(NamedTuple):
    """A call under way; without items the worker is getting ready."""

    worker: Any
    items: tuple[Item, ...]


class _Driver:
    """One call of `draw_on_crew`: what is to be drawn, and who is at what."""

    def __init__(
        self,
        crew: Crew,
        writer: RunWriter,
        staging: Staging,
        assignment: Assignment,
        on_progress: Callable[[Progress], None],
        on_note: Callable[[str], None],
    ) -> None:
        self._crew, self._writer, self._staging = crew, writer, staging
        self._assignment, self._on_progress, self._on_note = assignment, on_progress, on_note
        plan, folder = assignment.plan, writer.folder
        asked = courses(plan, folder.outcomes(writer.verifier), folder.manifest.n)
        self._todo = deque(
            Item(i, course) for i, (_, _, course) in enumerate(asked) if course.left
        )  # fmt: skip
        self._calls: dict[Any, _Call] = {}
        self._idle: list[Any] = []
        self._losses: Counter[int] = Counter()
        self._failed_starts = 0
        self._at_once = 1
        self.progress = Progress(
            kept=0, drawn=0, wanted=sum(item.course.left for item in self._todo), tokens=0,
            seconds=0.0, correct=0,
        )  # fmt: skip

    def draw(self, kept: int) -> None:
        """Hand out and take in until all is drawn; an interrupt takes in what is under way."""
        self._started = self._alive = time.monotonic()
        self.progress = replace(self.progress, kept=kept)
        self._on_progress(self.progress)
        for worker in self._crew.workers if self._todo else ():
            self._prepare(worker)
        try:
            while self._todo or any(call.items for call in self._calls.values()):
                self._hand_out()
                self._take_in(_LOOK_SECONDS)
                self._check_alive()
        except BaseException:
            self._take_in_the_last()
            raise

    def _prepare(self, worker: Any) -> None:
        self._calls[worker.begin.remote(self._assignment)] = _Call(worker, ())

    def _hand_out(self) -> None:
        while self._idle and self._todo:
            worker = self._idle.pop()
            n = min(self._at_once, len(self._todo))
            items = tuple(self._todo.popleft() for _ in range(n))
            self._calls[worker.draw.remote(items)] = _Call(worker, items)

    def _take_in(self, seconds: float) -> None:
        """Settle the calls that are over, waiting so long for a first one."""
        done, _ = self._crew.ray.wait(list(self._calls), num_returns=1, timeout=seconds)
        for ref in done:
            call = self._calls.pop(ref)
            try:
                told = self._crew.result(ref)
            except Lost as lost:
                self._replace(call, str(lost))
                continue
            self._alive = time.monotonic()
            if isinstance(told, About):
                self._welcome(call.worker, told)
            else:
                self._keep(told)
                self._idle.append(call.worker)

    def _welcome(self, worker: Any, about: About) -> None:
        self._failed_starts = 0
        self._at_once = self._crew.options.problems or _suited(about.info)
        self._idle.append(worker)
        first = self._assignment.plan.manifest
        for change in changed_environment(first, replace(first, environment=about.environment)):
            self._on_note(f"{about.where}: {change}; its samples may differ in rounding")

    def _keep(self, shard: Shard) -> None:
        """Take a shard into the run, and its problems back if they are not done."""
        if shard.samples is not None and shard.verdicts is not None:
            self._writer.take(self._staging, shard.samples, shard.verdicts)
        self._todo.extend(item for item in shard.items if item.course.left)
        for item in shard.items:
            self._losses.pop(item.place, None)
        before = self.progress
        self.progress = replace(
            before,
            drawn=before.drawn + shard.drawn,
            tokens=before.tokens + shard.tokens,
            seconds=time.monotonic() - self._started,
            correct=(before.correct or 0) + shard.correct,
            surplus=before.surplus + shard.surplus,
            wanted=before.drawn + shard.drawn + self._left(),
        )
        self._on_progress(self.progress)
        if shard.trouble:
            raise PathshiftError(shard.trouble)

    def _left(self) -> int:
        """Draws still to be made, at most."""
        out = [item for call in self._calls.values() for item in call.items]
        return sum(item.course.left for item in [*self._todo, *out])

    def _replace(self, call: _Call, reason: str) -> None:
        """Hand a lost worker's problems out again and hire another.

        Raises:
            RunError: it was one too many.
        """
        self._on_note(f"a worker is lost ({reason.partition('.')[0][:120]}); its work is redone")
        self._crew.dismiss(call.worker)
        self._losses.update(item.place for item in call.items)
        self._failed_starts += not call.items
        self._todo.extendleft(reversed(call.items))
        for place, times in self._losses.items():
            if times >= MOST_LOSSES:
                problem = self._assignment.plan.problems[place].id
                raise RunError(
                    f"{times} workers were lost while they drew {problem} ({reason}); "
                    "is it their memory? The same command goes on from here"
                )
        if self._failed_starts >= MOST_LOSSES:
            raise RunError(f"{self._failed_starts} workers died while they started ({reason})")
        self._prepare(self._crew.hire())

    def _check_alive(self) -> None:
        """Give up where nobody works and nobody comes."""
        is_waiting = not self._idle and not any(call.items for call in self._calls.values())
        if is_waiting and time.monotonic() - self._alive > START_SECONDS:
            raise self._crew.no_worker()

    def _take_in_the_last(self) -> None:
        """Have the workers leave what they have drawn, and take it in."""
        calls = {ref: call for ref, call in self._calls.items() if call.items}
        for call in calls.values():
            call.worker.stop.remote()
        done, _ = self._crew.ray.wait(
            list(calls), num_returns=max(1, len(calls)), timeout=STOP_SECONDS
        ) if calls else ([], [])  # fmt: skip
        for ref in done:
            self._calls.pop(ref)
            try:
                self._keep(self._crew.result(ref))
            except (Lost, PathshiftError):
                continue  # the first trouble is the one to be told
