"""verl: the dumps of its trainer, one JSON lines file a step, for validation and for rollouts.

A row is a sample: `input` (the decoded prompt), `output`, `gts`, `score`, `step` and what the
reward function returned besides, often `acc` and `pred`. `score` is a reward and may be shaped, so
`acc` is taken where it stands. A prompt's rows are found by its text: the uid is new at every step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    settled,
    verdict_of,
    whole,
)
from pathshift.store.rowfiles import Row

_NO_ANSWER = (None, "", "[INVALID]", "[NO_ANSWER]")


def _matches(peek: Peek) -> bool:
    return peek.path.suffix == ".jsonl" and peek.has("input", "output", "score")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    column = options.score or ("acc" if "acc" in peeks[0].keys else "score")

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        last = _last_outputs(peek)
        yield from each(log_rows(peek.path), lambda row: _samples(row, last, column, options))

    return Log(
        format="verl",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "verl"},
        judged_by=judge_name("verl", column),
        lacks=("the model", "the sampling parameters", *_unlogged(peeks[0])),
    )


def _unlogged(peek: Peek) -> list[str]:
    """What a reward function may have added to a dump, and did not."""
    return [
        what
        for what, names in (
            ("truncation", ("truncated", "overlong")),
            ("tokens", ("response_length",)),
        )
        if peek.keys.isdisjoint(names)
    ]


def _rollout(row: Mapping[str, Any]) -> tuple[str, int]:
    """Rollout and number of the output in it, from the uid `{prompt}_{rollout}_{output}`."""
    name, _, output = as_text(row.get("uid")).rpartition("_")
    return name, int(output) if output.isdecimal() and len(output) < 9 else 0


def _last_outputs(peek: Peek) -> dict[str, int]:
    """Last output of every rollout: an agent with several turns writes a row for each of them."""
    last: dict[str, int] = {}
    if "uid" in peek.keys:
        for row in log_rows(peek.path):
            rollout, output = _rollout(row.values)
            last[rollout] = max(output, last.get(rollout, 0))
    return last


def _samples(
    row: Row, last: Mapping[str, int], column: str, options: ReadOptions
) -> Iterator[LoggedSample]:
    """The sample of a row, unless its rollout goes on in another row."""
    rollout, output = _rollout(row.values)
    if output == last.get(rollout, output):
        yield _sample(row, column, options)


def _sample(line: Row, column: str, options: ReadOptions) -> LoggedSample:
    needed(line, column, "input", "output")
    row, where = line
    finish = _finish(row)
    outcome = verdict_of(row[column], where, options, column)
    has_answer = "pred" not in row or row["pred"] not in _NO_ANSWER
    return LoggedSample(
        question=as_text(row["input"]),
        gold=reference(row.get("gts")),
        text=as_text(row["output"]),
        where=where,
        outcome=settled(outcome, finish, has_answer=has_answer),
        answer=as_text(row["pred"]) if has_answer and "pred" in row else None,
        finish_reason=finish,
        n_tokens=whole(row.get("response_length")),
        entropy=row.get("entropy") if isinstance(row.get("entropy"), float) else None,
        step=whole(row.get("step")),
    )


def _finish(row: Mapping[str, Any]) -> str:
    cut = row.get("truncated", row.get("overlong"))
    return "unknown" if cut is None else "length" if cut else "stop"


def step_of(path: Path) -> int | None:
    """Step of `{global_step}.jsonl`.

    >>> step_of(Path("val/400.jsonl")), step_of(Path("val/log.jsonl"))
    (400, None)
    """
    found = re.fullmatch(r"(\d{1,12})\.jsonl", path.name)
    return int(found[1]) if found else None


FORMAT = LogFormat(
    name="verl",
    summary="verl validation or rollout dump, {step}.jsonl",
    matches=_matches,
    read=_read,
    step_of=step_of,
)
