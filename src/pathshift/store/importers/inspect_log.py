"""Inspect: `.eval` archives and `.json` logs, read without inspect_ai.

An `.eval` file is a zip with one member a sample and epoch, `samples/{id}_epoch_{n}.json`. Its
`header.json` is written at the end: a run that was killed has `_journal/start.json` instead, and
its finished samples all the same. A sample's score is C, I, P (partial), N (no answer), a number or
a mapping; NaN is unscored and becomes FAILED, as does a sample that ended in an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pathshift.errors import InputError, LogError
from pathshift.records import Outcome
from pathshift.store.importers.archive import Archive
from pathshift.store.importers.files import mapping, renamed
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    foreign,
    judge_name,
    settled,
    verdict_of,
    whole,
)
from pathshift.store.importers.messages import message_text, prompt_text
from pathshift.store.rowfiles import parse_json

_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_CUT = ("max_tokens", "model_length")
_HEADERS = ("header.json", "_journal/start.json")
_POLICY = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens",
    "system_message": "system", "seed": "seed",
}  # fmt: skip


def _matches(peek: Peek) -> bool:
    return peek.path.suffix == ".eval" or peek.has("version", "status", "eval")


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    headers = {peek.path: _header(peek) for peek in peeks}
    score = options.score or _only_scorer(headers[peeks[0].path], peeks[0].path)

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        model = as_text(headers[peek.path].get("model"))
        for sample, where in _raw_samples(peek):
            with foreign(where):
                logged = _sample(sample, where, model, score, options)
            yield logged

    return Log(
        format="inspect",
        peeks=peeks,
        samples_in=samples_in,
        settings=_settings(headers[peeks[0].path]),
        judged_by=judge_name("inspect", score),
    )


def _header(peek: Peek) -> Mapping[str, Any]:
    """The `eval` part of a log's header: task, model, scorers; with the sampling parameters."""
    if peek.content is not None:
        header = peek.content
    else:
        with Archive(peek.path) as archive:
            names = [name for name in _HEADERS if name in archive.names()]
            if not names:
                raise LogError(f"{peek.path}: neither {' nor '.join(_HEADERS)}; not an Inspect log")
            header = _parsed(archive.read(names[0]), f"{peek.path}, member {names[0]!r}")
    spec = header.get("eval")
    if not isinstance(spec, Mapping):
        raise LogError(f"{peek.path}: its header has no 'eval'; not an Inspect log")
    planned = mapping(mapping(header.get("plan")).get("config"))
    given = mapping(spec.get("model_generate_config"))
    return {**spec, "model_generate_config": {**planned, **given}}


def _parsed(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        value = parse_json(data, where, nan=True)
    except InputError as error:
        raise LogError(str(error)) from None
    if not isinstance(value, Mapping):
        raise LogError(f"{where}: not a JSON object")
    return value


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    policy = {**(spec.get("model_generate_config") or {})}
    packages = spec.get("packages") or {}
    settings = renamed(policy, _POLICY)
    return {
        **settings,
        "tool": f"inspect_ai {as_text(packages.get('inspect_ai'))}".strip(),
        "task": as_text(spec.get("task")),
        "model": as_text(spec.get("model")),
    }


def _only_scorer(spec: Mapping[str, Any], path: Path) -> str | None:
    scorers = spec.get("scorers") or []
    names = [as_text(s.get("name")) for s in scorers if isinstance(s, Mapping)]
    if len(names) > 1:
        raise LogError(
            f"{path}: {len(names)} scorers ({', '.join(names)}); say whose word counts with --score"
        )
    return names[0] if names else None


def _raw_samples(peek: Peek) -> Iterator[tuple[Mapping[str, Any], str]]:
    if peek.content is not None:
        for number, sample in enumerate(peek.content.get("samples") or [], 1):
            if not isinstance(sample, Mapping):
                raise LogError(f"{peek.path}, sample {number}: not an object")
            yield sample, f"{peek.path}, sample {number}"
        return
    with Archive(peek.path) as archive:
        for name in archive.names():
            if name.startswith("samples/") and name.endswith(".json"):
                where = f"{peek.path}, member {name[:80]!r}"
                yield _parsed(archive.read(name), where), where


def _sample(
    raw: Mapping[str, Any],
    where: str,
    model: str,
    score: str | None,
    options: ReadOptions,
) -> LoggedSample:
    output = raw.get("output") or {}
    choice: Mapping[str, Any] = next(iter(output.get("choices") or []), {})
    finish = _finish(raw, choice)
    outcome, answer = _judged(raw, score, where, options)
    error = raw.get("error") or {}
    texts = _Attachments(raw.get("attachments") or {})
    return LoggedSample(
        problem_id=as_text(raw.get("id")),
        number=_epoch(raw, where),
        question=texts.whole(prompt_text(raw.get("input"))),
        gold=texts.whole(as_text(raw.get("target"))),
        text=texts.whole(
            message_text(choice.get("message") or {}) or as_text(output.get("completion"))
        ),
        where=where,
        outcome=outcome if outcome is Outcome.FAILED else settled(outcome, finish),
        answer=answer,
        finish_reason=finish,
        n_tokens=whole((output.get("usage") or {}).get("output_tokens")),
        detail=as_text(error.get("message")) or ("no score" if outcome is Outcome.FAILED else ""),
        model=model,
    )


def _epoch(raw: Mapping[str, Any], where: str) -> int:
    epoch = whole(raw.get("epoch"))
    if epoch is None or epoch < 1:
        raise LogError(f"{where}: epoch={raw.get('epoch')!r:.40}; epochs are counted from 1")
    return epoch - 1


def _finish(raw: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    reason = choice.get("stop_reason")
    is_cut = reason in _CUT or (raw.get("limit") or {}).get("type") in ("token", "message")
    return "length" if is_cut else "unknown" if reason in (None, "unknown") else "stop"


def _judged(
    raw: Mapping[str, Any], score: str | None, where: str, options: ReadOptions
) -> tuple[Outcome, str | None]:
    """What became of a sample, and the answer the scorer saw."""
    if raw.get("error"):
        return Outcome.FAILED, None
    scores = raw.get("scores") or {}
    if not scores:
        return Outcome.FAILED, None
    name, _, part = (score or next(iter(scores))).partition("/")
    if name not in scores:
        raise LogError(f"{where}: no score {name!r}; there are {', '.join(scores)}")
    entry = scores[name] or {}
    value = entry.get("value")
    if isinstance(value, Mapping):
        if part not in value:
            raise LogError(
                f"{where}: score {name!r} has the parts {', '.join(map(str, value))}; name one "
                f"with --score {name}/PART"
            )
        value = value[part]
    answer = entry.get("answer")
    return _outcome(value, where, options, name), None if answer is None else as_text(answer)


def _outcome(value: object, where: str, options: ReadOptions, name: str) -> Outcome:
    if value == "N":
        return Outcome.UNPARSED
    if value == "P" and options.threshold is None:
        return Outcome.WRONG
    number = _LETTERS.get(value, value) if isinstance(value, str) else value
    return verdict_of(number, where, options, name)


class _Attachments:
    """Long texts that a sample keeps aside, put back where they belong."""

    _PREFIX = "attachment://"

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self._kept = kept

    def whole(self, text: str) -> str:
        """The text itself, or the one it points to."""
        if not text.startswith(self._PREFIX):
            return text
        return as_text(self._kept.get(text.removeprefix(self._PREFIX), text))


FORMAT = LogFormat(
    name="inspect",
    summary="Inspect log, .eval or .json",
    matches=_matches,
    read=_read,
)
