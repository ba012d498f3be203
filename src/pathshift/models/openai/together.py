"""Many requests under way at once, from one caller that may be interrupted.

The threads are daemons: a caller that is interrupted, or a server that hangs, keeps no process from
ending.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

from pathshift.errors import ModelError

T = TypeVar("T")
_GRACE_S = 5.0
"""How long to wait, once the server is gone, for what is still under way."""


class Gathered(NamedTuple, Generic[T]):
    """Results in the order of the tasks, None where there is none; and what ended it early."""

    values: list[T | None]
    error: ModelError | None


class _Done(NamedTuple, Generic[T]):
    place: int
    value: T | None
    error: Exception | None


def gather(
    tasks: Sequence[Callable[[], T]], most: int, *, on_error: Callable[[ModelError], None]
) -> Gathered[T]:
    """Do all tasks, at most so many at a time.

    Args:
        on_error: Called at the first ModelError, to end the pauses of those under way.

    Raises:
        Exception: whatever a task raises that is no ModelError.
    """
    ended = threading.Event()
    done: SimpleQueue[_Done[T]] = SimpleQueue()
    n_threads = min(most, len(tasks))
    _start(tasks, n_threads, done, ended)
    values: list[T | None] = [None] * len(tasks)
    error: ModelError | None = None
    try:
        left = len(tasks)
        while left:
            got = done.get()
            if got.place < 0:
                n_threads -= 1
                continue
            left -= 1
            if isinstance(got.error, ModelError):
                error = got.error
                break
            if got.error is not None:
                raise got.error
            values[got.place] = got.value
    finally:
        ended.set()
    if error is not None:
        on_error(error)
        for late in _late(done, n_threads):
            if late.value is not None:
                values[late.place] = late.value
    return Gathered(values, error)


def _start(
    tasks: Sequence[Callable[[], T]], most: int, done: SimpleQueue[_Done[T]], ended: threading.Event
) -> None:
    todo, lock = iter(enumerate(tasks)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                place, task = (-1, None) if ended.is_set() else next(todo, (-1, None))
            if task is None:
                done.put(_Done(-1, None, None))  # this thread is at its end
                return
            try:
                done.put(_Done(place, task(), None))
            except Exception as error:  # noqa: BLE001  # handed on to the caller's thread
                done.put(_Done(place, None, error))

    for _ in range(most):
        threading.Thread(target=work, daemon=True).start()


def _late(done: SimpleQueue[_Done[T]], n_threads: int) -> list[_Done[T]]:
    """What still comes in within the grace, or until all threads are at their ends."""
    found: list[_Done[T]] = []
    until = time.monotonic() + _GRACE_S
    while n_threads and (left := until - time.monotonic()) > 0:
        try:
            got = done.get(timeout=left)
        except Empty:
            break
        n_threads -= got.place < 0
        if got.place >= 0:
            found.append(got)
    return found
