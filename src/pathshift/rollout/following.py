"""Reading a training run's folder while it grows: each step once, when it has stopped changing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pathshift.errors import PathshiftError
from pathshift.records import CountTable
from pathshift.rollout.ingest import Source, read_table
from pathshift.store.importers.steps import Stamp, StepSource, steps_in, trainer_facts

SETTLE_SECONDS = 2.0
"""A trainer writes its dump line by line; a file untouched for so long is taken as finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStep:
    """One step of a run.

    Attributes:
        entropy: Mean entropy in nats, where the trainer logs it.
        truncated: Share of samples cut by the token limit, where the trainer logs it.
    """

    step: int
    table: CountTable
    entropy: float | None = None
    truncated: float | None = None


class Follower:
    """Remembers what it has read; `poll` returns all steps so far.

    Args:
        settle_seconds: How long a file must not have changed.
        now: Wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        source: Source | None = None,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.problems: dict[int, str] = {}
        self.source = source or Source()
        self._settle_seconds = settle_seconds
        self._now = now
        self._read: dict[Path, tuple[Stamp, CountTable]] = {}
        self._refused: dict[Path, tuple[Stamp, str]] = {}

    def poll(self, on_read: Callable[[int], None] = lambda step: None) -> list[ReadStep]:
        """All steps that can be read, in order; `problems` says which cannot, and why.

        Args:
            on_read: Called with a step before its file is read.

        Raises:
            LogError: the folder is absent, or two files are of one step.
        """
        sources = steps_in(self.folder)
        facts = trainer_facts(sources[-1].path.parent) if sources else {}
        self.problems = {}
        steps = []
        for source in sources:
            table = self._table(source, on_read)
            if table is not None:
                entropy, truncated = facts.get(source.step, (None, None))
                steps.append(
                    ReadStep(step=source.step, table=table, entropy=entropy, truncated=truncated)
                )
        return steps

    def _table(self, source: StepSource, on_read: Callable[[int], None]) -> CountTable | None:
        known = self._read.get(source.path)
        if known is not None and known[0] == source.stamp:
            return known[1]
        refused = self._refused.get(source.path)
        if refused is not None and refused[0] == source.stamp:
            self.problems[source.step] = refused[1]
            return known[1] if known is not None else None
        if self._now() - source.stamp.changed_ns / 1e9 < self._settle_seconds:
            return known[1] if known is not None else None
        on_read(source.step)
        try:
            table = read_table(source.path, self.source)
        except PathshiftError as error:
            self._refused[source.path] = source.stamp, str(error)
            self.problems[source.step] = str(error)
            return None
        self._read[source.path] = source.stamp, table
        return table
