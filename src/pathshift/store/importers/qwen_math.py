"""Qwen2.5-Math's evaluation and what was made of it: a row a problem, with lists of its samples.

Rows with fewer samples than others are filled up with their last score by the evaluation that some
copies hold; the mean of that is kept in the settings beside what was drawn, so that it can be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, needed
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    finish_of,
    reference,
    settled,
    verdict_of,
)
from pathshift.store.rowfiles import Row

_NAME = re.compile(r".*_(?P<prompt>[^_]+)_-?\d+_seed(?P<seed>\d+)_t(?P<t>\d+(?:\.\d+)?)_.*")


def _matches(peek: Peek) -> bool:
    return peek.has("idx", "gt", "code", "score") and isinstance(peek.first["code"], list)


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: _samples(row, options))

    found = _NAME.fullmatch(peeks[0].path.stem)
    policy = {"temperature": float(found["t"]), "seed": int(found["seed"])} if found else {}
    padded = _padded(peeks[0]) if len(peeks) == 1 else {}
    return Log(
        format="qwen-math",
        peeks=peeks,
        samples_in=samples_in,
        settings={
            **policy, **padded, "tool": "qwen2.5-math", "task": peeks[0].path.parent.name,
        },
        judged_by="qwen-math",
        lacks=("the model", "tokens"),
    )  # fmt: skip


def _padded(peek: Peek) -> dict[str, Any]:
    """pass@1 with short rows filled up by their last score, and how many rows that are."""
    rows = [scores for row in log_rows(peek.path) if (scores := row.values.get("score"))]
    longest = max(map(len, rows), default=0)
    short = [scores for scores in rows if len(scores) < longest]
    if not short or any(score is None for scores in rows for score in scores):
        return {}
    means = [(sum(map(float, s)) + float(s[-1]) * (longest - len(s))) / longest for s in rows]
    return {"padded_rows": len(short), "padded_to": longest, "padded_mean": sum(means) / len(means)}


def _samples(row: Row, options: ReadOptions) -> Iterator[LoggedSample]:
    needed(row, "idx", "gt", "code", "score")
    texts, scores = _list(row, "code"), _list(row, "score")
    answers = row.values.get("pred") or [None] * len(texts)
    reasons = row.values.get("finish_reason") or [None] * len(texts)
    if not len(texts) == len(scores) == len(answers) == len(reasons):
        raise LogError(
            f"{row.where}: {len(texts)} texts in code, {len(scores)} in score, {len(answers)} in "
            f"pred, {len(reasons)} in finish_reason; they must be of one length"
        )
    drawn = zip(texts, scores, answers, reasons, strict=True)
    for text, score, answer, reason in drawn:
        finish = finish_of(reason)
        outcome = verdict_of(score, row.where, options, "score")
        yield LoggedSample(
            problem_id=as_text(row.values["idx"]),
            question=as_text(row.values.get("question") or row.values.get("problem")),
            gold=reference(row.values["gt"]),
            text=as_text(text),
            where=row.where,
            outcome=settled(outcome, finish, has_answer=answer != ""),
            answer=as_text(answer) or None,
            finish_reason=finish,
            detail="no score" if outcome is Outcome.FAILED else "",
        )


def _list(row: Row, name: str) -> Sequence[Any]:
    value = row.values[name]
    if not isinstance(value, list):
        raise LogError(f"{row.where}: {name} must be a list, got {str(value)[:40]!r}")
    return value


FORMAT = LogFormat(
    name="qwen-math",
    summary="Qwen2.5-Math's evaluation and its kin (SimpleRL, limit-of-RLVR)",
    matches=_matches,
    read=_read,
)
