"""What a writer of a foreign format is given, and what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pathshift.errors import InputError, RunError
from pathshift.records import CountTable, Outcome, Problem, ProblemCount, Sample, Verdict
from pathshift.store.rows import storable

JudgedSample = tuple[Problem, Sample, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Samples with their verdicts, from a run folder or from a log of another tool.

    Attributes:
        table: Their counts, and what is known of how they were made.
        rows: Reads all samples from the beginning, as often as asked.
        model: What the model is called; empty if nobody says.
        made_at: Time to be written down, in Unix seconds.
        rates: k to the pass@k of each problem that has a judged sample, in the order of `table`.
    """

    table: CountTable
    rows: Callable[[], Iterable[JudgedSample]]
    model: str
    made_at: int
    rates: Mapping[int, Sequence[float]]

    @property
    def settings(self) -> dict[str, Any]:
        """What is known of how they were made, as values that every JSON reader takes.

        NaN and infinity, which a foreign log may hold, are their names; so is what is no JSON.
        """
        text = json.dumps(dict(self.table.settings), ensure_ascii=False, default=str)
        found: dict[str, Any] = json.loads(storable(text), parse_constant=str)
        return found

    @property
    def task(self) -> str:
        """What was asked: the task or data set, or else the log's format."""
        settings = self.table.settings
        return storable(str(settings.get("task") or settings.get("format") or "samples"))

    @property
    def verifier(self) -> str:
        """Whose verdicts these are."""
        return str(self.table.settings["verifier"])

    @property
    def time(self) -> datetime:
        """`made_at` in UTC."""
        return datetime.fromtimestamp(self.made_at, UTC)

    @property
    def judged_problems(self) -> list[ProblemCount]:
        """Problems with at least one judged sample: those that `rates` speaks of.

        Raises:
            InputError: there is none, so that no score can be stated.
        """
        found = [count for count in self.table.counts if count.n]
        if not found:
            raise InputError(
                f"{self.table.name}: no sample is judged, all failed; csv and parquet take it as "
                "it is, the other formats need a judged sample"
            )
        return found

    @property
    def rate_notes(self) -> tuple[str, ...]:
        """That pass@k ends before the samples of most problems do, where it is so."""
        fewest = max(self.rates)
        if all(count.n <= fewest for count in self.judged_problems):
            return ()
        return (f"pass@k is stated up to k={fewest}, the fewest judged samples of a problem",)

    def means(self) -> dict[int, float]:
        """k to pass@k over all judged problems."""
        return {k: sum(values) / len(values) for k, values in self.rates.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        paths: The files.
        n_problems: Problems in them.
        n_samples: Samples they tell of, judged or failed.
        failed: Those that nobody judged; never written as wrong.
        left_out: Problems that are not in them, because none of their samples is judged.
        notes: What a reader of the files has to know, a sentence each.
    """

    paths: tuple[Path, ...]
    n_problems: int
    n_samples: int
    failed: int
    left_out: int = 0
    notes: tuple[str, ...] = ()


def why_failed(sample: Sample, verdict: Verdict) -> str | None:
    """The reason a sample was not judged; None if it was."""
    if verdict.outcome is not Outcome.FAILED:
        return None
    return verdict.detail or sample.detail or "no verdict"


class Tally:
    """Counts samples while they go by, for `Exported`."""

    def __init__(self, judged: Judged) -> None:
        self.samples = 0
        self.failed = 0
        self._correct = 0
        self._problems: set[str] = set()
        self._judged = judged

    def rows(self) -> Iterator[JudgedSample]:
        """The samples.

        Raises:
            RunError: in the end, if they are not those that were counted before: the file says
                pass@k of them.
        """
        for problem, sample, verdict in self._judged.rows():
            self.samples += 1
            self.failed += verdict.outcome is Outcome.FAILED
            self._correct += verdict.outcome is Outcome.CORRECT
            self._problems.add(problem.id)
            yield problem, sample, verdict
        counts = self._judged.table.counts
        counted = (
            sum(count.n + (count.failed or 0) for count in counts),
            sum(count.c for count in counts),
        )
        if (self.samples, self._correct) != counted:
            raise RunError(
                f"{self._judged.table.name} changed while it was read: {counted[0]:,} samples, "
                f"then {self.samples:,}; export it when nothing writes into it"
            )

    def exported(self, *paths: Path, notes: tuple[str, ...] = ()) -> Exported:
        """What was written, if it was all that went by."""
        return Exported(
            paths=paths,
            n_problems=len(self._problems),
            n_samples=self.samples,
            failed=self.failed,
            notes=notes,
        )
