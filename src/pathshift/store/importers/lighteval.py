"""lighteval: `details_{task}_{date}.parquet`, one row a document with all its samples.

Metrics are of the whole document, so the samples of a document are judged anew; where it has one
sample and one metric, that is its verdict. pass@k is divided by the declared number of samples,
also where fewer were drawn: both numbers are kept in the settings, so that it can be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, mapping, needed, renamed, sibling_json
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

_DECLARED = re.compile(r"pass@k.*[:&]n=(\d{1,9})")
_POLICY = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k",
           "max_new_tokens": "max_tokens"}  # fmt: skip


def _matches(peek: Peek) -> bool:
    return peek.has("doc", "metric", "model_response")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from each(log_rows(peek.path), lambda row: _samples(row, options))

    return Log(
        format="lighteval",
        peeks=peeks,
        samples_in=samples_in,
        settings={**_settings(peeks[0].path), **_reported(peeks)},
        judged_by=_judge(peeks, options),
        lacks=("truncation",),
    )


def _judge(peeks: tuple[Peek, ...], options: ReadOptions) -> str:
    """Whose verdicts the log holds; empty if every document has several samples."""
    for peek in peeks:
        row = next(log_rows(peek.path), None)
        if row is not None and len(mapping(row.values["model_response"]).get("text") or []) == 1:
            return judge_name("lighteval", _metric(row, options))
    return ""


def _metric(row: Row, options: ReadOptions) -> str:
    """The metric that judges a document of one sample."""
    metrics = [name for name, value in mapping(row.values["metric"]).items() if value is not None]
    chosen = [name for name in metrics if options.score in (None, name)]
    if len(chosen) != 1:
        raise LogError(
            f"{row.where}: metrics {', '.join(metrics) or 'none'}; say with --score which tells "
            "right from wrong"
        )
    return chosen[0]


def _settings(path: Path) -> dict[str, Any]:
    """Model and sampling parameters, from `results/{model}/results_{date}.json` of the same run."""
    date = path.stem.rpartition("_")[2]
    roots = [parent.parent for parent in path.parents if parent.name == "details"]
    found = sorted(roots[0].glob(f"results/**/results_{date}.json")) if roots else []
    general = mapping(mapping(next(map(sibling_json, found), {})).get("config_general"))
    policy = mapping(mapping(general.get("model_config")).get("generation_parameters"))
    settings = renamed(policy, _POLICY)
    model = as_text(general.get("model_name")) or path.parent.parent.name
    task = path.stem.removeprefix("details_").rpartition("_")[0]
    return {**settings, "tool": "lighteval", "model": model, "task": task}


def _reported(peeks: tuple[Peek, ...]) -> dict[str, Any]:
    """The log's own pass@k, its declared n, and how many samples there really are."""
    sums: dict[str, list[float]] = {}
    declared, drawn = 0, 0
    for peek in peeks:
        for row in log_rows(peek.path, ["metric", "model_response"]):
            drawn = max(drawn, len(mapping(row.values["model_response"]).get("text") or []))
            for name, value in mapping(row.values["metric"]).items():
                if (found := _DECLARED.search(name)) and value is not None:
                    declared = max(declared, int(found[1]))
                    sums.setdefault(name, []).append(float(value))
    if declared <= drawn:
        return {}
    reported = {name: sum(values) / len(values) for name, values in sums.items()}
    return {"declared_n": declared, "drawn_n": drawn, "reported": reported}


def _samples(row: Row, options: ReadOptions) -> Iterator[LoggedSample]:
    needed(row, "doc", "metric", "model_response")
    doc, response = mapping(row.values["doc"]), mapping(row.values["model_response"])
    texts, tokens = response.get("text") or [], response.get("output_tokens") or []
    outcome: Outcome | None = None
    if len(texts) == 1:
        metric = _metric(row, options)
        outcome = verdict_of(mapping(row.values["metric"]).get(metric), row.where, options, metric)
    for number, text in enumerate(texts):
        yield LoggedSample(
            problem_id=f"{as_text(doc.get('task_name'))}-{as_text(doc.get('id'))}",
            number=number,
            question=_question(doc),
            gold=_gold(doc),
            text=as_text(text),
            where=row.where,
            outcome=outcome,
            n_tokens=len(tokens[number]) if number < len(tokens) and tokens[number] else None,
            detail="no score" if outcome is Outcome.FAILED else "",
        )


def _question(doc: Mapping[str, Any]) -> str:
    specific = mapping(doc.get("specific"))
    return as_text(
        specific.get("question") or specific.get("problem") or doc.get("original_query")
        or doc.get("query")
    )  # fmt: skip


def _gold(doc: Mapping[str, Any]) -> str:
    choices, index = doc.get("choices") or [], doc.get("gold_index")
    chosen = index[0] if isinstance(index, list) and index else index
    if not isinstance(chosen, int) or not 0 <= chosen < len(choices):
        return ""
    return reference(choices[chosen])


FORMAT = LogFormat(
    name="lighteval",
    summary="lighteval details_{task}_{date}.parquet (--save-details)",
    matches=_matches,
    read=_read,
)
