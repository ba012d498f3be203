"""What a training run tells while it runs: metrics.jsonl and a line on the terminal.

metrics.jsonl is the record: one JSON object a step, synced. `trackers` holds the places it may be
copied to.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pathshift.errors import RunError
from pathshift.store.shards import disk_errors, whole_or_absent

FILE_NAME = "metrics.jsonl"
PLAIN_LINE_SECONDS = 10.0
_TERMINAL_LINE_SECONDS = 0.2


class MetricsLog:
    """metrics.jsonl of a training folder, open for appending; use as a context manager.

    Args:
        step: Of the checkpoint that the run goes on from, 0 at the beginning. Lines of later steps
            are dropped, and so is one that a kill cut short: those steps are taken again.

    Raises:
        RunError: the file holds a line that is not one of this log's.
        StorageError: the disk refused.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self.path, self.last_step = path, step
        if path.exists():
            kept = [json.dumps(line) for line in read_metrics(path) if line["step"] <= step]
            with whole_or_absent(path) as file:
                file.write("".join(f"{line}\n" for line in kept).encode())
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Append one step's metrics; numbers that are not finite are written as null.

        Raises:
            ValueError: the step stands already.
            StorageError: the disk refused.
        """
        if step <= self.last_step:
            raise ValueError(f"step {step} after step {self.last_step}")
        line = json.dumps(finite({"step": step, **metrics}), allow_nan=False)
        with disk_errors(self.path):
            self._file.write(line + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.last_step = step


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a metrics.jsonl, in their order; a last one without its end is left out.

    Raises:
        RunError: a line is no JSON object with a step.
    """
    *lines, _unfinished = path.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            value = json.loads(line)
            is_ours = isinstance(value, dict) and isinstance(value.get("step"), int)
        except (ValueError, RecursionError):
            is_ours, value = False, None
        if not is_ours:
            raise RunError(
                f"{path} line {number} is no line of metrics ({line[:60]!r}); move the file away "
                "to go on without the metrics so far"
            )
        found.append(value)
    return found


def finite(value: Any) -> Any:
    """The value with None for every number in it that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Updates done.
        n_steps: Of the whole run.
        done_before: Updates done before this process began.
        seconds: That this process has trained for.
        shown: Names and values to show, in their order.
    """

    step: int
    n_steps: int
    done_before: int
    seconds: float
    shown: Mapping[str, float]


def progress_text(progress: Progress) -> str:
    """Bar, step, a few metrics, time left.

    >>> progress_text(Progress(step=5, n_steps=20, done_before=0, seconds=30.0,
    ...                        shown={"reward": 0.25}))
    '[#####...............] step 5/20 · reward 0.25 · 6.0 s a step · 1m30s left'
    """
    filled = round(20 * progress.step / max(1, progress.n_steps))
    parts = [f"[{'#' * filled}{'.' * (20 - filled)}] step {progress.step}/{progress.n_steps}"]
    parts += [f"{name} {_number(value)}" for name, value in progress.shown.items()]
    taken = progress.step - progress.done_before
    if taken > 0:
        pace = progress.seconds / taken
        left = pace * (progress.n_steps - progress.step)
        parts += [f"{pace:.1f} s a step", f"{_spell(left)} left"]
    return " · ".join(parts)


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _spell(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


class StepLine:
    """A live line on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(
        self,
        *,
        quiet: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quiet, self._clock = quiet, clock
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._last = -math.inf
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        """Show it, if it is time; the last step always."""
        is_last = progress.step >= progress.n_steps
        every = _TERMINAL_LINE_SECONDS if self._is_terminal else PLAIN_LINE_SECONDS
        now = self._clock()
        if self._quiet or (now - self._last < every and not is_last):
            return
        self._last = now
        line = progress_text(progress)
        if not self._is_terminal:
            self._stream.write(line + "\n")
        else:
            padding = " " * max(0, self._width - len(line))
            self._width = len(line)
            self._stream.write(f"\r{line}{padding}" + ("\n" if is_last else ""))
        self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line, so that something else can be said."""
        if self._is_terminal and self._width and not self._quiet:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
