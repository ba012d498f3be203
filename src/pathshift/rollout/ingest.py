"""Another tool's log brought in: read, judged where it says nothing itself, counted or stored.

A log with verdicts keeps them. Answers of one without are judged by a verifier against the log's
reference answers. An import is written aside and put in its place at the end: whole or absent.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

from pathshift.errors import InputError, LogError
from pathshift.records import CountTable, Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.countfiles import is_counts, read_counts
from pathshift.store.importers.assemble import Assembly, Duplicates, assemble
from pathshift.store.importers.files import sha256
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
    """Counts by a log's own verdicts, and by a verifier's where it has none or one is named."""
    if assembly.is_judged and verifier is None:
        return assembly.counts(name)
    chosen = verifier or default_verifier(assembly)
    found = {(v.problem_id, v.sample_no): v.outcome for v in judged(assembly, verifier)}
    table = assembly.count_table(name, _in_order(assembly, found), chosen)
    note = f"{name}: answers judged here by {chosen}, not by the tool that drew them"
    return replace(table, settings={**table.settings, "note": note})


def _in_order(
    assembly: Assembly, outcomes: Mapping[tuple[str, int], Outcome]
) -> list[list[Outcome]]:
    """Outcomes in the order of the assembly's problems and draws.

    Raises:
        LogError: the log is no longer what it was when it was first read.
    """
    try:
        return [
            [outcomes[problem.id, draw.number] for draw in draws]
            for problem, draws in zip(assembly.problems, assembly.draws, strict=True)
        ]
    except KeyError:
        raise LogError(
            f"{assembly.log.files[0]}: changed while it was read; read it again when it is whole"
        ) from None


def judged(assembly: Assembly, verifier: str | None) -> Iterator[Verdict]:
    """Verdicts on all samples of a log, in its order: its own, or a verifier's where it has none.

    Args:
        verifier: Judges all samples, also those of which the log says something.

    Raises:
        LogError: the log has no reference answers.
    """
    with _Judging(assembly, verifier) as judging:
        for batch in _batches(assembly.rows()):
            yield from judging.verdicts(batch)


Row = tuple[Problem, Sample, Verdict | None]


class _Judging:
    """The log's own verdicts, and a verifier for what it leaves open or for everything."""

    def __init__(self, assembly: Assembly, verifier: str | None) -> None:
        self._judges_all = verifier is not None
        self.verifier = verifier
        self._judge: Judge | None = None
        asked = assembly.problems if self._judges_all else assembly.unjudged
        if not asked:
            return
        self.verifier = verifier or default_verifier(assembly)
        bare = next((p for p in asked if not p.gold), None)
        if bare is not None:
            raise LogError(
                f"{assembly.log.files[0]}: does not say which samples are right, and problem "
                f"{bare.id} has no reference answer to judge by; name the column: "
                "--column gold=NAME or --column correct=NAME"
            )
        self._judge = Judge(self.verifier)
        try:
            self._judge.check(asked)
        except BaseException:
            self._judge.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._judge is not None:
            self._judge.close()

    def verdicts(self, batch: Sequence[Row]) -> list[Verdict]:
        """One for each row, in their order."""
        if self._judge is None:
            return [verdict for _, _, verdict in batch if verdict is not None]
        is_open = [self._judges_all or verdict is None for _, _, verdict in batch]
        asked = [(p, s) for (p, s, _), asks in zip(batch, is_open, strict=True) if asks]
        given = iter(self._judge.verdicts(asked))
        return [
            next(given) if asks or verdict is None else verdict
            for (_, _, verdict), asks in zip(batch, is_open, strict=True)
        ]


def default_verifier(assembly: Assembly) -> str:
    """`number` where every reference answer to judge by is one, else `math`."""
    golds = {problem.gold for problem in assembly.unjudged or assembly.problems}
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

    def read(wanted: set[str]) -> list[tuple[Problem, Sample, Verdict]]:
        rows = [row for row in assembly.rows() if row[0].id in wanted]
        with _Judging(assembly, verifier) as judging:
            verdicts = judging.verdicts(rows)
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
    source, out = source or Source(), out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already; give a new folder with --out")
    assembly = assemble(open_log(paths, source.read), duplicates=source.duplicates)
    aside = out.with_name(out.name + ".importing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        imported = _write(assembly, aside, source.verifier, on_progress)
        with disk_errors(out):
            aside.replace(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    table = replace(imported.table, name=str(out))
    return replace(imported, table=table)


def _write(
    assembly: Assembly,
    folder: Path,
    verifier: str | None,
    on_progress: Callable[[int, int], None],
) -> Imported:
    """All samples and verdicts; where all are judged anew, the log's own verdicts as well."""
    own = assembly.log.judged_by
    prompts = [problem.question for problem in assembly.problems]
    outcomes: dict[tuple[str, int], Outcome] = {}
    with _Judging(assembly, verifier) as judging:
        manifest = _manifest(assembly, judging.verifier or own)
        with RunWriter.open(folder, manifest, assembly.problems, prompts) as writer:
            for batch in _batches(assembly.rows()):
                verdicts = judging.verdicts(batch)
                writer.add([sample for _, sample, _ in batch], verdicts)
                said = [verdict for _, _, verdict in batch if verdict is not None]
                if judging.verifier and said and assembly.is_judged:
                    write_shard(verdict_table(said), writer.folder.verdicts_path(own))
                outcomes |= {(v.problem_id, v.sample_no): v.outcome for v in verdicts}
                on_progress(len(outcomes), assembly.n_samples)
            writer.compact()
        return _imported(assembly, judging.verifier, outcomes)


def _imported(
    assembly: Assembly, verifier: str | None, outcomes: Mapping[tuple[str, int], Outcome]
) -> Imported:
    log, judge = assembly.log, verifier or assembly.log.judged_by
    tally = Counter(outcome.value for outcome in outcomes.values())
    return Imported(
        format=log.format,
        n_problems=len(assembly.problems),
        n_samples=assembly.n_samples,
        outcomes={outcome.value: tally[outcome.value] for outcome in Outcome},
        verifier=judge,
        is_judged_here=verifier is not None,
        dropped=len(assembly.dropped),
        lacks=log.lacks,
        table=assembly.count_table("", _in_order(assembly, outcomes), judge),
    )


def _manifest(assembly: Assembly, verifier: str) -> RunManifest:
    log = assembly.log
    config = {
        "model": None,
        "task": log.format,
        **log.settings,
        "format": log.format,
        "verifier": verifier,
        "imported_from": [{"file": path.name, "sha256": sha256(path)} for path in log.files],
    }
    return RunManifest(
        config=config,
        n=max(map(len, assembly.draws)),
        environment={"versions": {"pathshift": version("pathshift")}},
    )
