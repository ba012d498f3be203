"""Another tool's log brought in: read, judged where it says nothing itself, counted or stored.

A log with verdicts keeps them. Answers of one without are judged by a verifier against the log's
reference answers. An import is written aside and put in its place at the end: whole or absent.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pathshift.errors import InputError, LogError
from pathshift.records import CountTable, Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.countfiles import is_counts, read_counts
from pathshift.store.importers.assemble import Assembly, Duplicates, assemble
from pathshift.store.importers.formats import open_log
from pathshift.store.importers.logged import ReadOptions
from pathshift.store.manifest import is_run
from pathshift.store.rows import verdict_table
from pathshift.store.run import RunWriter
from pathshift.store.shards import disk_errors, write_shard
from pathshift.verify.judge import Judge
from pathshift.verify.number import read_number

BATCH = 4_096
"""Samples judged and stored at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How a foreign log is to be read and judged.

    Attributes:
        read: What the user says about the log.
        verifier: Judge all answers by this one, also where the log has verdicts.
        duplicates: What to do with draws that stand in it twice.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    verifier: str | None = None
    duplicates: Duplicates = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import brought in.

    Attributes:
        verifier: Whose verdicts the run carries: the tool's, or the name of a verifier of ours.
        is_judged_here: Whether a verifier of ours judged the answers.
        dropped: Copies left out.
        lacks: What the log does not hold.
    """

    format: str
    n_problems: int
    n_samples: int
    outcomes: dict[str, int]
    verifier: str
    is_judged_here: bool
    dropped: int
    lacks: tuple[str, ...]
    table: CountTable


def open_source(path: Path, source: Source) -> Assembly:
    """A log, read once and brought into order."""
    return assemble(open_log([path], source.read), duplicates=source.duplicates)


def read_table(path: Path, source: Source | None = None) -> CountTable:
    """Counts of whatever there is at a path: a run folder, a count file, or a log of another tool.

    A log that does not say what is right is judged on the way.

    Raises:
        PathshiftError: as the path deserves.
    """
    source = source or Source()
    if is_run(path) or is_counts(path):
        return read_counts(path, verifier=source.verifier)
    assembly = open_source(path, source)
    return judged_table(assembly, str(path), source.verifier)


def judged_table(assembly: Assembly, name: str, verifier: str | None) -> CountTable:
    """Counts of a log by its own verdicts, or by a verifier's where it has none or one is named."""
    if assembly.is_judged and verifier is None:
        return assembly.counts(name)
    chosen = verifier or default_verifier(assembly)
    found: dict[tuple[str, int], Outcome] = {}
    for verdict in judged(assembly, chosen):
        found[verdict.problem_id, verdict.sample_no] = verdict.outcome
    outcomes = [
        [found[problem.id, draw.number] for draw in draws]
        for problem, draws in zip(assembly.problems, assembly.draws, strict=True)
    ]
    return judged_here(assembly.count_table(name, outcomes, chosen), chosen)


def judged_here(table: CountTable, verifier: str) -> CountTable:
    """The table with a note that its verdicts are not the tool's."""
    note = f"{table.name}: answers judged here by {verifier}, not by the tool that drew them"
    return replace(table, settings={**table.settings, "note": note})


def judged(assembly: Assembly, verifier: str) -> Iterator[Verdict]:
    """A verifier's verdicts on all samples of a log, in its order.

    Raises:
        LogError: the log has no reference answers.
    """
    with _judge(assembly, verifier) as judge:
        pairs = ((problem, sample) for problem, sample, _ in assembly.rows())
        for batch in _batches(pairs):
            yield from judge.verdicts(batch)


def _judge(assembly: Assembly, verifier: str) -> Judge:
    bare = next((p for p in assembly.problems if not p.gold), None)
    if bare is not None:
        raise LogError(
            f"{assembly.log.files[0]}: does not say which samples are right, and problem {bare.id} "
            "has no reference answer to judge by; name the column: --column gold=NAME or "
            "--column correct=NAME"
        )
    judge = Judge(verifier)
    try:
        judge.check(assembly.problems)
    except BaseException:
        judge.close()
        raise
    return judge


def default_verifier(assembly: Assembly) -> str:
    """`number` where every reference answer is one, else `math`."""
    golds = {problem.gold for problem in assembly.problems}
    return "number" if all(read_number(gold) is not None for gold in golds) else "math"


Item = TypeVar("Item")


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    waiting = iter(items)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def log_samples(
    assembly: Assembly, verifier: str | None
) -> Callable[[set[str]], list[tuple[Problem, Sample, Verdict]]]:
    """Reads the samples of some problems, by their ids, with the verdicts that `judged_table`
    counts.
    """
    chosen = verifier or (None if assembly.is_judged else default_verifier(assembly))

    def read(wanted: set[str]) -> list[tuple[Problem, Sample, Verdict]]:
        rows = [row for row in assembly.rows() if row[0].id in wanted]
        if chosen is None:
            return [(p, s, verdict) for p, s, verdict in rows if verdict is not None]
        with _judge(assembly, chosen) as judge:
            verdicts = judge.verdicts((p, s) for p, s, _ in rows)
        return [(p, s, v) for (p, s, _), v in zip(rows, verdicts, strict=True)]

    return read


def import_logs(
    paths: Sequence[Path],
    out: Path,
    source: Source | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, wanted: None,
) -> Imported:
    """Write a log as a new run folder.

    Args:
        paths: Files or folders of one log.
        on_progress: Called with samples written and samples in all.

    Raises:
        InputError: `out` is there already, or the log breaks a rule; then nothing is left behind.
    """
    source = source or Source()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already; give a new folder with --out")
    assembly = assemble(open_log(paths, source.read), duplicates=source.duplicates)
    is_judged_here = source.verifier is not None or not assembly.is_judged
    verifier = source.verifier or default_verifier(assembly) if is_judged_here else ""
    aside = out.with_name(out.name + ".importing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        outcomes = _write(assembly, aside, verifier, on_progress)
        with disk_errors(out):
            aside.replace(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return _imported(assembly, verifier, outcomes, str(out))


def _imported(
    assembly: Assembly, verifier: str, outcomes: dict[tuple[str, int], Outcome], name: str
) -> Imported:
    ordered = [
        [outcomes[problem.id, draw.number] for draw in draws]
        for problem, draws in zip(assembly.problems, assembly.draws, strict=True)
    ]
    log = assembly.log
    tally = Counter(outcome.value for outcome in outcomes.values())
    return Imported(
        format=log.format,
        n_problems=len(assembly.problems),
        n_samples=assembly.n_samples,
        outcomes={outcome.value: tally[outcome.value] for outcome in Outcome},
        verifier=verifier or log.judged_by,
        is_judged_here=bool(verifier),
        dropped=len(assembly.dropped),
        lacks=log.lacks,
        table=assembly.count_table(name, ordered, verifier or log.judged_by),
    )


def _write(
    assembly: Assembly, folder: Path, verifier: str, on_progress: Callable[[int, int], None]
) -> dict[tuple[str, int], Outcome]:
    """All samples and verdicts; returns what became of each."""
    own = assembly.log.judged_by
    manifest = _manifest(assembly, verifier or own)
    prompts = [problem.question for problem in assembly.problems]
    outcomes: dict[tuple[str, int], Outcome] = {}
    judge = _judge(assembly, verifier) if verifier else None
    try:
        with RunWriter.open(folder, manifest, assembly.problems, prompts) as writer:
            for batch in _batches(assembly.rows()):
                said = [verdict for _, _, verdict in batch if verdict is not None]
                verdicts = said if judge is None else judge.verdicts((p, s) for p, s, _ in batch)
                writer.add([sample for _, sample, _ in batch], verdicts)
                if judge is not None and said and assembly.is_judged:
                    write_shard(verdict_table(said), writer.folder.verdicts_path(own))
                outcomes |= {(v.problem_id, v.sample_no): v.outcome for v in verdicts}
                on_progress(len(outcomes), assembly.n_samples)
            writer.compact()
    finally:
        if judge is not None:
            judge.close()
    return outcomes


def _manifest(assembly: Assembly, verifier: str) -> RunManifest:
    log = assembly.log
    config = {
        "model": None,
        "task": log.format,
        **log.settings,
        "format": log.format,
        "verifier": verifier,
        "imported_from": [{"file": path.name, "sha256": _sha256(path)} for path in log.files],
    }
    return RunManifest(
        config=config,
        n=max(map(len, assembly.draws)),
        environment={"versions": {"pathshift": version("pathshift")}},
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
