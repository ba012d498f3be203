"""TRL: the completions a trainer logs, one Parquet file a step.

A row is a sample: `prompt`, `completion`, one column a reward function, `advantage`, and what the
reward functions logged besides. A file holds the last generation batch of its step. A reward that
is null or NaN was not given: the sample is FAILED, not wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pathshift.errors import LogError
from pathshift.store.importers.files import each, log_rows, needed
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    judge_name,
    reference,
    verdict_of,
    whole,
)
from pathshift.store.importers.messages import completion_text, prompt_text
from pathshift.store.rowfiles import Row

_OWN = ("step", "prompt", "completion", "advantage")
_GOLD = ("solution", "gold", "answer", "ground_truth", "target", "gold_parsed")


def _matches(peek: Peek) -> bool:
    return peek.path.suffix == ".parquet" and peek.has("step", "prompt", "completion")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    column = options.score or reward_column(peeks[0].path)
    gold = next((name for name in _GOLD if name in peeks[0].keys), None)

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_sample(row, column, gold, options)])

    return Log(
        format="trl",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "trl"},
        judged_by=judge_name("trl", column),
        lacks=("the model", "the sampling parameters", "truncation"),
    )


def reward_column(path: Path) -> str:
    """The column that says what is right: the only reward, or the only one that says so by name.

    Raises:
        LogError: there is none, or it cannot be told which.
    """
    rewards = _numeric_columns(path)
    if len(rewards) == 1:
        return rewards[0]
    named = [name for name in rewards if re.search(r"correct|accura", name, re.IGNORECASE)]
    if len(named) == 1:
        return named[0]
    if not rewards:
        raise LogError(f"{path}: no column holds a reward; was log_completions on?")
    raise LogError(
        f"{path}: {len(rewards)} rewards ({', '.join(rewards)}); say which one tells right from "
        "wrong with --score"
    )


def _numeric_columns(path: Path) -> list[str]:
    import pyarrow.parquet
    import pyarrow.types as kinds

    schema = pyarrow.parquet.read_schema(path)
    numbers = (kinds.is_floating, kinds.is_integer, kinds.is_boolean, kinds.is_null)
    return [
        field.name
        for field in schema
        if field.name not in _OWN and any(is_kind(field.type) for is_kind in numbers)
    ]


def _sample(line: Row, column: str, gold: str | None, options: ReadOptions) -> LoggedSample:
    needed(line, column)
    row, where = line
    outcome = verdict_of(row[column], where, options, column)
    answer = row.get("answer_parsed")
    return LoggedSample(
        question=prompt_text(row["prompt"]),
        gold=reference(row[gold]) if gold else "",
        text=completion_text(row["completion"]),
        where=where,
        outcome=outcome,
        answer=None if answer is None else as_text(answer),
        detail=f"{column} gave no reward" if outcome == "failed" else "",
        step=whole(row["step"]),
    )


def step_of(path: Path) -> int | None:
    """Step of `completions_{step}.parquet`.

    >>> step_of(Path("completions/completions_00012.parquet"))
    12
    """
    found = re.fullmatch(r"completions_(\d{1,12})\.parquet", path.name)
    return int(found[1]) if found else None


FORMAT = LogFormat(
    name="trl",
    summary="TRL completions, completions_{step}.parquet",
    matches=_matches,
    read=_read,
    step_of=step_of,
)
