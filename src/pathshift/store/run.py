"""A run folder, for reading and for writing.

Reading needs no lock and never writes. Writing holds a lock that the system drops with the
process, however it ends. Samples gather in memory and close as a shard after 30 s or 4,096 of
them, whichever is first; a kill loses the open shard and nothing else.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pathshift.errors import DamagedShard, RunError, RunLocked
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store import manifest as manifests
from pathshift.store import rows
from pathshift.store.compaction import compact
from pathshift.store.shards import (
    disk_errors,
    finish_rewrite,
    read_shards,
    remove_replaced,
    rewrite_shards,
    write_shard,
    write_table,
)
from pathshift.store.staging import Staging

SHARD_SECONDS = 30.0
SHARD_SAMPLES = 4096

SampleKey = tuple[str, int]
"""Problem id and sample number."""


class RunFolder:
    """What a run holds on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = manifests.read_manifest(path)

    def problems(self) -> list[Problem]:
        """The run's problems in their order."""
        return rows.problems_of(self._problem_table())

    def prompts(self) -> dict[str, str]:
        """The prompt each problem was asked with, by problem id."""
        table = self._problem_table()
        ids, prompts = table.column("id").to_pylist(), table.column("prompt").to_pylist()
        return dict(zip(ids, prompts, strict=True))

    def _problem_table(self) -> pa.Table:
        file = self.path / "problems.parquet"
        try:
            return pq.read_table(file).select(rows.PROBLEM_COLUMNS.names)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise DamagedShard(
                f"{file} cannot be read ({str(error).splitlines()[0][:160]}); "
                "run the same `pathshift sample` again to write it anew"
            ) from error

    @property
    def has_traces(self) -> bool:
        """Whether the samples are stored token by token."""
        return self.manifest.config.get("store") == "tokens"

    @property
    def sample_columns(self) -> pa.Schema:
        """Columns of the sample shards."""
        return rows.TRACED_SAMPLE_COLUMNS if self.has_traces else rows.SAMPLE_COLUMNS

    def samples(
        self, *, problem_ids: Sequence[str] | None = None, traced: bool = False
    ) -> list[Sample]:
        """All samples, or those of some problems; see `read_shards` for what can be wrong.

        Args:
            problem_ids: Read these only: a run need not fit into memory.
            traced: Token by token too, where the run stores it.
        """
        columns = self.sample_columns if traced else rows.SAMPLE_COLUMNS
        return rows.samples_of(read_shards(self.samples_path, columns, problem_ids=problem_ids))

    def sampled(self) -> set[SampleKey]:
        """Keys of the samples on disk, without reading any text."""
        return keys_in(self.samples_path)

    def verdicts(self, verifier: str) -> list[Verdict]:
        """All verdicts of one verifier."""
        return rows.verdicts_of(read_shards(self.verdicts_path(verifier), rows.VERDICT_COLUMNS))

    def outcomes(self, verifier: str) -> dict[str, dict[int, Outcome]]:
        """What became of the samples that a verifier judged, by problem id and sample number."""
        table = read_shards(self.verdicts_path(verifier), rows.OUTCOME_COLUMNS)
        names = ("problem_id", "sample_no", "outcome")
        found: dict[str, dict[int, Outcome]] = {}
        for problem_id, number, outcome in zip(
            *(table.column(name).to_pylist() for name in names), strict=True
        ):
            found.setdefault(problem_id, {})[number] = Outcome(outcome)
        return found

    def verifiers(self) -> list[str]:
        """Names of the verifiers that judged this run."""
        return sorted(p.name for p in (self.path / "verdicts").glob("*") if p.is_dir())

    @property
    def samples_path(self) -> Path:
        """Folder of the sample shards."""
        return self.path / "samples"

    def verdicts_path(self, verifier: str) -> Path:
        """Folder of one verifier's shards.

        Raises:
            RunError: the name is no plain name; a foreign manifest may hold any text.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", verifier):
            raise RunError(f"verifier {verifier[:60]!r} is not a name of letters, digits, - . _")
        return self.path / "verdicts" / verifier


class RunWriter:
    """The one process that writes into a run folder; use as a context manager.

    Leaving it, also by an exception, closes the open shard.
    """

    def __init__(
        self, path: Path, verifier: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = take_lock(path)
        self.folder = RunFolder(path)
        self.verifier = verifier
        self.shard_seconds = SHARD_SECONDS
        self._clock = clock
        self._opened = clock()
        self._samples: list[Sample] = []
        self._verdicts: list[Verdict] = []

    @classmethod
    def open(
        cls, path: Path, manifest: RunManifest, problems: Sequence[Problem], prompts: Sequence[str]
    ) -> Self:
        """Start a run, or continue one of the same configuration; n grows and never shrinks.

        Raises:
            ConfigMismatch: the folder holds another configuration.
            RunLocked: another process writes there.
        """
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        with take_lock(path):
            if manifests.is_run(path):
                have = manifests.read_manifest(path)
                manifests.check_same_config(path, have.config, manifest.config)
                manifest = replace(
                    manifest, n=max(have.n, manifest.n), environment=have.environment
                )
            write_table(rows.problem_table(problems, prompts), path / "problems.parquet")
            manifests.write_manifest(path, manifest)
        return cls(path, str(manifest.config["verifier"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            self._lock.close()

    def adopt_stopping(self, pilot: int, successes: int) -> None:
        """From now on the run is one that stops: all its draws so far are the rule's pilot.

        Raises:
            RunError: a problem has not all n draws yet, or n is not the pilot.
        """
        manifest = self.folder.manifest
        numbers = {number for _, number in self.sampled()}
        complete = len(self.folder.problems()) * manifest.n
        if pilot != manifest.n or numbers != set(range(pilot)) or len(self.sampled()) != complete:
            raise RunError(
                f"{self.folder.path} has not {pilot} samples of every problem; "
                "run its `pathshift sample` again to finish it first"
            )
        stopping = {"pilot": pilot, "successes": successes}
        self._write(replace(manifest, config={**manifest.config, "stopping": stopping}))

    def _write(self, manifest: RunManifest) -> None:
        manifests.write_manifest(self.folder.path, manifest)
        self.folder.manifest = manifest

    def record_pace(self, samples: int, tokens: int, seconds: float) -> None:
        """Add what was drawn, and in what time, to the manifest's environment."""
        manifest = self.folder.manifest
        before = manifest.environment.get("drawing", {})
        now = {"samples": samples, "tokens": tokens, "seconds": seconds}
        drawing = {name: before.get(name, 0) + value for name, value in now.items()}
        self._write(replace(manifest, environment={**manifest.environment, "drawing": drawing}))

    def record_looks(self, planned: int) -> None:
        """Keep that these samples are looked at up to so many times; the largest number stands."""
        manifest = self.folder.manifest
        looks = max(planned, int(manifest.environment.get("looks", 0)))
        self._write(replace(manifest, environment={**manifest.environment, "looks": looks}))

    def sampled(self) -> set[SampleKey]:
        """Keys of the samples on disk; clears what an earlier kill left unfinished."""
        remove_replaced(self.folder.samples_path)
        return self.folder.sampled()

    def unjudged(self) -> list[Sample]:
        """Samples on disk without a verdict: a kill between two files, or a new verifier.

        Verdicts whose samples are gone (a damaged shard was moved away) are dropped here: those
        samples are to be drawn and judged anew.
        """
        verdicts = self.folder.verdicts_path(self.verifier)
        finish_rewrite(verdicts)
        drawn = read_shards(self.folder.samples_path, rows.KEY_COLUMNS)
        judged = read_shards(verdicts, rows.KEY_COLUMNS)
        if pc.any(pc.invert(pc.is_in(judged["sample_id"], drawn["sample_id"]))).as_py():
            kept = read_shards(verdicts, rows.VERDICT_COLUMNS)
            rewrite_shards(kept.filter(pc.is_in(kept["sample_id"], drawn["sample_id"])), verdicts)
        is_judged = pc.is_in(drawn.column("sample_id"), judged.column("sample_id"))
        missing = drawn.filter(pc.invert(is_judged))
        if not len(missing):
            return []
        keys = keys_of(missing)
        asked = self.folder.samples(problem_ids=sorted({problem_id for problem_id, _ in keys}))
        return [s for s in asked if (s.problem_id, s.sample_no) in keys]

    def add(self, samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> None:
        """Take drawn and judged samples; closes the shard when it is full or old."""
        self._samples.extend(samples)
        self._verdicts.extend(verdicts)
        is_old = self._clock() - self._opened >= self.shard_seconds
        if is_old or len(self._samples) >= SHARD_SAMPLES:
            self.flush()

    def add_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Store verdicts of samples that are already on disk."""
        if verdicts:
            write_shard(rows.verdict_table(verdicts), self.folder.verdicts_path(self.verifier))

    def take(self, staging: Staging, samples: str, verdicts: str) -> None:
        """Take in a shard and its verdicts that a worker has left: the same order as in `flush`.

        Raises:
            StorageError: the files are gone, or the disk refused.
        """
        staging.take(samples, self.folder.samples_path / f"shard-{samples}.parquet")
        verdicts_path = self.folder.verdicts_path(self.verifier)
        staging.take(verdicts, verdicts_path / f"shard-{verdicts}.parquet")

    def flush(self) -> None:
        """Close the open shard: samples first, so that a kill in between loses no sample."""
        if self._samples:
            table = rows.sample_table(self._samples, traced=self.folder.has_traces)
            write_shard(table, self.folder.samples_path)
            self._samples = []
        self.add_verdicts(self._verdicts)
        self._verdicts = []
        self._opened = self._clock()

    def compact(self) -> None:
        """Join the shards into one per table, in the order of the problems."""
        self.flush()
        order = [problem.id for problem in self.folder.problems()]
        compact(self.folder.samples_path, self.folder.sample_columns, order)
        compact(self.folder.verdicts_path(self.verifier), rows.VERDICT_COLUMNS, order)


def keys_in(folder: Path) -> set[SampleKey]:
    """Keys of the rows of a folder, without reading any text."""
    return keys_of(read_shards(folder, rows.KEY_COLUMNS))


def keys_of(table: pa.Table) -> set[SampleKey]:
    """Keys of rows."""
    problem_ids, numbers = (table.column(name).to_pylist() for name in ("problem_id", "sample_no"))
    return set(zip(problem_ids, numbers, strict=True))


def take_lock(path: Path) -> IO[str]:
    """The right to write into a folder, until the handle is closed or the process ends.

    Raises:
        RunLocked: another process has it.
    """
    with disk_errors(path):
        handle = (path / ".lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise RunLocked(
            f"{path} is being written by another process; wait for it or use another --out"
        ) from None
    return handle
