"""Records as Arrow rows and back: the columns of a run folder's Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pathshift.records import Outcome, Problem, Sample, Score, TokenTrace, Verdict

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

TRACE_COLUMNS = pa.schema(
    [
        pa.field("token_ids", pa.list_(pa.int32())),
        pa.field("pieces", pa.list_(pa.string())),
        pa.field("logprobs", pa.list_(pa.float32())),
        pa.field("policy_logprobs", pa.list_(pa.float32())),
        pa.field("entropies", pa.list_(pa.float32())),
    ]
)
"""A sample or a score token by token; all null where it has none."""

TRACED_SAMPLE_COLUMNS = pa.schema([*SAMPLE_COLUMNS, *TRACE_COLUMNS])

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


SCORE_COLUMNS = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_no", pa.int32(), nullable=False),
        pa.field("n_tokens", pa.int32(), nullable=False),
        pa.field("n_bytes", pa.int32(), nullable=False),
        pa.field("logprob_sum", pa.float64()),
        pa.field("policy_logprob_sum", pa.float64()),
        pa.field("entropy_sum", pa.float64()),
        pa.field("tokens_from", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

TRACED_SCORE_COLUMNS = pa.schema([*SCORE_COLUMNS, *TRACE_COLUMNS])

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


def sample_table(samples: Sequence[Sample], *, traced: bool = False) -> pa.Table:
    """Samples as rows, made column by column: an import brings hundreds of thousands."""
    columns: dict[str, list[Any]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in SAMPLE_COLUMNS.names
        if name not in ("sample_id", "text", "detail")
    }
    columns["sample_id"] = [sample.id for sample in samples]
    columns["text"] = [storable(sample.text) for sample in samples]
    columns["detail"] = [storable(sample.detail) for sample in samples]
    plain = pa.table([columns[name] for name in SAMPLE_COLUMNS.names], schema=SAMPLE_COLUMNS)
    return _with_traces(plain, [sample.trace for sample in samples]) if traced else plain


def samples_of(table: pa.Table) -> list[Sample]:
    """The inverse of `sample_table`."""
    return [
        Sample(**row, trace=trace)
        for row, trace in _split_traces(table.drop_columns(["sample_id"]))
    ]


def score_table(scores: Sequence[Score], *, traced: bool) -> pa.Table:
    """Scores as rows."""
    columns = [[getattr(score, name) for score in scores] for name in SCORE_COLUMNS.names[1:]]
    ids = [score.id for score in scores]
    plain = pa.table([ids, *columns], schema=SCORE_COLUMNS)
    return _with_traces(plain, [score.trace for score in scores]) if traced else plain


def scores_of(table: pa.Table) -> list[Score]:
    """The inverse of `score_table`."""
    return [
        Score(**row, trace=trace) for row, trace in _split_traces(table.drop_columns(["sample_id"]))
    ]


def _with_traces(table: pa.Table, traces: Sequence[TokenTrace | None]) -> pa.Table:
    for column in TRACE_COLUMNS:
        values = [None if trace is None else getattr(trace, column.name) for trace in traces]
        if column.name == "pieces":
            values = [None if v is None else [storable(piece) for piece in v] for v in values]
        table = table.append_column(column, pa.array(values, column.type))
    return table


def _split_traces(table: pa.Table) -> Iterator[tuple[dict[str, Any], TokenTrace | None]]:
    """Rows without their lists, and the lists as a trace where there are any."""
    for row in table.to_pylist():
        lists = {name: row.pop(name, None) for name in TRACE_COLUMNS.names}
        if lists["token_ids"] is None:
            yield row, None
        else:
            yield row, TokenTrace(**{name: tuple(values) for name, values in lists.items()})


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
