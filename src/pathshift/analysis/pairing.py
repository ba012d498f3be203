"""Two count tables brought to the same problems, and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pathshift.errors import CountsError
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.drawn import Drawn
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.stopping import StoppingRule
from pathshift.store.countfiles import count_table, is_counts, read_counts
from pathshift.store.importers.assemble import assemble
from pathshift.store.importers.formats import open_log
from pathshift.store.manifest import is_run

Counts = CountTable | str | Path | Sequence[Mapping[str, Any]] | Any
"""What can be compared: a run folder, a count file, another tool's log, rows of id, n and c, or an
array (n, c)."""

MatchedBy = Literal["id", "content_hash", "core_hash"]
"""Fields of `ProblemCount` by which problems of two tables can be matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both models' counts of the same problems in the same order; every n is at least 1."""

    base: CountTable
    tuned: CountTable
    left_out: tuple[str, ...]
    """Ids of problems in which a model has no judged sample."""
    matched_by: MatchedBy = "id"
    """By what two problems were seen to be one."""
    unmatched: tuple[int, int] = (0, 0)
    """Problems that only the base has, and only the tuned model, passed over on request."""

    @property
    def prompts_match(self) -> bool | None:
        """Whether both sides were asked the same; None if a side does not say what was asked."""
        pairs = zip(self.base.counts, self.tuned.counts, strict=True)
        hashes = [(b.content_hash, t.content_hash) for b, t in pairs]
        if any(None in pair for pair in hashes):
            return None
        return all(ours == theirs for ours, theirs in hashes)

    def counts(self, side: str) -> IntArray:
        """Columns n and c of one side ("base" or "tuned"), shape (Q, 2)."""
        table: CountTable = getattr(self, side)
        return np.array([(p.n, p.c) for p in table.counts], dtype=np.int64)

    def drawn(self, side: str) -> Drawn:
        """One side's counts and what ended its draws."""
        return drawn(getattr(self, side))

    def with_failed(self, side: str, *, right: bool) -> IntArray:
        """As `counts`, with the failed samples counted as right or as wrong."""
        table: CountTable = getattr(self, side)
        rows = [(p.n + (p.failed or 0), p.c + right * (p.failed or 0)) for p in table.counts]
        return np.array(rows, dtype=np.int64)

    def clusters(self) -> IntArray | None:
        """Number of each problem's cluster, from 0; None if no two problems share one.

        A problem without a cluster is its own; where the two sides differ the base's counts.
        """
        pairs = zip(self.base.counts, self.tuned.counts, strict=True)
        names = [
            (b.source, b.cluster) if b.cluster is not None else (t.source, t.cluster)
            if t.cluster is not None else (b.id, None)
            for b, t in pairs
        ]  # fmt: skip
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        if len(numbers) == len(names):
            return None
        return np.array([numbers[name] for name in names], dtype=np.int64)

    def floors(self, every: float | None = None) -> FloatArray | None:
        """Null policy's success probability by problem; None unless every problem states one.

        Args:
            every: The same for all problems, whatever they state.
        """
        if every is not None:
            return np.full(len(self.base.counts), every)
        pairs = zip(self.base.counts, self.tuned.counts, strict=True)
        floors = [b.floor if b.floor is not None else t.floor for b, t in pairs]
        known = [floor for floor in floors if floor is not None]
        return np.array(known) if len(known) == len(floors) else None


def drawn(table: CountTable) -> Drawn:
    """A table's counts and what ended its draws.

    Raises:
        CountsError: its stopping rule is none, or a problem does not stand where the rule stops.
    """
    columns = [(p.n, p.c, p.failed or 0) for p in table.counts]
    n, c, failed = np.array(columns, dtype=np.int64).reshape(-1, 3).T
    if not table.is_stopped:
        return Drawn(n=n, c=c, failed=failed)
    try:
        found = Drawn(
            n=n, c=c, failed=failed, rule=StoppingRule.from_settings(table.settings["stopping"])
        )
        found.shares()
    except ValueError as error:
        raise CountsError(
            f"{table.name}: {error}; if sampling was interrupted, run the same command again to "
            "finish it"
        ) from error
    return found


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
        return _load_path(Path(source), verifier)
    rows: Any = source
    if not (len(source) and isinstance(source[0], Mapping)):
        array = np.asarray(source)
        if array.ndim != 2 or array.shape[1] != 2:
            raise CountsError(
                f"{name}: an array of counts has the two columns n and c, got shape {array.shape}"
            )
        rows = [{"id": i, "n": n.item(), "c": c.item()} for i, (n, c) in enumerate(array)]
    return count_table(rows, name=name)


def _load_path(path: Path, verifier: str | None) -> CountTable:
    if path.exists() and not is_run(path) and not is_counts(path):
        return assemble(open_log([path])).counts(str(path))
    return read_counts(path, verifier=verifier)


def pair_up(base: CountTable, tuned: CountTable, *, common: bool = False) -> Pair:
    """Bring both tables to the base's order of problems.

    Problems are the same if their ids are and nothing contradicts it, or else if question and
    reference answer are, or else if the questions are once the templates around them are taken off.

    Args:
        common: Pass over problems that only one of the two has.

    Raises:
        CountsError: the two hold different problems; names some of them.
    """
    matched_by, both = _matched(base, tuned, common=common)
    usable = [(b, t) for b, t in both if b.n > 0 and t.n > 0]
    if not usable:
        raise CountsError(f"{base.name} and {tuned.name}: no problem has a judged sample in both")
    kept = {b.id for b, _ in usable}
    return Pair(
        base=replace(base, counts=tuple(b for b, _ in usable)),
        tuned=replace(tuned, counts=tuple(t for _, t in usable)),
        left_out=tuple(b.id for b, _ in both if b.id not in kept),
        matched_by=matched_by,
        unmatched=(len(base.counts) - len(both), len(tuned.counts) - len(both)),
    )


Matched = list[tuple[ProblemCount, ProblemCount]]


def _matched(base: CountTable, tuned: CountTable, *, common: bool) -> tuple[MatchedBy, Matched]:
    ways: tuple[MatchedBy, ...] = ("id", "content_hash", "core_hash")
    for by in ways:
        both = _by_key(base, tuned, by, common=common)
        if both:
            return by, both
    raise _different(base, tuned)


def _by_key(base: CountTable, tuned: CountTable, by: MatchedBy, *, common: bool) -> Matched:
    """Pairs with equal keys; empty unless all problems find a partner (or some, if `common`)."""
    ours, theirs = ({getattr(p, by): p for p in table.counts} for table in (base, tuned))
    is_unique = len(ours) == len(base.counts) and len(theirs) == len(tuned.counts)
    keys = ours.keys() & theirs.keys() - {None}
    if not keys or not is_unique or not (common or len(keys) == len(ours) == len(theirs)):
        return []
    both = [(p, theirs[key]) for key, p in ours.items() if key in keys]
    return [] if by == "id" and any(_contradict(*pair) for pair in both) else both


def _contradict(base: ProblemCount, tuned: ProblemCount) -> bool:
    """Whether two problems of one id ask different things, in any template."""
    if None in (base.content_hash, tuned.content_hash):
        return False
    is_same_core = base.core_hash is not None and base.core_hash == tuned.core_hash
    return base.content_hash != tuned.content_hash and not is_same_core


def _different(base: CountTable, tuned: CountTable) -> CountsError:
    ours, theirs = ({p.id: p for p in table.counts} for table in (base, tuned))
    where = f"{base.name} and {tuned.name}"
    for problem_id in ours.keys() & theirs.keys():
        if _contradict(ours[problem_id], theirs[problem_id]):
            return CountsError(
                f"problem {problem_id} asks different things in {where}; "
                "a paired comparison needs the same problems on both sides"
            )
    only = [
        f"{len(extra)} only in {table.name} ({', '.join(sorted(extra)[:3])})"
        for table, extra in ((base, ours.keys() - theirs), (tuned, theirs.keys() - ours))
        if extra
    ]
    return CountsError(
        f"{where} measure different problems: {'; '.join(only)}; a paired comparison needs the "
        "same problems on both sides (--common compares those that both have)"
    )
