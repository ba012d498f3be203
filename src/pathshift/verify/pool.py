"""Worker processes that grade one answer at a time and are killed when they take too long.

What it stops: an answer that hangs (the process group is killed at the wall limit, also inside C
code), crashes, exhausts memory, prints, or reads stdin; the answer becomes FAILED and the next one
meets a fresh process. API keys in the environment are not passed on. No pickle and no fork: jobs
and replies are JSON lines of bounded length, so it is safe beside threads and loaded torch.
What it does not stop: a worker that runs foreign code could open sockets or read files. No grader
here runs foreign code; programs written by models need the code sandbox instead.

Processes start when the first job comes, so a run whose answers are all plain numbers starts none.
POSIX systems only (Linux, macOS).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from pathshift.errors import ConfigError, PathshiftError
from pathshift.records import Outcome
from pathshift.verify.jobs import Job, Reply

START_LIMIT_S = 60.0
"""Wall limit of a worker's start; importing a computer algebra system from a cold disk is slow."""

MAX_REPLY_BYTES = 65_536

JOBS_PER_PROCESS = 2_000
"""A worker is renewed after so many jobs: the caches of a computer algebra system only grow."""

# Inserted only if missing: site-packages before the standard library may shadow parts of it.
_BOOTSTRAP = (
    "import sys; root = sys.argv[1]; root in sys.path or sys.path.insert(0, root); "
    "from pathshift.verify.worker import main; sys.exit(main())"
)

_PASSED_ON = (
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("HOME", "TMPDIR", "LANG", "LC_ALL"),
)


def worker_command(kind: str) -> list[str]:
    """How to start a worker for one kind of job: this Python, without the current folder."""
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-P", "-B", "-c", _BOOTSTRAP, root, kind]


class WorkerPool:
    """Graders in processes of their own. Safe to use from several threads; close it after use.

    Attributes:
        command: What starts one worker; it speaks the lines that `worker` documents.
        timeout_s: Wall limit of one job.
    """

    def __init__(self, command: Sequence[str], *, timeout_s: float = 5.0, workers: int = 1) -> None:
        if timeout_s <= 0:
            raise ConfigError(f"the verifier's timeout must be above 0 seconds, got {timeout_s}")
        if workers < 1:
            raise ConfigError(f"the verifier needs at least 1 worker, got {workers}")
        self.command = tuple(command)
        self.timeout_s = timeout_s
        self._workers = [_Worker(self.command, timeout_s) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, job: Job) -> Reply:
        """The reply to one job; FAILED after a timeout or a crash. Waits for an idle worker."""
        worker = self._idle.get()
        try:
            return worker.ask(job)
        finally:
            self._idle.put(worker)

    def ask_all(self, jobs: Sequence[Job]) -> list[Reply]:
        """The replies in the order of the jobs, over all workers."""
        if len(self._workers) == 1 or len(jobs) < 2:
            return [self.ask(job) for job in jobs]
        with ThreadPoolExecutor(len(self._workers)) as threads:
            futures = [threads.submit(self.ask, job) for job in jobs]
            try:
                return [future.result() for future in futures]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def close(self) -> None:
        """Ends every worker process. The pool may be used again; it then starts new ones."""
        for worker in self._workers:
            worker.stop()


class _Lost(Exception):
    """The process gave no usable reply; the text says why."""


class _Worker:
    """A place for one process: starts it when needed, ends it when it fails."""

    def __init__(self, command: tuple[str, ...], timeout_s: float) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._line: _Line | None = None
        self._n_jobs = 0

    def ask(self, job: Job) -> Reply:
        request = {"payload": dict(job.payload), "limit_s": self._timeout_s}
        try:
            return _reply(self._running().exchange(request, limit_s=self._timeout_s))
        except _Lost as lost:
            return Reply(Outcome.FAILED, f"verifier {lost}{self.stop()}")
        except BaseException:
            # Interrupted half way: a late reply must not meet the next job.
            self.stop()
            raise

    def stop(self) -> str:
        """Ends the process, if any; returns how it ended where it ended by itself."""
        line, self._line = self._line, None
        return "" if line is None else line.close()

    def _running(self) -> _Line:
        if self._n_jobs >= JOBS_PER_PROCESS:
            self.stop()
        line = self._started() if self._line is None else self._line
        self._n_jobs += 1
        return line

    def _started(self) -> _Line:
        # Kept at once, so that whatever happens here, `ask` ends the process.
        line = self._line = _Line(self._command)
        self._n_jobs = 0
        try:
            hello = line.exchange(None, limit_s=START_LIMIT_S)
        except _Lost as lost:
            raise PathshiftError(f"the verifier's worker did not start: {lost}") from None
        if not hello.get("ready"):
            raise PathshiftError(f"the verifier's worker did not start: {hello.get('detail')}")
        return line


def _reply(message: Mapping[str, Any]) -> Reply:
    try:
        return Reply(Outcome(message["outcome"]), str(message.get("detail", "")))
    except (KeyError, ValueError):
        raise _Lost("process wrote something else than a reply") from None


class _Line:
    """A process and the two pipes to it, one JSON object a line each way."""

    def __init__(self, command: tuple[str, ...]) -> None:
        if os.name != "posix":
            raise ConfigError("this verifier needs a POSIX system (Linux, macOS)")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._received = b""

    def exchange(self, request: Mapping[str, Any] | None, *, limit_s: float) -> dict[str, Any]:
        """Sends a line, if any, and returns the next line received within the limit."""
        unsent = b"" if request is None else json.dumps(request).encode("ascii") + b"\n"
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while b"\n" not in self._received:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise _Lost(f"timed out after {limit_s:g} s")
                for key, _ in ready:
                    if key.fileobj is self._stdout:
                        self._receive()
                    elif not (unsent := self._sent(unsent)):
                        selector.unregister(self._stdin)
        return self._next_message()

    def close(self) -> str:
        """Kills the whole process group and reaps the process; says how it had ended before."""
        # Before the wait: until the process is reaped, its number cannot belong to another.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self._stdin.close()
        self._stdout.close()
        return "" if status in (0, -signal.SIGKILL) else f" (exit status {status})"

    def _receive(self) -> None:
        part = os.read(self._stdout.fileno(), MAX_REPLY_BYTES)
        if not part:
            raise _Lost("process ended before it replied")
        self._received += part
        if len(self._received) > MAX_REPLY_BYTES:
            raise _Lost("process wrote too much")

    def _sent(self, unsent: bytes) -> bytes:
        """What is still to be sent after one write."""
        try:
            return unsent[os.write(self._stdin.fileno(), unsent) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:
            raise _Lost("process ended before it read the answer") from None

    def _next_message(self) -> dict[str, Any]:
        text, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(text)
        except ValueError:
            raise _Lost("process wrote something else than a reply") from None
        if not isinstance(message, dict):
            raise _Lost("process wrote something else than a reply")
        return message


def _environment() -> dict[str, str]:
    """Few variables of this process; a fixed hash seed, since set orders steer the algebra."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
