"""Records as Arrow rows and back: the columns of a run folder's Parquet files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pathshift.records import Outcome, Problem, Sample, Verdict

PROBLEM_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("gold", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("cluster", pa.string()),
        pa.field("floor", pa.float64()),
        pa.field("data", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
    ]
)

SAMPLE_COLUMNS = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_no", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("n_tokens", pa.int32()),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("logprob_sum", pa.float64()),
        pa.field("sampling_logprob_sum", pa.float64()),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

VERDICT_COLUMNS = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_no", pa.int32(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


KEY_COLUMNS = pa.schema([VERDICT_COLUMNS.field(i) for i in range(3)])
"""What names a sample: sample_id, problem_id, sample_no; in samples and verdicts alike."""

OUTCOME_COLUMNS = pa.schema([VERDICT_COLUMNS.field(i) for i in range(4)])
"""A verdict without its text."""


def storable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate (half a code point) becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def problem_table(problems: Sequence[Problem], prompts: Sequence[str]) -> pa.Table:
    """Problems with the prompts they were asked with."""
    rows = [
        {
            **asdict(problem),
            "data": json.dumps(dict(problem.data), sort_keys=True),
            "content_hash": problem.content_hash,
            "prompt": storable(prompt),
        }
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=PROBLEM_COLUMNS)


def problems_of(table: pa.Table) -> list[Problem]:
    """The inverse of `problem_table`, prompts left out."""
    rows = table.drop_columns(["content_hash", "prompt"]).to_pylist()
    return [Problem(**{**row, "data": json.loads(row["data"])}) for row in rows]


def sample_table(samples: Sequence[Sample]) -> pa.Table:
    """Samples as rows, made column by column: an import brings hundreds of thousands."""
    columns: dict[str, list[Any]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in SAMPLE_COLUMNS.names
        if name not in ("sample_id", "text", "detail")
    }
    columns["sample_id"] = [sample.id for sample in samples]
    columns["text"] = [storable(sample.text) for sample in samples]
    columns["detail"] = [storable(sample.detail) for sample in samples]
    return pa.table([columns[name] for name in SAMPLE_COLUMNS.names], schema=SAMPLE_COLUMNS)


def samples_of(table: pa.Table) -> list[Sample]:
    """The inverse of `sample_table`."""
    return [Sample(**row) for row in table.drop_columns(["sample_id"]).to_pylist()]


def verdict_table(verdicts: Sequence[Verdict]) -> pa.Table:
    """Verdicts as rows."""
    columns: list[list[Any]] = [
        [f"{verdict.problem_id}#{verdict.sample_no}" for verdict in verdicts],
        [verdict.problem_id for verdict in verdicts],
        [verdict.sample_no for verdict in verdicts],
        [verdict.outcome.value for verdict in verdicts],
        [None if verdict.answer is None else storable(verdict.answer) for verdict in verdicts],
        [storable(verdict.detail) for verdict in verdicts],
    ]
    return pa.table(columns, schema=VERDICT_COLUMNS)


def verdicts_of(table: pa.Table) -> list[Verdict]:
    """The inverse of `verdict_table`."""
    rows = table.drop_columns(["sample_id"]).to_pylist()
    return [Verdict(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows]
