"""Counts of a run folder, by one DuckDB query over its shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from pathshift.errors import DamagedShard, DuplicateSamples, RunError
from pathshift.records import CountTable, ProblemCount
from pathshift.store import rows
from pathshift.store.identity import core_hashes
from pathshift.store.judgements import HUMAN, PREFIX, read_judge
from pathshift.store.run import RunFolder
from pathshift.store.shards import live_shards, read_shards

_COUNTS = """
    SELECT problem_id,
        count(*) FILTER (outcome <> 'failed') AS n,
        count(*) FILTER (outcome = 'correct') AS c,
        count(*) FILTER (outcome = 'unparsed') AS unparsed,
        count(*) FILTER (outcome = 'failed') AS failed,
        CASE WHEN count(*) FILTER (finish_reason = 'unknown') = 0
            THEN count(*) FILTER (finish_reason = 'length') END AS truncated,
        CASE WHEN count(n_tokens) = count(*) THEN sum(n_tokens) END AS n_tokens,
        count(*) FILTER (outcome IS NULL) AS unjudged,
        count(*) - count(DISTINCT samples.sample_id) AS doubled
    FROM read_parquet($samples) AS samples
    LEFT JOIN read_parquet($verdicts) AS verdicts USING (problem_id, sample_no)
    GROUP BY problem_id
"""


def run_counts(path: Path, *, verifier: str | None = None) -> CountTable:
    """Counts of every problem in a run.

    Args:
        path: The run folder.
        verifier: Whose verdicts to count; by default the one the run was sampled with.

    Raises:
        RunError: no samples, samples that this verifier has not judged, or a run that another
            verifier's verdicts stopped.
        DamagedShard: a file cannot be read.
        DuplicateSamples: a sample stands in two files.
    """
    folder = RunFolder(path)
    own = str(folder.manifest.config["verifier"])
    name = verifier or own
    stopping = folder.manifest.config.get("stopping")
    if stopping is not None and name != own:
        raise RunError(
            f"{path}: its problems were stopped by the verdicts of {own}, so those of {name} do "
            "not tell pass@k; sample without --stop-at to count by another verifier"
        )
    verdicts = live_shards(folder.verdicts_path(name))
    samples = live_shards(folder.samples_path)
    if not samples:
        raise RunError(f"{path} holds no samples yet; run `pathshift sample --out {path}` again")
    if not verdicts:
        known = ", ".join(folder.verifiers()) or "none"
        raise RunError(
            f"{path} has no verdicts of verifier {name} (it has: {known}); "
            f"{_way_to_verdicts(path, name)}"
        )
    found = {row[0]: row[1:] for row in _query(folder, samples, verdicts)}
    _check(folder, name, found)
    problems = [p for p in folder.problems() if p.id in found]
    counts = tuple(
        ProblemCount(
            id=p.id, source=p.source, cluster=p.cluster, floor=p.floor,
            content_hash=p.content_hash if p.question else None, core_hash=core,
            n=found[p.id][0], c=found[p.id][1], unparsed=found[p.id][2], failed=found[p.id][3],
            truncated=found[p.id][4], n_tokens=found[p.id][5],
        )
        for p, core in zip(problems, core_hashes([p.question for p in problems]), strict=True)
    )  # fmt: skip
    settings = {**folder.manifest.config, "verifier": name, **folder.manifest.environment}
    judge = read_judge(folder.verdicts_path(name))
    if judge is not None:
        settings["judge"] = judge.told
    if stopping is not None:
        settings["stopping"] = {**stopping, "cap": folder.manifest.n}
    return CountTable(name=str(path), counts=counts, settings=settings)


def _query(
    folder: RunFolder, samples: Sequence[Path], verdicts: Sequence[Path]
) -> list[tuple[Any, ...]]:
    files = {"samples": [str(p) for p in samples], "verdicts": [str(p) for p in verdicts]}
    try:
        with duckdb.connect() as connection:
            counted: list[tuple[Any, ...]] = connection.execute(_COUNTS, files).fetchall()
            return counted
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise DamagedShard(
            f"{folder.path} holds a file that cannot be read ({reason}); "
            "move it away and run the same `pathshift sample` again"
        ) from error


def _check(folder: RunFolder, verifier: str, found: dict[str, tuple[Any, ...]]) -> None:
    unjudged, doubled = (sum(row[i] for row in found.values()) for i in (6, 7))
    if doubled:
        read_shards(folder.samples_path, rows.SAMPLE_COLUMNS)
        read_shards(folder.verdicts_path(verifier), rows.VERDICT_COLUMNS)
        raise DuplicateSamples(f"{folder.path} holds {doubled} samples twice; remove the copies")
    if unjudged:
        raise RunError(
            f"{folder.path} has {unjudged} samples that verifier {verifier} has not judged; "
            f"{_way_to_verdicts(folder.path, verifier)}"
        )


def _way_to_verdicts(run: Path, verifier: str) -> str:
    """What brings the missing verdicts."""
    if verifier == HUMAN:
        return (
            "a person marks a sheet of chains, not every sample, so these marks tell no pass@k; "
            "`pathshift review --take` counts them"
        )
    if verifier.startswith(PREFIX):
        return f"run `pathshift judge {run}` with this judge until it has seen every chain"
    return f"run `pathshift verify {run} --verifier {verifier}`"
