"""The worker process: reads one job a line from stdin, writes one reply a line to stdout.

Ends when stdin ends, so it does not outlive the process that started it. Limits itself where the
system allows: memory, processor time of each job, no core files, nothing written to files. A job
that overstays its limit ends the process through an alarm that Python code cannot delay, in case
nobody is left to kill it.

`pool.WorkerPool` starts it through `nursery`, which keeps the libraries loaded and forks a process
of this kind; `main` serves without that.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from pathshift.records import Outcome
from pathshift.verify import equality, gym

Grader = Callable[[Mapping[str, Any]], Outcome]

LOADERS: dict[str, Callable[[], Grader]] = {"math": equality.load, "reasoning_gym": gym.load}

MEMORY_BYTES = 2 * 2**30

_GRACE_S = 1.0


def main() -> int:
    """Serves jobs until stdin ends; the exit code is 1 if the grader cannot be loaded."""
    requests, replies = private_pipes()
    grade = loaded(sys.argv[-1], replies)
    if grade is None:
        return 1
    limit_process(MEMORY_BYTES)
    send(replies, {"ready": True})
    for job in jobs_of(requests):
        limit_job(job["limit_s"] + _GRACE_S, job.get("wall_s", job["limit_s"]) + _GRACE_S)
        answer, _ = graded(grade, job)
        limit_job(None)
        send(replies, answer)
    return 0


def loaded(kind: str, replies: BinaryIO) -> Grader | None:
    """The grader of that kind; None if its library is missing, which the greeting then says."""
    try:
        return LOADERS[kind]()
    except ImportError as error:
        send(replies, {"ready": False, "detail": str(error)})
        return None


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes under new numbers; what libraries read and print goes nowhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    return requests, replies


def jobs_of(requests: BinaryIO) -> Iterator[dict[str, Any]]:
    """The jobs as they come, until the pool closes its end."""
    for line in requests:
        yield json.loads(line)


def send(replies: BinaryIO, message: Mapping[str, Any]) -> None:
    """One line, in one write."""
    replies.write(json.dumps(message).encode("ascii") + b"\n")
    replies.flush()


def graded(grade: Grader, job: Mapping[str, Any]) -> tuple[dict[str, Any], Exception | None]:
    """The reply to a job, under the number that the job has, if any; and the error, if any."""
    name = {"id": job["id"]} if "id" in job else {}
    try:
        return {**name, "outcome": grade(job["payload"])}, None
    except Exception as error:  # noqa: BLE001  the sandbox's boundary: any error is a failed answer
        detail = f"{type(error).__name__}: {error}"[:200]
        return {**name, "outcome": Outcome.FAILED, "detail": detail}, error


def limit_process(memory_bytes: int) -> None:
    """No more memory than that, no core files, nothing written to files."""
    if os.name != "posix":
        return
    import resource

    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    )
    for limit, value in limits:
        # A system that refuses a limit still has the pool's wall limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def limit_job(limit_s: float | None, wall_s: float = 0.0) -> None:
    """Arms the alarms of processor and wall time for one job; or disarms both, for None."""
    if os.name != "posix":
        return
    import resource
    import signal

    # The default action ends the process at once, also inside a long C call.
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_s if limit_s is not None else 0)
    signal.setitimer(signal.ITIMER_PROF, limit_s or 0)
    ceiling = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = ceiling
    if limit_s is not None:
        # In case that somebody takes the alarms away.
        usage = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(usage.ru_utime + usage.ru_stime + limit_s) + 2
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, ceiling))


if __name__ == "__main__":
    sys.exit(main())
