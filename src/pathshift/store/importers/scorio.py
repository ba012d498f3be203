"""scorio: records with `data_id` (the problem), `seed` (the trial) and `processed_results`.

They hold neither question nor text.
"""

from __future__ import annotations

from collections.abc import Iterator

from pathshift.store.importers.files import each, log_rows, mapping, needed
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    finish_of,
    judge_name,
    settled,
    verdict_of,
    whole,
)
from pathshift.store.rowfiles import Row


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    score = options.score or "is_correct"

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_sample(row, score, options)])

    return Log(
        format="scorio",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "scorio", "model": as_text(peeks[0].first.get("model"))},
        judged_by=judge_name("scorio", score),
        lacks=("questions", "completions", "the sampling parameters"),
    )


def _sample(row: Row, score: str, options: ReadOptions) -> LoggedSample:
    needed(row, "data_id", "seed", "processed_results")
    output, results = (mapping(row.values.get(name)) for name in ("output", "processed_results"))
    finish = finish_of(output.get("finish_reason"))
    outcome = verdict_of(results.get(score), row.where, options, score)
    has_answer = results.get("has_box") in (None, 1, True)
    return LoggedSample(
        problem_id=as_text(row.values["data_id"]),
        number=whole(row.values["seed"]),
        question="",
        gold="",
        text="",
        where=row.where,
        outcome=settled(outcome, finish, has_answer=has_answer),
        finish_reason=finish,
        n_tokens=whole(output.get("num_completion_tokens")),
        detail=f"no {score}" if outcome == "failed" else "",
        model=as_text(row.values.get("model")) or None,
    )


FORMAT = LogFormat(
    name="scorio",
    summary="scorio records, data_id, seed and processed_results",
    matches=lambda peek: peek.has("data_id", "seed", "processed_results"),
    read=_read,
)
