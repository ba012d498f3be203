"""NeMo-Skills: `output-rs{seed}.jsonl`, one file a seed, one row a problem.

The seed is the number of the sample. Rows are judged by comparison (`symbolic_correct`, before that
`is_correct`) or by a model (`judgement`, a text that ends in Yes or No); --score names the one that
counts. Rows without either are judged anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
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
    judge_name,
    reference,
    settled,
    verdict_of,
    whole,
)
from pathshift.store.rowfiles import Row

_SCORES = ("symbolic_correct", "is_correct", "judgement")
_SEED = re.compile(r"output-rs(\d{1,9})(?:_chunk_\d+)?\.jsonl")
_YES = re.compile(r"judg[e]?ment\W*(yes|no)\b", re.IGNORECASE)


def _matches(peek: Peek) -> bool:
    return peek.path.suffix == ".jsonl" and peek.has("generation", "expected_answer", "problem")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    known = [name for name in _SCORES if name in peeks[0].keys]
    score = options.score or next(iter(known), None)
    if score is not None and score not in known:
        raise LogError(f"{peeks[0].path}: no {score!r}; it has {', '.join(known) or 'no verdicts'}")

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        seed = _seed(peek.path)
        yield from each(log_rows(peek.path), lambda row: [_sample(row, seed, score, options)])

    return Log(
        format="nemo-skills",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "nemo_skills", "task": peeks[0].path.parent.name},
        judged_by=judge_name("nemo-skills", score) if score else "",
        lacks=("the model", "the sampling parameters"),
    )


def _seed(path: Path) -> int | None:
    found = _SEED.fullmatch(path.name)
    return int(found[1]) if found else None


def _sample(row: Row, seed: int | None, score: str | None, options: ReadOptions) -> LoggedSample:
    if not row.values:
        raise LogError(
            f"{row.where}: an empty row: its sample was never finished; finish the run, or take "
            "the row out"
        )
    needed(row, "generation", "expected_answer", "problem")
    values = row.values
    finish = finish_of(values.get("finish_reason"))
    answer = values.get("predicted_answer")
    outcome = None if score is None else _outcome(values, score, row.where, options)
    if outcome is not None and outcome is not Outcome.FAILED:
        has_answer = "predicted_answer" not in values or answer is not None
        outcome = settled(outcome, finish, has_answer=has_answer)
    return LoggedSample(
        question=as_text(values["problem"]),
        gold=reference(values["expected_answer"]),
        text=as_text(values["generation"]),
        where=row.where,
        number=seed,
        outcome=outcome,
        answer=None if answer is None else as_text(answer),
        finish_reason=finish,
        n_tokens=whole(values.get("num_generated_tokens")),
        detail=f"no {score}" if outcome is Outcome.FAILED else "",
    )


def _outcome(values: Mapping[str, Any], score: str, where: str, options: ReadOptions) -> Outcome:
    value = values.get(score)
    if score != "judgement" or value is None:
        return verdict_of(value, where, options, score)
    said = _YES.findall(as_text(value))
    return Outcome.CORRECT if said and said[-1].lower() == "yes" else Outcome.WRONG


FORMAT = LogFormat(
    name="nemo-skills",
    summary="NeMo-Skills output-rs{seed}.jsonl, one file or a folder of all seeds",
    matches=_matches,
    read=_read,
)
