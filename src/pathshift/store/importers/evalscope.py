"""evalscope: `reviews/{model}/{bench}_{subset}.jsonl`, one row a question and repeat.

Finish reason and tokens stand in `predictions/` beside it, joined by `index`. A sample that ended
in an error has no row at all: it is set down as FAILED where the other repeats show that it is
missing. The bare question is not kept, only the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, log_rows, mapping, needed, renamed, yaml_content
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
from pathshift.store.importers.messages import content_text
from pathshift.store.rowfiles import Row

_POLICY = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k",
           "max_tokens": "max_tokens", "seed": "seed"}  # fmt: skip


def _matches(peek: Peek) -> bool:
    return peek.has("index", "target", "messages", "sample_score")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    score = options.score or _main_score(peeks[0])
    config = _config(peeks[0].path)

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        drawn = _Predictions(peek.path)
        yield from _with_missing(
            each(log_rows(peek.path), lambda row: [_sample(row, drawn, score, options)])
        )

    return Log(
        format="evalscope",
        peeks=peeks,
        samples_in=samples_in,
        settings={**config, "model": peeks[0].path.parent.name, "task": peeks[0].path.stem},
        judged_by=judge_name("evalscope", score),
    )


def _main_score(peek: Peek) -> str:
    score = mapping(mapping(peek.first["sample_score"]).get("score"))
    values = list(mapping(score.get("value")))
    name = as_text(score.get("main_score_name"))
    if name in values:
        return name
    if len(values) != 1:
        raise LogError(f"{peek.path}: scores {', '.join(values) or 'none'}; name one with --score")
    return str(values[0])


def _config(path: Path) -> dict[str, Any]:
    """Sampling parameters and version, from `configs/task_config.yaml` of the same run."""
    file = path.parents[2] / "configs" / "task_config.yaml" if len(path.parents) > 2 else path
    try:
        config = mapping(yaml_content(file)) if file.suffix == ".yaml" else {}
    except (OSError, LogError):
        config = {}
    policy = mapping(config.get("generation_config"))
    settings = renamed(policy, _POLICY)
    return {**settings, "tool": f"evalscope {as_text(config.get('evalscope_version'))}".strip()}


class _Predictions:
    """What the file of predictions says of each sample, by its index."""

    def __init__(self, reviews: Path) -> None:
        path = reviews.parents[2] / "predictions" / reviews.parent.name / reviews.name
        self._rows: dict[object, Mapping[str, Any]] = {}
        if path.is_file():
            for row in log_rows(path):
                self._rows[row.values.get("index")] = mapping(row.values.get("model_output"))

    def of(self, index: object) -> tuple[str, int | None]:
        """Finish reason and tokens of a sample."""
        output = self._rows.get(index, {})
        choice = mapping(next(iter(output.get("choices") or []), {}))
        usage = mapping(output.get("usage"))
        return finish_of(choice.get("stop_reason")), whole(usage.get("output_tokens"))


def _sample(row: Row, drawn: _Predictions, name: str, options: ReadOptions) -> LoggedSample:
    needed(row, "index", "target", "sample_score")
    sample_score = mapping(row.values["sample_score"])
    score = mapping(sample_score.get("score"))
    value = mapping(score.get("value"))
    if value and name not in value:
        raise LogError(f"{row.where}: no score {name!r}; there are {', '.join(value)}")
    turns = [mapping(turn) for turn in row.values.get("messages") or []]
    asked = [content_text(t.get("content")) for t in turns if t.get("role") == "user"]
    finish, n_tokens = drawn.of(row.values["index"])
    outcome = verdict_of(value.get(name), row.where, options, name)
    answer = as_text(score.get("extracted_prediction"))
    text = content_text(turns[-1].get("content")) if turns else ""
    return LoggedSample(
        problem_id=as_text(sample_score.get("group_id")),
        number=whole(sample_score.get("generation_index")),
        question="\n".join(asked),
        gold=reference(row.values["target"]),
        text=text or as_text(score.get("prediction")),
        where=row.where,
        outcome=settled(outcome, finish, has_answer=bool(answer)),
        answer=answer or None,
        finish_reason=finish,
        n_tokens=n_tokens,
        detail="no score" if outcome is Outcome.FAILED else "",
    )


def _with_missing(samples: Iterator[LoggedSample]) -> Iterator[LoggedSample]:
    """All rows, then a FAILED sample for every repeat that a question lacks."""
    seen: dict[str | None, LoggedSample] = {}
    numbers: dict[str | None, set[int]] = {}
    for sample in samples:
        seen.setdefault(sample.problem_id, sample)
        if sample.number is not None:
            numbers.setdefault(sample.problem_id, set()).add(sample.number)
        yield sample
    repeats = 1 + max((max(found) for found in numbers.values()), default=-1)
    for problem_id, found in numbers.items():
        first = seen[problem_id]
        for number in sorted(set(range(repeats)) - found):
            yield LoggedSample(
                problem_id=problem_id,
                number=number,
                question=first.question,
                gold=first.gold,
                text="",
                where=f"{first.where} (its repeat {number} has no row)",
                outcome=Outcome.FAILED,
                finish_reason="error",
                detail="evalscope kept no row of this repeat: it ended in an error",
            )


FORMAT = LogFormat(
    name="evalscope",
    summary="evalscope reviews/{model}/{bench}_{subset}.jsonl",
    matches=_matches,
    read=_read,
)
