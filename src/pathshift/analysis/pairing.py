"""Two count tables brought to the same problems, and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.errors import CountsError
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.store.countfiles import count_table, read_counts

Counts = CountTable | str | Path | Sequence[Mapping[str, Any]] | Any
"""What can be compared: a run folder, a count file, rows of id, n and c, or an array (n, c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both models' counts of the same problems in the same order; every n is at least 1."""

    base: CountTable
    tuned: CountTable
    left_out: tuple[str, ...]
    """Ids of problems in which a model has no judged sample."""

    def counts(self, side: str) -> IntArray:
        """Columns n and c of one side ("base" or "tuned"), shape (Q, 2)."""
        table: CountTable = getattr(self, side)
        return np.array([(p.n, p.c) for p in table.counts], dtype=np.int64)

    def with_failed(self, side: str, *, right: bool) -> IntArray:
        """As `counts`, with the failed samples counted as right or as wrong."""
        table: CountTable = getattr(self, side)
        rows = [(p.n + (p.failed or 0), p.c + right * (p.failed or 0)) for p in table.counts]
        return np.array(rows, dtype=np.int64)

    def floors(self) -> FloatArray | None:
        """Null policy's success probability by problem; None unless every problem states one."""
        pairs = zip(self.base.counts, self.tuned.counts, strict=True)
        floors = [b.floor if b.floor is not None else t.floor for b, t in pairs]
        known = [floor for floor in floors if floor is not None]
        return np.array(known) if len(known) == len(floors) else None


def load(source: Counts, *, name: str, verifier: str | None = None) -> CountTable:
    """Counts from whatever a user has.

    Args:
        source: See `Counts`; an array has the columns n and c and its rows are numbered.
        name: What to call a source that has no path.
        verifier: For run folders: whose verdicts to count.
    """
    if isinstance(source, CountTable):
        return source
    if isinstance(source, str | Path):
        return read_counts(Path(source), verifier=verifier)
    rows: Any = source
    if not (len(source) and isinstance(source[0], Mapping)):
        array = np.asarray(source)
        if array.ndim != 2 or array.shape[1] != 2:
            raise CountsError(
                f"{name}: an array of counts has the two columns n and c, got shape {array.shape}"
            )
        rows = [{"id": i, "n": n.item(), "c": c.item()} for i, (n, c) in enumerate(array)]
    return count_table(rows, name=name)


def pair_up(base: CountTable, tuned: CountTable) -> Pair:
    """Bring both tables to the base's order of problems.

    Raises:
        CountsError: the two hold different problems; names some of them.
    """
    by_id = {count.id: count for count in tuned.counts}
    _check_same_problems(base, tuned)
    usable = [p for p in base.counts if p.n > 0 and by_id[p.id].n > 0]
    if not usable:
        raise CountsError(f"{base.name} and {tuned.name}: no problem has a judged sample in both")
    kept = {p.id for p in usable}
    return Pair(
        base=_with_counts(base, usable),
        tuned=_with_counts(tuned, [by_id[p.id] for p in usable]),
        left_out=tuple(p.id for p in base.counts if p.id not in kept),
    )


def _with_counts(table: CountTable, counts: Sequence[ProblemCount]) -> CountTable:
    return CountTable(name=table.name, counts=tuple(counts), settings=table.settings)


def _check_same_problems(base: CountTable, tuned: CountTable) -> None:
    ours, theirs = ({p.id: p.content_hash for p in t.counts} for t in (base, tuned))
    if ours.keys() == theirs.keys():
        _check_same_content(base, tuned, ours, theirs)
        return
    only = [
        f"{len(extra)} only in {table.name} ({', '.join(sorted(extra)[:3])})"
        for table, extra in ((base, ours.keys() - theirs), (tuned, theirs.keys() - ours))
        if extra
    ]
    raise CountsError(
        f"{base.name} and {tuned.name} measure different problems: {'; '.join(only)}; "
        "a paired comparison needs the same ids on both sides"
    )


def _check_same_content(
    base: CountTable,
    tuned: CountTable,
    ours: Mapping[str, str | None],
    theirs: Mapping[str, str | None],
) -> None:
    for problem_id, content in ours.items():
        if None not in (content, theirs[problem_id]) and content != theirs[problem_id]:
            raise CountsError(
                f"problem {problem_id} asks different things in {base.name} and {tuned.name}; "
                "a paired comparison needs the same problems on both sides"
            )
