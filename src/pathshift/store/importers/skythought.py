"""SkyThought: `results.json`, one object with all responses of each problem under its key.

Older versions keep the responses by temperature; one of several is named with --score. Which fields
are question and answer stands in `summary.json` beside it. Responses that were not scored yet are
judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import mapping, sibling_json
from pathshift.store.importers.generic import ALIASES
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    reference,
    verdict_of,
    whole,
)


def _matches(peek: Peek) -> bool:
    if not isinstance(peek.content, Mapping):
        return False
    return "responses" in mapping(next(iter(peek.content.values()), None))


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    about = mapping(sibling_json(peeks[0].path.with_name("summary.json")).get("configuration"))
    task = mapping(about.get("task"))
    names = mapping(task.get("config"))
    policy = mapping(about.get("sampling_params"))
    question = [as_text(names.get("question_key")), *ALIASES["question"]]
    gold = [as_text(names.get("answer_key")), "answer", "solution", *ALIASES["gold"]]

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        for key, entry in peek.content.items():
            where = f"{peek.path}, problem {str(key)[:60]!r}"
            yield from _samples(mapping(entry), where, (question, gold), options)

    return Log(
        format="skythought",
        peeks=peeks,
        samples_in=samples_in,
        settings={
            **{k: policy[k] for k in ("temperature", "top_p", "max_tokens") if k in policy},
            "tool": "skythought",
            **({"task": as_text(task.get("name"))} if task else {}),
            "model": as_text(mapping(about.get("model")).get("name")),
        },
        judged_by="skythought",
        lacks=("truncation",),
    )


def _samples(
    entry: Mapping[str, Any],
    where: str,
    names: tuple[Sequence[str], Sequence[str]],
    options: ReadOptions,
) -> Iterator[LoggedSample]:
    question, gold = (next((entry[n] for n in known if entry.get(n)), None) for known in names)
    usages = entry.get("token_usages") or []
    responses = _responses(entry.get("responses"), where, options)
    for number, response in enumerate(map(mapping, responses)):
        usage = mapping(usages[number]) if isinstance(usages, list) and number < len(usages) else {}
        yield LoggedSample(
            question=as_text(question),
            gold=reference(gold),
            text=as_text(response.get("content")),
            where=where,
            number=number,
            outcome=_outcome(response, where, options),
            n_tokens=whole(usage.get("completion_tokens")),
        )


def _responses(value: object, where: str, options: ReadOptions) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    by_temperature = mapping(value)
    if len(by_temperature) > 1 and options.score not in by_temperature:
        raise LogError(
            f"{where}: responses at the temperatures {', '.join(by_temperature)}; name one with "
            "--score"
        )
    chosen = by_temperature.get(options.score or next(iter(by_temperature), ""), [])
    return chosen if isinstance(chosen, list) else [chosen]


def _outcome(response: Mapping[str, Any], where: str, options: ReadOptions) -> Outcome | None:
    correctness = response.get("correctness")
    return None if correctness is None else verdict_of(correctness, where, options, "correctness")


FORMAT = LogFormat(
    name="skythought",
    summary="SkyThought results.json",
    matches=_matches,
    read=_read,
)
