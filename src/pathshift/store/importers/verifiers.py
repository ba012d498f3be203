"""verifiers: `traces.jsonl` of 0.4 (an episode a line) and `results.jsonl` of the releases before.

A reward is the sum of its parts times their weights; one part alone is named with --score. The
releases before 0.4 state from which reward on a rollout passes (`metadata.json`, .5); 0.4 does not,
so a reward that is neither 0 nor 1 needs --threshold. An errored rollout is FAILED, also where the
tool wrote it down with reward 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pathshift.errors import LogError
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
    judge_name,
    reference,
    settled,
    verdict_of,
    whole,
)
from pathshift.store.importers.messages import completion_text, message_text, prompt_text
from pathshift.store.rowfiles import Row

_GOLD = ("answer", "gold", "solution", "ground_truth", "target")


def _read_traces(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_episode(row, options)])

    trace = mapping(next(iter(peeks[0].first["traces"]), {}))
    agent = mapping(mapping(trace.get("agent")).get("config"))
    policy = {k: v for k, v in mapping(agent.get("sampling")).items() if v is not None}
    version = as_text(mapping(trace.get("verifiers")).get("version"))
    return Log(
        format="verifiers",
        peeks=peeks,
        samples_in=samples_in,
        settings={
            **{k: policy[k] for k in ("temperature", "top_p", "max_tokens") if k in policy},
            "tool": f"verifiers {version}".strip(),
            "task": as_text(mapping(peeks[0].first.get("env")).get("id")),
            "model": as_text(agent.get("model")),
        },
        judged_by=judge_name("verifiers", options.score or "reward"),
    )


def _episode(row: Row, options: ReadOptions) -> LoggedSample:
    needed(row, "task", "traces")
    task, traces = mapping(row.values["task"]), row.values["traces"] or []
    trace = mapping(next(iter(traces), {}))
    data = mapping(task.get("data"))
    said = [node for node in map(mapping, trace.get("nodes") or []) if node.get("sampled")]
    call = mapping(next(iter(reversed(trace.get("calls") or [])), {}))
    errors = [*(row.values.get("errors") or []), *(trace.get("errors") or [])]
    finish = finish_of(call.get("finish_reason"))
    outcome = Outcome.FAILED if errors else _rewarded(trace, row.where, options)
    return LoggedSample(
        problem_id=as_text(data.get("id")) or as_text(task.get("key")) or None,
        question=prompt_text(data.get("prompt")),
        gold=reference(next((data[name] for name in _GOLD if data.get(name) is not None), None)),
        text=message_text(mapping(said[-1].get("message"))) if said else "",
        where=row.where,
        outcome=settled(outcome, finish),
        finish_reason=finish,
        n_tokens=whole(trace.get("num_output_tokens")),
        detail=_why(errors) if errors else "no reward" if outcome is Outcome.FAILED else "",
        model=as_text(mapping(mapping(trace.get("agent")).get("config")).get("model")) or None,
    )


def _rewarded(trace: Mapping[str, Any], where: str, options: ReadOptions) -> Outcome:
    parts = {name: mapping(part) for name, part in mapping(trace.get("rewards")).items()}
    if options.score is not None:
        if parts and options.score not in parts:
            raise LogError(f"{where}: no reward {options.score!r}; there are {', '.join(parts)}")
        score = parts.get(options.score, {}).get("score")
        return verdict_of(score, where, options, options.score)
    scores = [(part.get("score"), part.get("weight", 1.0)) for part in parts.values()]
    if not scores or any(score is None for score, weight in scores if weight):
        return Outcome.FAILED
    return verdict_of(sum((s or 0) * w for s, w in scores), where, options, "reward")


def _why(errors: list[Any]) -> str:
    first = errors[0]
    if isinstance(first, Mapping):
        return ": ".join(filter(None, (as_text(first.get("type")), as_text(first.get("message")))))
    return as_text(first)[:500]


def _read_legacy(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    about = sibling_json(peeks[0].path.with_name("metadata.json"))
    passes = about.get("pass_threshold")
    if options.threshold is None and isinstance(passes, int | float):
        options = replace(options, threshold=float(passes))

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: [_rollout(row, options)])

    policy = mapping(about.get("sampling_args"))
    version = as_text(mapping(about.get("version_info")).get("vf_version"))
    return Log(
        format="verifiers-legacy",
        peeks=peeks,
        samples_in=samples_in,
        settings={
            **{k: policy[k] for k in ("temperature", "top_p", "max_tokens") if k in policy},
            "tool": f"verifiers {version}".strip(),
            "task": as_text(about.get("env_id")),
            "model": as_text(about.get("model")),
        },
        judged_by=judge_name("verifiers", options.score or "reward"),
    )


def _rollout(row: Row, options: ReadOptions) -> LoggedSample:
    needed(row, "example_id", "prompt", "completion")
    values, name = row.values, options.score or "reward"
    metrics = mapping(values.get("metrics"))
    if options.score is not None and metrics and options.score not in metrics:
        raise LogError(f"{row.where}: no metric {name!r}; there are {', '.join(metrics)}")
    error = values.get("error")
    score = metrics.get(name) if options.score else values.get("reward")
    cut = values.get("is_truncated")
    finish = "unknown" if cut is None else "length" if cut else "stop"
    outcome = Outcome.FAILED if error else verdict_of(score, row.where, options, name)
    detail = mapping(error).get("error_chain_str") or mapping(error).get("message") or error
    return LoggedSample(
        problem_id=as_text(values["example_id"]),
        question=prompt_text(values["prompt"]),
        gold=reference(values.get("answer")),
        text=completion_text(values["completion"]),
        where=row.where,
        outcome=settled(outcome, finish),
        finish_reason=finish,
        n_tokens=whole(mapping(values.get("token_usage")).get("output_tokens")),
        detail=as_text(detail)[:500] if error else "no reward" if outcome == "failed" else "",
    )


TRACES = LogFormat(
    name="verifiers",
    summary="verifiers 0.4 traces.jsonl",
    matches=lambda peek: peek.has("env", "task", "traces"),
    read=_read_traces,
)
LEGACY = LogFormat(
    name="verifiers-legacy",
    summary="verifiers before 0.4, results.jsonl with metadata.json",
    matches=lambda peek: peek.has("example_id", "prompt", "completion", "reward"),
    read=_read_legacy,
)
