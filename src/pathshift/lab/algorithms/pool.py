"""Workers: processes that do one job after the other, so that torch is loaded once in each.

A job that fails is told and the others go on; so is one whose process dies (killed, out of memory),
and a new worker takes its place. Workers are in a process group of their own: Ctrl-C reaches the
parent alone, which then interrupts them and waits until they have kept what they did. They leave
when the parent is gone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from pathshift.errors import PathshiftError
from pathshift.lab.algorithms.jobs import Job, ready

Perform = Callable[[Job, Callable[[float], None]], dict[str, Any]]
"""Does a job, telling the share that is done; must be picklable."""

_PATIENCE = 120.0
_TELL_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker says of the job it does: "share", "done" or "failed"."""

    kind: str
    value: Any = None


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Who is told what happens to jobs."""

    on_begin: Callable[[Job], None] = lambda job: None
    on_share: Callable[[Job, float], None] = lambda job, share: None
    on_done: Callable[[Job, dict[str, Any]], None] = lambda job, outcome: None
    on_failed: Callable[[Job, str], None] = lambda job, reason: None


def run_jobs(
    jobs: Sequence[Job], perform: Perform, *, done: set[str], workers: int, watching: Watching
) -> dict[str, str]:
    """Do every job that is not done; returns those that failed, or wait for one, with the reason.

    Args:
        done: Names of the jobs that are finished; grows.
    """
    failed: dict[str, str] = {}
    begun: set[str] = set()
    n_left = sum(job.name not in done for job in jobs)
    with _hired(min(workers, max(1, n_left)), perform) as crew:
        while True:
            for worker in crew:
                job = ready(jobs, done, begun) if worker.job is None else None
                if job is not None:
                    begun.add(job.name)
                    worker.job = job
                    watching.on_begin(job)
                    _hand_over(worker, job)
            busy = [worker for worker in crew if worker.job is not None]
            if not busy:
                break
            for worker in busy:
                _listen(worker, perform, done, failed, watching)
            if still := [worker.pipe for worker in busy if worker.job is not None]:
                wait(still, timeout=1.0)
    for job in jobs:
        if job.name not in done and job.name not in failed:
            lacking = next((n for n in job.needs if n not in done), "nothing")
            failed[job.name] = f"waits for {lacking}"
    return failed


def _hand_over(worker: _Worker, job: Job) -> None:
    with contextlib.suppress(OSError):  # it has died: `_listen` finds out
        worker.pipe.send(job)


def _listen(
    worker: _Worker, perform: Perform, done: set[str], failed: dict[str, str], watching: Watching
) -> None:
    """Everything a worker has said; its end, if it has died."""
    job = worker.job
    assert job is not None
    try:
        while worker.job is not None and worker.pipe.poll():
            said: Said = worker.pipe.recv()
            if said.kind == "share":
                watching.on_share(job, said.value)
                continue
            worker.job = None
            if said.kind == "done":
                done.add(job.name)
                watching.on_done(job, said.value)
            else:
                failed[job.name] = said.value
                watching.on_failed(job, said.value)
    except (EOFError, OSError):
        worker.process.join(5)
        code = worker.process.exitcode
        failed[job.name] = f"its process ended with exit code {code}"
        watching.on_failed(job, failed[job.name])
        fresh = _hire(perform)
        worker.process, worker.pipe, worker.job = fresh.process, fresh.pipe, None


@contextmanager
def _hired(n: int, perform: Perform) -> Iterator[list[_Worker]]:
    """Workers for the time of the block; at its end they are sent home, or interrupted."""
    crew = [_hire(perform) for _ in range(n)]
    try:
        yield crew
    except BaseException:
        for worker in crew:
            _interrupt(worker)
        raise
    finally:
        _send_home(crew)


def _hire(perform: Perform) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, perform, os.getpid()))
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _interrupt(worker: _Worker) -> None:
    if worker.job is not None and worker.process.pid is not None:
        with contextlib.suppress(OSError):
            os.kill(worker.process.pid, signal.SIGINT)


def _send_home(crew: Sequence[_Worker]) -> None:
    for worker in crew:
        worker.pipe.close()
    until = time.monotonic() + _PATIENCE
    for worker in crew:
        worker.process.join(max(0.1, until - time.monotonic()))
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join()


def serve(pipe: Connection, perform: Perform, parent: int) -> None:
    """A worker's life: jobs until the pipe ends or an interrupt comes."""
    os.setpgid(0, 0)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    told = _Telling(pipe)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            job: Job = pipe.recv()
            pipe.send(_result(job, perform, told))


def _result(job: Job, perform: Perform, told: Callable[[float], None]) -> Said:
    try:
        return Said("done", perform(job, told))
    except PathshiftError as error:
        return Said("failed", str(error))
    except Exception as error:  # noqa: BLE001  # a bug in one job must not end the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename}:{where.lineno}"
        return Said("failed", f"{type(error).__name__} at {place}: {error}"[:500])


class _Telling:
    """Passes on shares, not too many of them."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._last = pipe, 0.0

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self._last >= _TELL_EVERY:
            self._last = now
            with contextlib.suppress(OSError):  # the parent has gone: `_leave_with` sees to it
                self._pipe.send(Said("share", share))


def _leave_with(parent: int) -> None:
    """Interrupt this process once its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)
