"""Count files: one row a problem with `id`, `n` (samples) and `c` (correct ones).

JSON lines, JSON, CSV and Parquet. Optional columns: source, cluster, floor, unparsed, failed,
truncated, n_tokens; and pilot, successes, cap, the same in every row, where a rule ended each
problem's samples. Every broken row is an error that names file and row; nothing is repaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pathshift.errors import CountsError, InputError
from pathshift.records import CountTable, ProblemCount
from pathshift.store.counts import run_counts
from pathshift.store.manifest import is_run
from pathshift.store.rowfiles import Row, is_readable, read_rows

_RULE = ("pilot", "successes", "cap")
"""Columns of a stopping rule: all of them or none."""
_OPTIONAL_WHOLE = ("unparsed", "failed", "truncated", "n_tokens")


def read_counts(path: Path, *, verifier: str | None = None) -> CountTable:
    """Counts from a run folder or a count file, told apart by what is there.

    Raises:
        CountsError: the file is absent, empty, of an unknown kind, or a row breaks a rule.
        RunError: as `run_counts`.
    """
    if path.is_dir() or is_run(path):
        return run_counts(path, verifier=verifier)
    if not path.is_file():
        raise CountsError(f"{path} does not exist; give a run folder or a file of counts")
    if verifier is not None:
        raise CountsError(f"{path} holds counts, not samples; --verifier needs a run folder")
    try:
        with closing(read_rows(path)) as rows:
            return _table(rows, name=str(path))
    except CountsError:
        raise
    except InputError as error:
        raise CountsError(f"{error}; give counts with id, n and c") from error


def is_counts(path: Path) -> bool:
    """Whether a file's first row has n and c. An empty file counts as one: it says nothing else."""
    if not path.is_file() or not is_readable(path):
        return False
    try:
        with closing(read_rows(path)) as rows:
            first = next(rows, None)
    except InputError:
        return False
    return first is None or {"n", "c"} <= first.values.keys()


def count_table(rows: Iterable[Mapping[str, Any]], *, name: str) -> CountTable:
    """Check rows of id, n and c, and keep their order.

    Args:
        rows: Mappings with at least `id`, `n` and `c`.
        name: What to call the table in messages and results: its file.

    Raises:
        CountsError: names the row, counted from 1, and the rule it breaks.
    """
    return _table((Row(row, f"{name}, row {i}") for i, row in enumerate(rows, 1)), name=name)


def _table(rows: Iterable[Row], *, name: str) -> CountTable:
    counts: list[ProblemCount] = []
    places: dict[str, str] = {}
    rules: list[dict[str, int] | None] = []
    for row in rows:
        count = _count(row.values, row.where)
        rules.append(_rule(row.values, row.where))
        if rules[-1] != rules[0]:
            raise CountsError(
                f"{row.where}: another stopping rule than in the rows before; a file holds one "
                "rule (pilot, successes, cap), the same in every row"
            )
        if count.id in places:
            raise CountsError(
                f"{row.where}: id {count.id!r} stands at {places[count.id]} already; "
                "one row a problem: add their n and c up"
            )
        places[count.id] = row.where
        counts.append(count)
    if not counts:
        raise CountsError(f"{name} is empty; it needs one row a problem with id, n and c")
    settings = {} if rules[0] is None else {"stopping": rules[0]}
    return CountTable(name=name, counts=tuple(counts), settings=settings)


def _rule(row: Mapping[str, Any], where: str) -> dict[str, int] | None:
    """A row's stopping rule as a table's settings hold it; None without one."""
    if not any(_given(row, key) for key in _RULE):
        return None
    missing = [key for key in _RULE if not _given(row, key)]
    if missing:
        raise CountsError(f"{where}: a stopping rule is pilot, successes and cap; no {missing[0]}")
    return {key: _whole(row, key, where) for key in _RULE}


def _count(row: Mapping[str, Any], where: str) -> ProblemCount:
    if not isinstance(row, Mapping):
        raise CountsError(f"{where}: expected id, n and c, got {str(row)[:60]!r}")
    problem_id = row.get("id")
    if problem_id is None or str(problem_id).strip() == "":
        raise CountsError(f"{where}: no id; every row needs id, n and c (found: {_keys(row)})")
    n, c = _whole(row, "n", where), _whole(row, "c", where)
    if n < 1:
        raise CountsError(f"{where}: n={n}; a problem needs at least one sample, or leave it out")
    if not 0 <= c <= n:
        raise CountsError(f"{where}: c={c} with n={n}; c counts the correct ones among n samples")
    unparsed, failed, truncated, n_tokens = (
        _whole(row, key, where) if _given(row, key) else None for key in _OPTIONAL_WHOLE
    )
    return ProblemCount(
        id=str(problem_id),
        n=n,
        c=c,
        source=str(row["source"]) if _given(row, "source") else "",
        cluster=str(row["cluster"]) if _given(row, "cluster") else None,
        floor=_share(row, "floor", where) if _given(row, "floor") else None,
        unparsed=unparsed,
        failed=failed,
        truncated=truncated,
        n_tokens=n_tokens,
    )


def _keys(row: Mapping[str, Any]) -> str:
    return ", ".join(str(key)[:30] for key in list(row)[:8]) or "nothing"


def _given(row: Mapping[str, Any], key: str) -> bool:
    return row.get(key) not in (None, "")


def _whole(row: Mapping[str, Any], key: str, where: str) -> int:
    value = row.get(key)
    if value is None or value == "":
        raise CountsError(f"{where}: no {key}; every row needs id, n and c (found: {_keys(row)})")
    try:
        number = int(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number < 0 or (isinstance(value, float) and value != number):
        raise CountsError(f"{where}: {key}={str(value)[:40]!r}; it must be a whole number, 0 or up")
    if number > 2**31:
        raise CountsError(f"{where}: {key}={number}; more than 2^31 is not a count of samples")
    return number


def _share(row: Mapping[str, Any], key: str, where: str) -> float:
    try:
        value = float(row[key])
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value <= 1:
        raise CountsError(f"{where}: {key}={str(row[key])[:40]!r}; it must be a share from 0 to 1")
    return value
