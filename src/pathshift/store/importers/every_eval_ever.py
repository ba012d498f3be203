"""Every Eval Ever: `{uuid}_samples.jsonl`, one row a sample, beside `{uuid}.json`.

Several samples of a question are rows with one `sample_id`; their number, if it is kept at all,
stands in `metadata`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, mapping, needed, sibling_json
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
    whole,
)
from pathshift.store.rowfiles import Row

NUMBER, FINISH, OUTCOME, TOKENS = "sample_index", "finish_reason", "outcome", "output_tokens"
"""Keys of `metadata` in which this package keeps what the format has no field for."""


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_sample(row, options)])

    path, first = peeks[0].path, peeks[0].first
    about = sibling_json(path.with_name(path.name.replace("_samples.jsonl", ".json")))
    return Log(
        format="every-eval-ever",
        peeks=peeks,
        samples_in=samples_in,
        settings={
            **_policy(about),
            "tool": as_text(mapping(about.get("eval_library")).get("name")) or "every_eval_ever",
            "task": as_text(first.get("evaluation_name")),
            "model": as_text(first.get("model_id")),
        },
        judged_by="every-eval-ever",
    )


def _policy(about: Mapping[str, Any]) -> dict[str, Any]:
    results = about.get("evaluation_results") or [{}]
    arguments = mapping(
        mapping(mapping(results[0]).get("generation_config")).get("generation_args")
    )
    return {
        name: arguments[name]
        for name in ("temperature", "top_p", "top_k", "max_tokens")
        if arguments.get(name) is not None
    }


def _sample(row: Row, options: ReadOptions) -> LoggedSample:
    needed(row, "sample_id", "input", "evaluation")
    values = row.values
    asked, said, about = (mapping(values.get(name)) for name in ("input", "output", "metadata"))
    finish = finish_of(about.get(FINISH))
    number = as_text(about.get(NUMBER))
    error = values.get("error")
    outcome = Outcome.FAILED
    if not error:
        correct = mapping(values["evaluation"]).get("is_correct")
        outcome = settled(verdict_of(correct, row.where, options, "is_correct"), finish)
        if outcome is Outcome.WRONG and about.get(OUTCOME) == Outcome.UNPARSED.value:
            outcome = Outcome.UNPARSED
    found = [mapping(entry) for entry in values.get("answer_attribution") or []]
    return LoggedSample(
        problem_id=as_text(values["sample_id"]),
        number=int(number) if number.isdecimal() and len(number) < 10 else None,
        question=as_text(asked.get("raw")),
        gold=reference(asked.get("reference")),
        text="\n".join(map(as_text, said.get("raw") or [])),
        where=row.where,
        outcome=outcome,
        answer=as_text(found[-1].get("extracted_value")) if found else None,
        finish_reason=finish,
        n_tokens=_tokens(mapping(values.get("token_usage")), about),
        detail=as_text(error)[:500],
        model=as_text(values.get("model_id")) or None,
    )


def _tokens(usage: Mapping[str, Any], about: Mapping[str, Any]) -> int | None:
    """The format's own count, which needs the prompt's as well, or the one kept in `metadata`."""
    kept = as_text(about.get(TOKENS))
    if usage or not (kept.isdecimal() and len(kept) < 10):
        return whole(usage.get("output_tokens"))
    return int(kept)


FORMAT = LogFormat(
    name="every-eval-ever",
    summary="Every Eval Ever {uuid}_samples.jsonl",
    matches=lambda peek: peek.has("evaluation_id", "sample_id", "evaluation", "input"),
    read=_read,
)
