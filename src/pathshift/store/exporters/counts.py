"""Counts, one row a problem: for passk-inference, and as CSV or Parquet tables.

passk-inference 0.3.1 takes JSON lines with `id`, `c` and `n`, wants n >= 1, and splits lines where
Unicode does: only ASCII is written, so that no id can break a line. A problem without a judged
sample has no such row and is left out; a failed sample is not in n.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.errors import InputError
from pathshift.records import CountTable, ProblemCount
from pathshift.store.exporters.judged import Exported, Judged
from pathshift.store.exporters.whole import refuse_existing, room, settle
from pathshift.store.rows import storable

COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("c", pa.int64(), nullable=False),
        pa.field("unparsed", pa.int64()),
        pa.field("failed", pa.int64()),
        pa.field("truncated", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("cluster", pa.string()),
        pa.field("floor", pa.float64()),
    ]
)
"""The columns that `store.countfiles` reads."""


def write_passk(judged: Judged, out: Path) -> Exported:
    """Counts of judged samples for passk-inference."""
    return write_passk_counts(judged.table, out)


def write_passk_counts(table: CountTable, out: Path) -> Exported:
    """A count file for passk-inference.

    Raises:
        InputError: no problem has a judged sample, which the tool refuses.
    """
    kept = [count for count in table.counts if count.n]
    if not kept:
        raise InputError(f"{table.name}: no problem has a judged sample; there is nothing to count")
    refuse_existing(out)
    with room(out.parent) as aside:
        file = aside / out.name
        with file.open("w", encoding="ascii", newline="\n") as lines:
            for count in kept:
                lines.write(json.dumps({"id": count.id, "c": count.c, "n": count.n}) + "\n")
        settle({file: out})
    return _exported(table, kept, out)


def write_csv_counts(table: CountTable, out: Path) -> Exported:
    """Counts as CSV with the columns that are known; this package reads it back."""
    refuse_existing(out)
    names = _known(table)
    with room(out.parent) as aside:
        file = aside / out.name
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(names)
            for row in _rows(table):
                writer.writerow(["" if row[name] is None else row[name] for name in names])
        settle({file: out})
    return _exported(table, list(table.counts), out)


def write_parquet_counts(table: CountTable, out: Path) -> Exported:
    """Counts as Parquet with the columns that are known; this package reads it back."""
    refuse_existing(out)
    content = pa.Table.from_pylist(list(_rows(table)), schema=COLUMNS).select(_known(table))
    with room(out.parent) as aside:
        pq.write_table(content, aside / out.name, compression="zstd")
        settle({aside / out.name: out})
    return _exported(table, list(table.counts), out)


def _rows(table: CountTable) -> Iterator[dict[str, Any]]:
    for count in table.counts:
        row = {name: getattr(count, name) for name in COLUMNS.names}
        yield {k: storable(v) if isinstance(v, str) else v for k, v in row.items()}


def _known(table: CountTable) -> list[str]:
    """id, n, c and the columns that say something of at least one problem."""
    return [
        name
        for name in COLUMNS.names
        if name in ("id", "n", "c")
        or any(getattr(count, name) not in (None, "") for count in table.counts)
    ]


def _exported(table: CountTable, kept: list[ProblemCount], out: Path) -> Exported:
    failed = sum(count.failed or 0 for count in table.counts)
    return Exported(
        paths=(out,),
        n_problems=len(kept),
        n_samples=sum(count.n for count in table.counts) + failed,
        failed=failed,
        left_out=len(table.counts) - len(kept),
        notes=("failed samples are not in n",) if failed else (),
    )
