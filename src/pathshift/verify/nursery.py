"""Loads the grader's libraries once and forks the process that uses them, again whenever it ends.

Importing a computer algebra system takes a second, forking a process that has it some
milliseconds; so an answer that hangs, crashes or fills the memory costs its limit and no more.
The child speaks with the pool directly and arms an alarm for each job; when it dies over a job,
its parent here says so in its place and forks the next. Nothing is forked beside other threads:
where a library started some, one process serves alone and the pool starts it anew.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import struct
import sys
from typing import BinaryIO

from pathshift.records import Outcome
from pathshift.verify.worker import (
    Grader,
    graded,
    jobs_of,
    limit_job,
    limit_process,
    loaded,
    private_pipes,
    send,
)

JOBS_PER_CHILD = 2_000
"""A child is renewed after so many jobs: the caches of a computer algebra system only grow."""

_RENEW = 75
"""Exit code of a child that wants to be replaced and has left no job unanswered."""

_NOTE = struct.Struct("<Qdd")


def main() -> int:
    """Serves jobs until stdin ends; the exit code is 1 if the grader cannot be loaded."""
    memory_bytes, kind = int(sys.argv[-3]), sys.argv[-1]
    requests, replies = private_pipes()
    grade = loaded(kind, replies)
    if grade is None:
        return 1
    send(replies, {"ready": True})
    note = _Note()
    if not _is_alone():
        return _serve(grade, requests, replies, note, memory_bytes)
    gc.freeze()  # so that the children share these pages
    while True:
        child = os.fork()
        if child == 0:
            os._exit(_serve(grade, requests, replies, note, memory_bytes))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not _excused(replies, note, status) and status != _RENEW:
            return 0 if status == 0 else 1


class _Note:
    """What the child is at, in memory that it shares with its parent: a job's number and limits."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _NOTE.size)

    def write(self, job: int, limit_s: float = 0.0, wall_s: float = 0.0) -> None:
        """Number 0: no job."""
        self._shared[:] = _NOTE.pack(job, limit_s, wall_s)

    def read(self) -> tuple[int, float, float]:
        job, limit_s, wall_s = _NOTE.unpack(self._shared[:])
        return job, limit_s, wall_s


def _serve(
    grade: Grader, requests: BinaryIO, replies: BinaryIO, note: _Note, memory_bytes: int
) -> int:
    """Serves until stdin ends (0) or this process had better be a new one (`_RENEW`)."""
    limit_process(memory_bytes)
    for number, job in enumerate(jobs_of(requests), 1):
        note.write(job["id"], job["limit_s"], job["wall_s"])
        limit_job(job["limit_s"], job["wall_s"])
        reply, error = graded(grade, job)
        limit_job(None)
        send(replies, reply)
        note.write(0)
        if number >= JOBS_PER_CHILD or _is_spent(error, memory_bytes):
            return _RENEW
    return 0


def _is_spent(error: Exception | None, memory_bytes: int) -> bool:
    """Whether an answer left this process short of memory, so that a good one could fail."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return isinstance(error, MemoryError | RecursionError) or peak > memory_bytes / 4


def _excused(replies: BinaryIO, note: _Note, status: int) -> bool:
    """Answers for a child that ended over a job; False if it ended between two."""
    job, limit_s, wall_s = note.read()
    if not job:
        return False
    note.write(0)
    if status in (-signal.SIGPROF, -signal.SIGXCPU):
        reason = f"timed out after {limit_s:g} s"
    elif status == -signal.SIGALRM:
        reason = f"timed out after {wall_s:g} s"
    else:
        reason = f"process ended before it replied (exit status {status})"
    send(replies, {"id": job, "outcome": Outcome.FAILED, "detail": f"verifier {reason}"})
    return True


def _is_alone() -> bool:
    """Whether this process has a single thread, as far as the system tells."""
    import threading

    if threading.active_count() > 1:
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(main())
