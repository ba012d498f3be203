"""The worker process: reads one job a line from stdin, writes one reply a line to stdout.

Started by `pool.WorkerPool` with the kind of its jobs as only argument; ends when stdin ends, so
it does not outlive the process that started it. Limits itself where the system allows: memory,
processor time of each job, no core files, nothing written to files. A job that overstays its limit
by a second ends the process through an alarm that Python code cannot delay, in case nobody is left
to kill it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from pathshift.records import Outcome
from pathshift.verify import equality, gym

Grader = Callable[[Mapping[str, Any]], Outcome]

LOADERS: dict[str, Callable[[], Grader]] = {"math": equality.load, "reasoning_gym": gym.load}

MEMORY_BYTES = 2 * 2**30

_GRACE_S = 1.0


def main() -> int:
    """Serves jobs until stdin ends; the exit code is 1 if the grader cannot be loaded."""
    requests, replies = _private_pipes()
    try:
        grade = LOADERS[sys.argv[-1]]()
    except ImportError as error:
        _send(replies, {"ready": False, "detail": str(error)})
        return 1
    _limit_process()
    _send(replies, {"ready": True})
    for line in requests:
        job = json.loads(line)
        _limit_job(job["limit_s"])
        reply = _reply(grade, job["payload"])
        _limit_job(None)
        _send(replies, reply)
    return 0


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes under new numbers; what libraries read and print goes nowhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    return requests, replies


def _send(replies: BinaryIO, message: Mapping[str, Any]) -> None:
    replies.write(json.dumps(message).encode("ascii") + b"\n")
    replies.flush()


def _reply(grade: Grader, payload: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {"outcome": grade(payload)}
    except Exception as error:  # noqa: BLE001  the sandbox's boundary: any error is a failed answer
        return {"outcome": Outcome.FAILED, "detail": f"{type(error).__name__}: {error}"[:200]}


def _limit_process() -> None:
    if os.name != "posix":
        return
    import resource

    limits = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    )
    for limit, value in limits:
        # A system that refuses a limit still has the pool's wall limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def _limit_job(limit_s: float | None) -> None:
    """Arms the alarm and the processor limit for one job, or disarms the alarm."""
    if os.name != "posix":
        return
    import resource
    import signal

    # The default action ends the process at once, also inside a long C call.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0 if limit_s is None else limit_s + _GRACE_S)
    if limit_s is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(usage.ru_utime + usage.ru_stime + limit_s + _GRACE_S) + 1
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(
                resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1])
            )


if __name__ == "__main__":
    sys.exit(main())
