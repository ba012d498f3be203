"""Samples -> verdicts: extract, look up, ask the worker for what is left.

Equal answers to one problem are judged once: of a thousand samples most answers repeat. That holds
for failures too, so an answer that hangs costs its timeout once and not for each sample; and it
holds for answers that several threads bring at the same time. What was judged before an interrupt
is remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple, Self

from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.verify.code import SandboxPool
from pathshift.verify.forked import renewed_in_children
from pathshift.verify.jobs import Job, Reply
from pathshift.verify.pool import PATIENCE, WorkerPool, worker_command
from pathshift.verify.verifiers import Verifier, check_installed, verifier_named

CACHE_ANSWERS = 20_000
"""Settled answers that are remembered between calls; the oldest give way."""

BATCH = 4_096
"""Samples that `judge` reads ahead."""


class _Key(NamedTuple):
    """What decides an outcome; the reference is in it in case ids repeat between tasks."""

    task: str
    problem_id: str
    gold: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One sample on its way: `settled` without grading, or `key` of the grading it waits for."""

    sample: Sample
    settled: Reply | None = None
    key: _Key | None = None


class Judge:
    """One verifier, its worker processes and its memory of answers. Close it after use.

    Any number of threads may use one; a forked or unpickled copy has workers of its own.

    Raises:
        UnknownName: There is no such verifier.
        MissingExtra: Its package is not installed; said here, before any sample is judged.
        ConfigError: `timeout_s` or `workers` is out of range.
    """

    def __init__(
        self,
        verifier: str,
        *,
        timeout_s: float = 5.0,
        workers: int = 1,
        pool: WorkerPool | SandboxPool | None = None,
    ) -> None:
        self.verifier: Verifier = verifier_named(verifier)
        check_installed(self.verifier)
        self._pool = pool or _pool_for(self.verifier, timeout_s, workers)
        self._remembered: dict[_Key, Reply] = {}
        self._under_way: dict[_Key, Future[Reply]] = {}
        self._lock = threading.Lock()
        renewed_in_children(self)

    def __reduce__(self) -> tuple[Callable[[], Judge], tuple[()]]:
        return partial(Judge, self.verifier.name, pool=self._pool), ()

    def renew(self) -> None:
        """In a forked child: forgets the gradings that only the parent's threads will finish."""
        self._under_way = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker processes, if any were started."""
        self._pool.close()

    def check(self, problems: Iterable[Problem]) -> None:
        """Make sure that the verifier suits the problems, before anything is drawn for it.

        Raises:
            ConfigError: A problem lacks what the verifier compares with.
        """
        for problem in problems:
            self.verifier.grade(problem.gold, problem)

    def verdicts(self, pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
        """One verdict for each sample, in the order of the samples.

        A sample that ended in an error is FAILED with the sample's own reason. An answer longer
        than the verifier's `max_chars` counts as none and is UNPARSED.
        """
        problems: dict[_Key, Problem] = {}
        cases = [self._case(problem, sample, problems) for problem, sample in pairs]
        replies = self._settle(problems)
        return [_verdict(case, replies) for case in cases]

    def _case(self, problem: Problem, sample: Sample, problems: dict[_Key, Problem]) -> _Case:
        if sample.finish_reason == "error":
            reason = sample.detail or "the sample ended in an error that gave no reason"
            return _Case(sample, settled=Reply(Outcome.FAILED, reason))
        answer = self.verifier.extract(sample.text)
        if answer is None or len(answer) > self.verifier.max_chars:
            return _Case(sample, settled=Reply(Outcome.UNPARSED))
        key = _Key(problem.task, problem.id, problem.gold, answer)
        problems.setdefault(key, problem)
        return _Case(sample, key=key)

    def _settle(self, problems: Mapping[_Key, Problem]) -> dict[_Key, Reply]:
        """A reply for each key: remembered, decided here, or from the worker."""
        with self._lock:
            replies = {key: self._remembered[key] for key in problems if key in self._remembered}
        jobs: dict[_Key, Job] = {}
        decided: dict[_Key, Reply] = {}
        for key, problem in problems.items():
            if key not in replies:
                graded = self.verifier.grade(key.answer, problem)
                if isinstance(graded, Job):
                    jobs[key] = graded
                else:
                    decided[key] = Reply(graded)
        with self._lock:
            self._remember(decided)
        return {**replies, **decided, **self._from_workers(jobs)}

    def _from_workers(self, jobs: Mapping[_Key, Job]) -> dict[_Key, Reply]:
        """Asks about what nobody asks about yet; waits for what other threads have asked."""
        with self._lock:
            known = {key: self._remembered[key] for key in jobs if key in self._remembered}
            awaited = {key: self._under_way[key] for key in jobs if key in self._under_way}
            mine: dict[_Key, Future[Reply]] = {
                key: Future() for key in jobs if key not in awaited and key not in known
            }
            self._under_way.update(mine)
        self._ask({key: jobs[key] for key in mine})
        replies = {key: future.result() for key, future in mine.items()}
        for key, future in awaited.items():
            try:
                replies[key] = future.result()
            except CancelledError:  # that thread was interrupted
                replies |= self._from_workers({key: jobs[key]})
        return {**known, **replies}

    def _ask(self, jobs: Mapping[_Key, Job]) -> None:
        """Has the workers answer; each reply is remembered as it comes, also if others do not."""
        keys = list(jobs)
        try:
            self._pool.ask_all(
                list(jobs.values()), on_reply=lambda place, reply: self._landed(keys[place], reply)
            )
        finally:
            with self._lock:
                left = [self._under_way.pop(key) for key in keys if key in self._under_way]
            for future in left:
                future.cancel()

    def _landed(self, key: _Key, reply: Reply) -> None:
        with self._lock:
            self._remember({key: reply})
            future = self._under_way.pop(key)
        future.set_result(reply)

    def _remember(self, replies: Mapping[_Key, Reply]) -> None:
        self._remembered.update(replies)
        for key in list(islice(self._remembered, max(0, len(self._remembered) - CACHE_ANSWERS))):
            del self._remembered[key]


def _pool_for(verifier: Verifier, timeout_s: float, workers: int) -> WorkerPool | SandboxPool:
    """Where a verifier's jobs are settled; starts nothing yet."""
    if verifier.in_sandbox:
        return SandboxPool(timeout_s=timeout_s, workers=workers)
    command = worker_command(verifier.worker or "none")
    return WorkerPool(command, timeout_s=timeout_s, workers=workers, patience=PATIENCE)


def judge(
    verifier: str,
    pairs: Iterable[tuple[Problem, Sample]],
    *,
    timeout_s: float = 5.0,
    workers: int = 1,
) -> Iterator[Verdict]:
    """Verdicts in the order of the samples, read in batches; ends its workers with the samples."""
    waiting = iter(pairs)
    with Judge(verifier, timeout_s=timeout_s, workers=workers) as judging:
        while batch := list(islice(waiting, BATCH)):
            yield from judging.verdicts(batch)


def _verdict(case: _Case, replies: dict[_Key, Reply]) -> Verdict:
    reply = replies[case.key] if case.key is not None else case.settled
    assert reply is not None
    return Verdict(
        problem_id=case.sample.problem_id,
        sample_no=case.sample.sample_no,
        outcome=reply.outcome,
        answer=case.key.answer if case.key is not None else None,
        detail=reply.detail if reply.outcome is Outcome.FAILED else "",
    )
