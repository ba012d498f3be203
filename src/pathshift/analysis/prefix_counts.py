"""What became of the prefixes of an intervention, as arrays over problems and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pathshift.errors import RunError
from pathshift.records import Outcome
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.store.prefixes import SOURCES, PrefixNote, note_of
from pathshift.store.run import RunFolder


@dataclass(frozen=True, slots=True)
class _Cell:
    """What became of one prefix."""

    note: PrefixNote
    cluster: str
    correct: int
    judged: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's completions as arrays; P problems, L lengths, three sources.

    Attributes:
        own: Correct and judged without a prefix, shape (P, 2).
        correct, judged: Summed over a problem's prefixes, by source, shape (P, L).
        rates: Mean over a problem's prefixes of correct / judged; NaN where there is none.
        prefixes, leaked, short: By source, shape (L,).
    """

    ids: list[str]
    clusters: list[str]
    lengths: list[float]
    own: IntArray
    correct: Mapping[str, IntArray]
    judged: Mapping[str, IntArray]
    rates: Mapping[str, FloatArray]
    prefixes: Mapping[str, IntArray]
    leaked: Mapping[str, IntArray]
    short: Mapping[str, IntArray]

    @property
    def alone(self) -> FloatArray:
        """Success without a prefix, shape (P,); NaN where no sample could be judged."""
        with np.errstate(invalid="ignore"):
            rate: FloatArray = self.own[:, 0] / self.own[:, 1]
        return rate

    @property
    def cluster(self) -> IntArray:
        """Number of each problem's cluster, shape (P,)."""
        return np.unique(self.clusters, return_inverse=True)[1].reshape(-1).astype(np.int64)


def measured(path: Path, lengths: Sequence[float]) -> Measured:
    """Counts of a finished run folder.

    Raises:
        RunError: a prefix has not all its samples yet.
    """
    folder = RunFolder(path)
    outcomes = folder.outcomes(str(folder.manifest.config["verifier"]))
    cells: list[_Cell] = []
    for problem in folder.problems():
        found = list(outcomes.get(problem.id, {}).values())
        if len(found) < folder.manifest.n:
            raise RunError(f"{path} is not finished; run the same `pathshift intervene` again")
        judged = sum(outcome is not Outcome.FAILED for outcome in found)
        correct = sum(outcome is Outcome.CORRECT for outcome in found)
        cells.append(_Cell(note_of(problem), problem.cluster or problem.id, correct, judged))
    return _as_arrays(cells, lengths)


def _as_arrays(cells: Sequence[_Cell], lengths: Sequence[float]) -> Measured:
    alone = [cell for cell in cells if not cell.note.text]
    place = {cell.note.problem: i for i, cell in enumerate(alone)}
    column = {length: i for i, length in enumerate(lengths)}
    shape = (len(alone), len(lengths))

    def table() -> dict[str, IntArray]:
        return {source: np.zeros(shape, dtype=np.int64) for source in SOURCES}

    correct, judged, used, leaked, short = (table() for _ in range(5))
    rates = {source: np.zeros(shape) for source in SOURCES}
    for cell in cells:
        for use in cell.note.uses:
            at = place[cell.note.problem], column[use.length]
            if use.left_out:
                (leaked if use.left_out == "leak" else short)[use.source][at] += 1
            elif cell.judged:
                correct[use.source][at] += cell.correct
                judged[use.source][at] += cell.judged
                used[use.source][at] += 1
                rates[use.source][at] += cell.correct / cell.judged
    with np.errstate(invalid="ignore"):
        means = {source: rates[source] / used[source] for source in SOURCES}
    totals = [{s: part[s].sum(axis=0) for s in SOURCES} for part in (used, leaked, short)]
    return Measured(
        ids=list(place), clusters=[cell.cluster for cell in alone], lengths=list(lengths),
        own=np.array([(cell.correct, cell.judged) for cell in alone], dtype=np.int64),
        correct=correct, judged=judged, rates=means,
        prefixes=totals[0], leaked=totals[1], short=totals[2],
    )  # fmt: skip
