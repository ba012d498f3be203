"""A training run's folder as a series: which file or run folder belongs to which step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pathshift.errors import LogError
from pathshift.store.importers.files import mapping, sibling_json
from pathshift.store.importers.formats import FORMATS
from pathshift.store.manifest import is_run

_NUMBER = re.compile(r"\d{1,12}")
# Held-out problems before those trained on: only the former are the same at every step.
_INNER = ("", "runs", "val", "validation", "completions")


class Stamp(NamedTuple):
    """What changes when a step's files do: number of files, bytes, time of the last change."""

    n_files: int
    n_bytes: int
    changed_ns: int


class StepSource(NamedTuple):
    """A step and where its samples are."""

    step: int
    path: Path
    stamp: Stamp


def steps_in(folder: Path) -> list[StepSource]:
    """Steps of a training run, in order: dumps of verl and TRL, or run folders with a number.

    Looks into the folder itself, or else into `runs`, `val`, `validation` or `completions` in it.

    Raises:
        LogError: the folder is absent, or two sources have one step.
    """
    if not folder.is_dir():
        raise LogError(f"{folder} is not a folder; give the one that holds a file a step")
    for name in _INNER:
        found = sorted(_sources(folder / name)) if (folder / name).is_dir() else []
        if found:
            _check_distinct(found)
            return found
    return []


def _sources(folder: Path) -> Iterator[StepSource]:
    for path in folder.iterdir():
        step = step_of(path)
        if step is None:
            continue
        try:
            yield StepSource(step, path, _stamp(path))
        except FileNotFoundError:
            continue  # renamed between the listing and the look


def step_of(path: Path) -> int | None:
    """Step of a dump by its name, or of a run folder by the last number in its name."""
    if path.is_dir():
        numbers = _NUMBER.findall(path.name) if is_run(path) else []
        return int(numbers[-1]) if numbers else None
    named = (form.step_of(path) for form in FORMATS.values())
    return next((step for step in named if step is not None), None)


def _stamp(path: Path) -> Stamp:
    files = list(path.rglob("*.parquet")) if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return Stamp(
        len(files), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
    )


def _check_distinct(found: list[StepSource]) -> None:
    for one, other in pairwise(found):
        if one.step == other.step:
            raise LogError(f"{one.path} and {other.path} are both of step {one.step}; keep one")


class TrainerFacts(NamedTuple):
    """What a trainer logs of a step besides its samples; None where it does not."""

    entropy: float | None
    truncated: float | None


def trainer_facts(folder: Path) -> dict[int, TrainerFacts]:
    """Entropy and truncated share by step, from the newest `trainer_state.json` of TRL.

    The trainer writes that file with its checkpoints, so it lags behind the completions.
    """
    roots = [folder, folder.parent] if folder.name in _INNER else [folder]
    states = [file for root in roots for file in root.glob("checkpoint-*/trainer_state.json")]
    states += [root / "trainer_state.json" for root in roots]
    there = sorted((file for file in states if file.is_file()), key=lambda f: f.stat().st_mtime_ns)
    history = sibling_json(there[-1]).get("log_history") if there else None
    facts: dict[int, TrainerFacts] = {}
    for entry in map(mapping, history if isinstance(history, list) else []):
        step = entry.get("step")
        if isinstance(step, int) and "entropy" in entry:
            facts[step] = TrainerFacts(
                _number(entry.get("entropy")), _number(entry.get("completions/clipped_ratio"))
            )
    return facts


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return float(value) if is_number and isinstance(value, int | float) else None
