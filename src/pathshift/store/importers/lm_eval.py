"""lm-evaluation-harness: `samples_{task}_{date}.jsonl`, one row a document and filter.

The harness keeps all repeats of a document (`resps`) but judges one answer a filter: with one
repeat that is the sample's verdict, with several it is not, and the texts are judged anew.
Multiple-choice rows hold log-likelihoods; they are one sample a document. Truncation and tokens
are not logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, mapping, needed, renamed, sibling_json
from pathshift.store.importers.generic import ALIASES
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
)
from pathshift.store.rowfiles import Row

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d{2}-\d{2}T[\d.:-]+)\.jsonl")
_POLICY = {"temperature": "temperature", "top_p": "top_p", "max_gen_toks": "max_tokens",
           "until": "stop"}  # fmt: skip


def _matches(peek: Peek) -> bool:
    return peek.has("doc_id", "doc", "resps", "arguments")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    tasks = {peek.path: _task(peek.path) for peek in peeks}
    scores = {peek.path: _score(peek.first, peek.path, options) for peek in peeks}

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        name, metric = scores[peek.path]
        rows = (row for row in log_rows(peek.path) if row.values.get("filter", name) == name)
        yield from each(rows, lambda row: _samples(row, tasks[peek.path], metric, options))

    name, metric = scores[peeks[0].path]
    is_judged = any(len(_texts(peek.first)) == 1 for peek in peeks)
    return Log(
        format="lm-eval",
        peeks=peeks,
        samples_in=samples_in,
        settings=_settings(peeks[0], ", ".join(sorted(set(tasks.values())))),
        judged_by=judge_name("lm-eval", f"{metric},{name}") if is_judged else "",
        lacks=("truncation", "tokens"),
    )


def _task(path: Path) -> str:
    found = _NAME.fullmatch(path.name)
    return found["task"] if found else path.stem


def _score(first: Mapping[str, Any], path: Path, options: ReadOptions) -> tuple[str, str]:
    """The filter whose rows are read, and the metric that judges a single answer.

    Raises:
        LogError: the user's choice is not there.
    """
    filters = [as_text(first.get("filter"))] if options.score is None else _filters(path)
    metrics = [as_text(m) for m in first.get("metrics") or []]
    wanted = (options.score or "").split(",")
    chosen = [name for name in filters if name in wanted] or filters[:1]
    metric = next((m for m in metrics if m in wanted), metrics[0] if metrics else "")
    if options.score and not any(name in (*filters, *metrics) for name in wanted):
        raise LogError(
            f"{path}: no filter or metric {options.score!r}; filters: {', '.join(filters)}; "
            f"metrics: {', '.join(metrics)}"
        )
    return chosen[0], metric


def _filters(path: Path) -> list[str]:
    return list(dict.fromkeys(as_text(row.values.get("filter")) for row in log_rows(path)))


def _settings(peek: Peek, task: str) -> dict[str, Any]:
    arguments = mapping(mapping(peek.first.get("arguments")).get("gen_args_0")).get("arg_1")
    policy = mapping(arguments)
    settings = renamed(policy, _POLICY)
    results = mapping(next(map(sibling_json, sorted(peek.path.parent.glob("results_*.json"))), {}))
    version = as_text(results.get("lm_eval_version"))
    model = as_text(results.get("model_name")) or peek.path.parent.name
    return {**settings, "tool": f"lm_eval {version}".strip(), "task": task, "model": model}


def _texts(row: Mapping[str, Any]) -> Sequence[Any]:
    """The repeats of a document; for multiple choice, all choices' likelihoods as one."""
    resps = row.get("resps") or [[]]
    is_choice = isinstance(resps[0], list) and resps[0] and isinstance(resps[0][0], list)
    return [_likeliest(resps)] if is_choice else resps[0]


def _likeliest(resps: Sequence[Any]) -> str:
    """Index of the choice with the highest log-likelihood, as text."""
    try:
        values = [float(resp[0][0]) for resp in resps]
    except (TypeError, ValueError, IndexError):
        return ""
    return str(values.index(max(values)))


def _samples(row: Row, task: str, metric: str, options: ReadOptions) -> Iterator[LoggedSample]:
    needed(row, "doc_id", "doc", "resps")
    values = row.values
    doc = mapping(values["doc"])
    outcome: Outcome | None = None
    texts = _texts(values)
    if len(texts) == 1:
        outcome = verdict_of(values.get(metric), row.where, options, metric)
    for number, text in enumerate(texts):
        yield LoggedSample(
            problem_id=f"{task}-{as_text(values['doc_id'])}",
            number=number,
            question=_question(doc, values),
            gold=reference(values.get("target")),
            text=as_text(text),
            where=row.where,
            outcome=outcome,
            detail=f"no {metric}" if outcome is Outcome.FAILED else "",
        )


def _question(doc: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The document's own question, or else the whole prompt."""
    for name in ALIASES["question"]:
        if isinstance(doc.get(name), str):
            return str(doc[name])
    return as_text(mapping(mapping(values.get("arguments")).get("gen_args_0")).get("arg_0"))


FORMAT = LogFormat(
    name="lm-eval",
    summary="lm-evaluation-harness samples_{task}_{date}.jsonl (--log_samples)",
    matches=_matches,
    read=_read,
)
