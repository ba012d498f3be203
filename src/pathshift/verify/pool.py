"""Worker processes that grade one answer at a time and are killed when they take too long.

What it stops: an answer that hangs (killed at the wall limit, also inside C code), crashes,
exhausts memory, prints, or reads stdin; the answer becomes FAILED and the next one meets a fresh
process. API keys in the environment are not passed on. No pickle, and this process is never
forked: jobs and replies are JSON lines of bounded length, so it is safe beside threads and loaded
torch. Any number of threads may ask; a forked or unpickled copy starts workers of its own.
What it does not stop: a worker that runs foreign code could open sockets or read files. No grader
here runs foreign code; programs written by models need the code sandbox instead.

Processes start when the first job comes, so a run whose answers are all plain numbers starts none.
They end with `close`, with the pool, or with this process, also if it is killed.
POSIX systems only (Linux, macOS).
"""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

from pathshift.errors import ConfigError, PathshiftError
from pathshift.records import Outcome
from pathshift.verify.forked import renewed_in_children
from pathshift.verify.jobs import Job, Reply
from pathshift.verify.line import Line, Lost

START_LIMIT_S = 180.0
"""Wall limit of a worker's start; importing a computer algebra system is slow from a cold disk or
on a busy machine."""

GRACE_S = 0.5
"""A worker ends a job itself at the limit and is ready again at once; if it does not, the pool
ends it so much later."""

PATIENCE = 4.0
"""Wall time of a grading over its processor time, at most: where more processes are at work than
there are processors, a right answer must not be lost for that."""

JOBS_PER_PROCESS = 50_000
"""A worker is started anew after so many jobs. Its children, which do the grading, are renewed
far more often (see `nursery`)."""

MEMORY_BYTES = 2 * 2**30
"""Address space of the process that grades, the computer algebra system included."""

# Inserted only if missing: site-packages before the standard library may shadow parts of it.
_BOOTSTRAP = (
    "import sys; root = sys.argv[-2]; root in sys.path or sys.path.insert(0, root); "
    "from pathshift.verify.nursery import main; sys.exit(main())"
)


def worker_command(kind: str, *, memory_bytes: int = MEMORY_BYTES) -> list[str]:
    """How to start a worker for one kind of job: this Python, without the current folder."""
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-P", "-B", "-c", _BOOTSTRAP, str(memory_bytes), root, kind]


class WorkerPool:
    """Graders in processes of their own. Safe to use from several threads; close it after use.

    Attributes:
        command: What starts one worker; it speaks the lines that `worker` documents.
        timeout_s: Limit of one job: of processor time where `patience` is above 1, and times
            `patience` of wall time.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout_s: float = 5.0,
        workers: int = 1,
        patience: float = 1.0,
    ) -> None:
        if timeout_s <= 0:
            raise ConfigError(f"the verifier's timeout must be above 0 seconds, got {timeout_s}")
        if workers < 1:
            raise ConfigError(f"the verifier needs at least 1 worker, got {workers}")
        if patience < 1:
            raise ConfigError(f"the verifier's patience must be at least 1, got {patience}")
        self.command = tuple(command)
        self.timeout_s = timeout_s
        self.patience = patience
        self._workers = [self._worker() for _ in range(workers)]
        self._idle = _queue_of(self._workers)
        renewed_in_children(self)
        # A pool that nobody closed: at its end or that of this process, whichever comes first.
        weakref.finalize(self, _stop_all, self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[], WorkerPool], tuple[()]]:
        again = partial(
            WorkerPool,
            self.command,
            timeout_s=self.timeout_s,
            workers=len(self._workers),
            patience=self.patience,
        )
        return again, ()

    def _worker(self) -> _Worker:
        return _Worker(self.command, self.timeout_s, self.timeout_s * self.patience)

    def ask(self, job: Job) -> Reply:
        """The reply to one job; FAILED after a timeout or a crash. Waits for an idle worker."""
        idle = self._idle
        worker = idle.get()
        try:
            return worker.ask(job)
        finally:
            idle.put(worker)

    def ask_all(
        self, jobs: Sequence[Job], *, on_reply: Callable[[int, Reply], None] | None = None
    ) -> list[Reply]:
        """The replies in the order of the jobs, over all workers.

        Args:
            on_reply: Called with a job's place and its reply as soon as there is one, in any
                order and from any thread, so that an interrupted caller keeps what was done.
        """
        replies: dict[int, Reply] = {}

        def ask(place: int) -> None:
            replies[place] = self.ask(jobs[place])
            if on_reply is not None:
                on_reply(place, replies[place])

        places = _Turns(len(jobs))
        if min(len(self._workers), len(jobs)) < 2:
            for place in places:
                ask(place)
        else:
            self._side_by_side(ask, places)
        return [replies[place] for place in range(len(jobs))]

    def close(self) -> None:
        """Ends every worker process, after the jobs that other threads wait for.

        The pool may be used again; it then starts new ones.
        """
        _stop_all(self._workers)

    def renew(self) -> None:
        """In a forked child: leaves the parent's workers alone; new ones start when needed."""
        for worker in self._workers:
            worker.abandon()
        self._workers[:] = [self._worker() for _ in self._workers]
        self._idle = _queue_of(self._workers)

    def _side_by_side(self, ask: Callable[[int], None], places: _Turns) -> None:
        def in_turn() -> None:
            try:
                for place in places:
                    ask(place)
            except BaseException:
                places.end()
                raise

        n_threads = min(len(self._workers), places.count)
        with ThreadPoolExecutor(n_threads) as threads:
            futures = [threads.submit(in_turn) for _ in range(n_threads)]
            try:
                for future in futures:
                    future.result()
            finally:
                places.end()  # after an interrupt: what is under way ends, nothing new begins


class _Turns:
    """The numbers below `count`, each given to one of many threads."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._numbers = iter(range(count))
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)

    def end(self) -> None:
        """Nobody gets another number."""
        with self._lock:
            self._numbers = iter(range(0))


class _Worker:
    """A place for one process: starts it when needed, ends it when it fails."""

    def __init__(self, command: tuple[str, ...], timeout_s: float, wall_s: float) -> None:
        self._command = command
        self._limits = {"limit_s": timeout_s, "wall_s": wall_s}
        self._wall_s = wall_s
        self._line: Line | None = None
        self._n_jobs = 0
        self._last_id = 0
        self._busy = threading.RLock()

    def ask(self, job: Job) -> Reply:
        with self._busy:
            try:
                line = self._running()
                self._last_id += 1
                request = {"id": self._last_id, "payload": dict(job.payload), **self._limits}
                return _reply(line.exchange(request, limit_s=self._wall_s + GRACE_S))
            except Lost as lost:
                after = f" after {self._wall_s:g} s" if str(lost) == "timed out" else ""
                return Reply(Outcome.FAILED, f"verifier {lost}{after}{self.stop()}")
            except BaseException:
                # Interrupted half way: do not leave a process at work that nobody waits for.
                self.stop()
                raise

    def stop(self) -> str:
        """Ends the process, if any; returns how it ended where it ended by itself."""
        with self._busy:
            line, self._line = self._line, None
            return "" if line is None else line.close()

    def abandon(self) -> None:
        if self._line is not None:
            self._line.abandon()

    def _running(self) -> Line:
        if self._n_jobs >= JOBS_PER_PROCESS:
            self.stop()
        line = self._started() if self._line is None else self._line
        self._n_jobs += 1
        return line

    def _started(self) -> Line:
        # Kept at once, so that whatever happens here, `ask` ends the process.
        line = self._line = Line(self._command)
        self._n_jobs = 0
        try:
            hello = line.exchange(None, limit_s=START_LIMIT_S)
        except Lost as lost:
            after = f" after {START_LIMIT_S:g} s" if str(lost) == "timed out" else ""
            raise PathshiftError(f"the verifier's worker did not start: {lost}{after}") from None
        if not hello.get("ready"):
            raise PathshiftError(f"the verifier's worker did not start: {hello.get('detail')}")
        return line


def _queue_of(workers: Sequence[_Worker]) -> queue.SimpleQueue[_Worker]:
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)
    return idle


def _stop_all(workers: Sequence[_Worker]) -> None:
    for worker in list(workers):
        worker.stop()


def _reply(message: Mapping[str, Any]) -> Reply:
    try:
        return Reply(Outcome(message["outcome"]), str(message.get("detail", "")))
    except (KeyError, ValueError):
        raise Lost("process wrote something else than a reply") from None
