"""Samples as one flat table, CSV or Parquet: one row a sample, for spreadsheets, DuckDB or pandas.

`correct` is true or false, and empty where a sample failed: nobody judged it, and it is not wrong.
`outcome` has all four words, `error` says why a sample failed. The generic importer reads such a
table back to the same counts. Half a code point, which no UTF-8 file can hold, is a question mark.

Text is written as it is. A spreadsheet takes a CSV cell that begins with = + - or @ for a formula,
also in quotes: import the column as text there, or use Parquet. A mark put before such a text would
change what the model said, and every -5 that is an answer.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.records import Outcome
from pathshift.store.exporters.judged import (
    Exported,
    Judged,
    JudgedSample,
    Tally,
    why_failed,
)
from pathshift.store.exporters.whole import refuse_existing, room, settle
from pathshift.store.rows import storable

COLUMNS = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_no", pa.int32(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("gold", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("correct", pa.bool_()),
        pa.field("answer", pa.string()),
        pa.field("n_tokens", pa.int32()),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("model", pa.string()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("error", pa.string()),
    ]
)

BATCH = 4_096
"""Rows that are in memory at a time."""

_CELLS: Mapping[object, str] = {None: "", True: "true", False: "false"}


def write_csv(judged: Judged, out: Path) -> Exported:
    """Samples as CSV after RFC 4180: UTF-8, a header, quotes where they are needed."""
    refuse_existing(out)
    tally = Tally(judged)
    with room(out.parent) as aside:
        file = aside / out.name
        with file.open("w", encoding="utf-8", newline="") as lines:
            # Its default line end, CR LF, makes it quote a field that holds either of the two.
            writer = csv.writer(lines)
            writer.writerow(COLUMNS.names)
            for row in _rows(tally.rows(), judged.model):
                writer.writerow(map(_cell, row.values()))
        settle({file: out})
    return tally.exported(out)


def write_parquet(judged: Judged, out: Path) -> Exported:
    """Samples as Parquet, Zstandard inside."""
    refuse_existing(out)
    tally = Tally(judged)
    rows = _rows(tally.rows(), judged.model)
    with room(out.parent) as aside:
        file = aside / out.name
        with pq.ParquetWriter(file, COLUMNS, compression="zstd") as writer:
            while batch := list(islice(rows, BATCH)):
                writer.write_table(pa.Table.from_pylist(batch, schema=COLUMNS))
        settle({file: out})
    return tally.exported(out)


def _cell(value: Any) -> Any:
    return _CELLS[value] if value is None or isinstance(value, bool) else value


def _rows(rows: Iterable[JudgedSample], model: str) -> Iterator[dict[str, Any]]:
    """Values in the order of `COLUMNS`."""
    for problem, sample, verdict in rows:
        is_failed = verdict.outcome is Outcome.FAILED
        row = {
            "problem_id": problem.id,
            "sample_no": sample.sample_no,
            "question": problem.question,
            "gold": problem.gold,
            "outcome": verdict.outcome.value,
            "correct": None if is_failed else verdict.outcome is Outcome.CORRECT,
            "answer": verdict.answer,
            "n_tokens": sample.n_tokens,
            "finish_reason": sample.finish_reason,
            "text": sample.text,
            "model": model or None,
            "task": problem.task,
            "error": why_failed(sample, verdict),
        }
        yield {name: storable(v) if isinstance(v, str) else v for name, v in row.items()}
