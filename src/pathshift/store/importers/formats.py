"""The formats, and how a path becomes a log: which files, of which format, at which step."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from pathshift.errors import DuplicateSamples, LogError, UnknownName
from pathshift.store.importers import (
    code_evals,
    evalscope,
    every_eval_ever,
    generic,
    inspect_log,
    lighteval,
    lm_eval,
    monkeys,
    nemo_skills,
    qwen_math,
    scorio,
    skythought,
    trl,
    verifiers,
    verl,
)
from pathshift.store.importers.files import peek
from pathshift.store.importers.logged import Log, LogFormat, Peek, ReadOptions, foreign

FORMATS: dict[str, LogFormat] = {
    form.name: form
    for form in (
        verl.FORMAT,
        trl.FORMAT,
        inspect_log.FORMAT,
        lm_eval.FORMAT,
        lighteval.FORMAT,
        evalscope.FORMAT,
        verifiers.TRACES,
        verifiers.LEGACY,
        code_evals.EVALPLUS,
        code_evals.HUMAN_EVAL,
        code_evals.LIVECODEBENCH,
        skythought.FORMAT,
        nemo_skills.FORMAT,
        qwen_math.FORMAT,
        monkeys.FORMAT,
        scorio.FORMAT,
        every_eval_ever.FORMAT,
        generic.FORMAT,
    )
}
"""Every format by name, in the order in which they are tried."""

SUFFIXES = (".eval", ".jsonl", ".json", ".parquet", ".csv", ".yaml", ".yml")
MAX_FILES = 100_000


def open_log(paths: Sequence[Path], options: ReadOptions | None = None) -> Log:
    """The log that one or several files or folders hold.

    Args:
        paths: Files of one log, or a folder of them; what a folder holds besides is passed over.

    Raises:
        LogError: nothing is recognised, two formats or two training steps are, or a file cannot be
            read.
        DuplicateSamples: one file is given twice.
    """
    options = options or ReadOptions()
    if options.format is not None and options.format not in FORMATS:
        raise UnknownName(
            f"format {options.format!r} is not known; there are: {', '.join(FORMATS)}"
        )
    if not paths:
        raise LogError("no log is named; give files or folders of one log")
    found = [pair for path in paths for pair in _recognised(path, options.format)]
    _check_one(found, paths)
    _check_distinct([peeked.path for _, peeked in found])
    with foreign(str(found[0][1].path)):
        return found[0][0].read(tuple(peeked for _, peeked in found), options)


def format_of(peeked: Peek) -> LogFormat | None:
    """The first format that a file is of; None if it is of none."""
    return next((form for form in FORMATS.values() if is_of(form, peeked)), None)


def is_of(form: LogFormat, peeked: Peek) -> bool:
    """Whether a file is of a format; one whose fields are of another kind is not."""
    try:
        with foreign(str(peeked.path)):
            return form.matches(peeked)
    except LogError:
        return False


def _recognised(path: Path, name: str | None) -> list[tuple[LogFormat, Peek]]:
    if not path.exists():
        raise LogError(f"{path} does not exist; give a log, a folder of logs, or a run folder")
    if not path.is_dir():
        peeked = peek(path)
        if name and name != generic.FORMAT.name and not is_of(FORMATS[name], peeked):
            raise LogError(f"{path}: not a {name} log (fields: {_fields(peeked)})")
        form = FORMATS[name] if name else format_of(peeked)
        if form is None:
            raise LogError(
                f"{path}: not a log of a format known here (fields: {_fields(peeked)}); "
                "--format generic with --column role=name says what its columns are"
            )
        return [(form, peeked)]
    found = []
    for file in log_files(path):
        peeked = peek(file)
        form = format_of(peeked)
        if form is not None and name in (None, form.name):
            found.append((form, peeked))
    if not found:
        raise LogError(f"{path}: holds no log of a format known here; name the file itself")
    return _without_generic(found)


def _without_generic(found: list[tuple[LogFormat, Peek]]) -> list[tuple[LogFormat, Peek]]:
    """Beside a tool's own log, rows that only look like samples are its by-products."""
    own = [pair for pair in found if pair[0].name != "generic"]
    return own or found


def log_files(folder: Path) -> list[Path]:
    """Files in a folder, and in the folders in it, that could be logs; in the order of their names.

    Raises:
        LogError: there are too many.
    """
    files: list[Path] = []
    for file in folder.rglob("*"):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            files.append(file)
        if len(files) > MAX_FILES:
            raise LogError(f"{folder}: more than {MAX_FILES} files; name the log itself")
    return sorted(files)


def _fields(peeked: Peek) -> str:
    return ", ".join(sorted(name[:30] for name in peeked.keys)[:12]) or "none"


def _check_one(found: Sequence[tuple[LogFormat, Peek]], paths: Sequence[Path]) -> None:
    names = sorted({form.name for form, _ in found})
    where = ", ".join(map(str, paths))
    if len(names) > 1:
        files = "; ".join(
            f"{name}: {next(p.path for form, p in found if form.name == name)}" for name in names
        )
        raise LogError(f"{where}: logs of {len(names)} formats ({files}); name one, or --format")
    steps = {form.step_of(peeked.path): peeked.path for form, peeked in found}
    if len(found) > 1 and len(steps) > 1:
        some = ", ".join(str(path) for path in list(steps.values())[:3])
        raise LogError(
            f"{where}: logs of {len(steps)} training steps ({some}, ...); name one of them, or "
            f"follow them all with `pathshift watch {paths[0]}`"
        )


def _check_distinct(files: Sequence[Path]) -> None:
    by_size: dict[int, list[Path]] = {}
    for file in files:
        by_size.setdefault(file.stat().st_size, []).append(file)
    for alike in by_size.values():
        for one, other in combinations(alike, 2):
            if filecmp.cmp(one, other, shallow=False):
                raise DuplicateSamples(
                    f"{one} and {other} are the same file: every sample would count twice; "
                    "leave one out"
                )
