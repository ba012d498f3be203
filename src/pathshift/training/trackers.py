"""Copies of a run's metrics in trackio, Weights & Biases or TensorBoard, by their own libraries.

Each is imported only where it is asked for. metrics.jsonl is the record; a tracker that fails on
the way is left out and the run goes on. Nothing leaves the machine unless a tracker that sends is
asked for.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pathshift.errors import MissingExtra, TrainingError, UnknownName
from pathshift.records import digest
from pathshift.training.progress import FILE_NAME


class Tracker(Protocol):
    """A place that metrics are copied to."""

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """One step's finite numbers."""

    def close(self) -> None:
        """No more will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """How a run is called where it is tracked.

    Attributes:
        folder: The training folder; trackers that write files do so in `trackers/` in it.
        project: Groups runs.
        config: Settings shown with the run.
        step: Of the checkpoint that the run goes on from; 0 at the beginning.
    """

    folder: Path
    project: str
    config: Mapping[str, Any]
    step: int = 0

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def id(self) -> str:
        """The same whenever this folder goes on, and another for each folder and configuration."""
        return digest(str(self.folder.resolve()), self.config)[:16]


class _Trackio:
    def __init__(self, run: TrackedRun) -> None:
        self._library = _library("trackio")
        # It knows a run by its name alone: that of another folder would go on with this one.
        self._library.init(
            project=run.project, name=f"{run.name}-{run.id[:6]}", config=dict(run.config),
            resume="allow",
        )  # fmt: skip

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        self._library.log(dict(metrics), step=step)

    def close(self) -> None:
        self._library.finish()


class _Wandb:
    def __init__(self, run: TrackedRun) -> None:
        folder = run.folder / "trackers"
        folder.mkdir(parents=True, exist_ok=True)
        self._run = _library("wandb").init(
            project=run.project, name=run.name, id=run.id, config=dict(run.config),
            dir=str(folder), resume="allow",
        )  # fmt: skip

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


class _TensorBoard:
    def __init__(self, run: TrackedRun) -> None:
        _library("tensorboard")
        writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        folder = run.folder / "trackers" / "tensorboard"
        self._writer = writer(log_dir=str(folder), purge_step=run.step + 1 if run.step else None)

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


TRACKERS: Mapping[str, Callable[[TrackedRun], Tracker]] = {
    "trackio": _Trackio,
    "wandb": _Wandb,
    "tensorboard": _TensorBoard,
}


def check_trackers(names: Sequence[str]) -> None:
    """Whether all of them are known and installed.

    Raises:
        UnknownName: no such tracker.
        MissingExtra: its library is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UnknownName(f"tracker {name!r} is not known; use {', '.join(TRACKERS)}")
    for name in names:
        _library(name)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingExtra(name, name) from error


class Trackers:
    """Copies of the metrics; one that fails is left out from then on, and said once.

    Args:
        say: Takes a line for the user.

    Raises:
        UnknownName: no such tracker.
        MissingExtra: its library is not installed.
        TrainingError: it could not be started.
    """

    def __init__(self, names: Sequence[str], run: TrackedRun, say: Callable[[str], None]) -> None:
        self._say = say
        self._open: dict[str, Tracker] = {}
        check_trackers(names)
        for name in dict.fromkeys(names):
            self._open[name] = _started(name, run)

    def add(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Give one step's numbers to all; what is no finite number stays in metrics.jsonl."""
        numbers = {
            name: float(value)
            for name, value in metrics.items()
            if isinstance(value, (int, float)) and math.isfinite(value)
        }
        self._each(lambda tracker: tracker.add(step, numbers))

    def close(self) -> None:
        """Have all of them finish."""
        self._each(lambda tracker: tracker.close())
        self._open.clear()

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                with redirect_stdout(sys.stderr):
                    act(tracker)
            except Exception as error:  # noqa: BLE001  a tracker must not end a run of hours
                del self._open[name]
                self._say(
                    f"{name} failed ({_first_line(error)}) and gets no more; {FILE_NAME} holds all"
                )


def _started(name: str, run: TrackedRun) -> Tracker:
    try:
        with redirect_stdout(sys.stderr):  # trackio talks there, where --json - has its result
            return TRACKERS[name](run)
    except MissingExtra:
        raise
    except Exception as error:
        # Broad on purpose: each library lets through errors of whichever client it uses.
        raise TrainingError(
            f"tracker {name} could not be started ({_first_line(error)}); leave it out, "
            f"{FILE_NAME} is written in any case"
        ) from error


def _first_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
