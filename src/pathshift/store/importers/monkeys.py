"""large_language_monkeys: a YAML file a problem with all its samples.

`is_corrects` is there after the evaluate step only; without it the samples are judged against
`gt_answer`. The problem's id is the file's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pathshift.errors import LogError
from pathshift.store.importers.files import mapping, yaml_content
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    reference,
    verdict_of,
)

_HEAD_BYTES = 200_000
_KEYS = (b"gt_answer:", b"is_corrects:", b"samples:", b"question:", b"prompt:")


def _matches(peek: Peek) -> bool:
    if peek.path.suffix not in (".yaml", ".yml"):
        return False
    with peek.path.open("rb") as file:
        head = b"\n" + file.read(_HEAD_BYTES)
    return sum(b"\n" + key in head for key in _KEYS) >= 2


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        yield from _samples(peek, options)

    return Log(
        format="monkeys",
        peeks=peeks,
        samples_in=samples_in,
        settings={"tool": "large_language_monkeys"},
        judged_by="monkeys",
        lacks=("the model", "the sampling parameters", "truncation", "tokens"),
    )


def _samples(peek: Peek, options: ReadOptions) -> Iterator[LoggedSample]:
    problem = mapping(yaml_content(peek.path))
    texts = problem.get("samples")
    if not isinstance(texts, list):
        raise LogError(f"{peek.path}: no list 'samples'; not a problem of large_language_monkeys")
    grades = problem.get("is_corrects")
    if grades is not None and (not isinstance(grades, list) or len(grades) != len(texts)):
        raise LogError(f"{peek.path}: samples and is_corrects must be lists of one length")
    for number, text in enumerate(texts):
        where = f"{peek.path}, sample {number}"
        yield LoggedSample(
            problem_id=peek.path.stem,
            number=number,
            question=as_text(_plain(problem.get("question") or problem.get("prompt"), where)),
            gold=reference(_plain(problem.get("gt_answer"), where)),
            text=as_text(_plain(text, where)),
            where=where,
            outcome=verdict_of(grades[number], where, options, "is_corrects") if grades else None,
        )


def _plain(value: object, where: str) -> object:
    """A text or a number: YAML can fold a million lists into a few lines."""
    if isinstance(value, Mapping | list | tuple | set):
        raise LogError(f"{where}: a text is expected, got a list or a mapping")
    return value


FORMAT = LogFormat(
    name="monkeys",
    summary="large_language_monkeys, a folder with one YAML file a problem",
    matches=_matches,
    read=_read,
)
