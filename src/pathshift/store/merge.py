"""Join runs of one configuration into one: shards of a job, or repeats with other seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pathshift.errors import DuplicateSamples, InputError, RunError
from pathshift.records import Problem, RunManifest, Sample, Verdict
from pathshift.store.manifest import check_same_config, is_run
from pathshift.store.parts import are_parts, join_parts
from pathshift.store.run import RunFolder, RunWriter, SampleKey

MAY_DIFFER = ("seed", "limit", "task_hash", "merged_from", "imported_from")
"""Settings in which merged runs may differ: other draws, or other problems of the same task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge brought together."""

    n_runs: int
    n_problems: int
    n_samples: int
    n_per_problem: tuple[int, int]
    """Smallest and largest."""


def merge_runs(paths: Sequence[Path], out: Path) -> Merged:
    """Write a new run with all samples of the given ones, numbered anew within each problem.

    Parts of one run (`sample --shard`) keep their numbers, and make up the run they were planned
    as; see `store.parts`.

    Raises:
        ConfigMismatch: two runs differ in more than `MAY_DIFFER`.
        DuplicateSamples: two runs hold a draw of one problem with the same seed.
        InputError: fewer than two runs, a missing part of one, or `out` is there already.
        RunError: a run was stopped by its outcomes: joined, its draws are no longer in their order.
    """
    if len(paths) < 2:
        raise InputError(f"merge needs at least two run folders, got {len(paths)}")
    if is_run(out):
        raise InputError(f"{out} is a run already; give a new folder with --out")
    folders = [RunFolder(path) for path in paths]
    if are_parts(folders):
        joined = join_parts(folders, out)
        return _merged(len(paths), Counter(problem_id for problem_id, _ in joined.sampled()))
    _refuse_stopped(folders)
    for other in folders[1:]:
        check_same_config(other.path, _comparable(folders[0].manifest), _comparable(other.manifest))
    problems = _union([folder.problems() for folder in folders])
    samples, verdicts = _collect(folders)
    manifest = _manifest(folders, samples)
    prompts = {key: text for folder in folders for key, text in folder.prompts().items()}
    with RunWriter.open(out, manifest, problems, [prompts[p.id] for p in problems]) as writer:
        writer.add(samples, verdicts)
        writer.compact()
    return _merged(len(paths), _sizes(samples))


def _merged(n_runs: int, sizes: Mapping[str, int]) -> Merged:
    return Merged(
        n_runs=n_runs,
        n_problems=len(sizes),
        n_samples=sum(sizes.values()),
        n_per_problem=(min(sizes.values(), default=0), max(sizes.values(), default=0)),
    )


def _refuse_stopped(folders: Sequence[RunFolder]) -> None:
    for folder in folders:
        if folder.manifest.config.get("stopping") is not None:
            raise RunError(
                f"{folder.path} was sampled with --stop-at: where a problem stopped depends on its "
                "outcomes, and joined runs stop nowhere; raise --n of one run instead"
            )


def _comparable(manifest: RunManifest) -> dict[str, Any]:
    return {key: value for key, value in manifest.config.items() if key not in MAY_DIFFER}


def _union(lists: Sequence[Sequence[Problem]]) -> list[Problem]:
    found: dict[str, Problem] = {}
    for problem in (p for problems in lists for p in problems):
        known = found.setdefault(problem.id, problem)
        if known.content_hash != problem.content_hash:
            raise RunError(
                f"problem {problem.id} asks different things in two of the runs; "
                "they are not runs of one task"
            )
    return list(found.values())


def _collect(folders: Sequence[RunFolder]) -> tuple[list[Sample], list[Verdict]]:
    seeds: dict[tuple[str, int], RunFolder] = {}
    numbers: dict[str, int] = {}
    samples: list[Sample] = []
    verdicts: list[Verdict] = []
    for folder in folders:
        judged = _judged(folder)
        for sample in folder.samples(traced=True):
            before = seeds.setdefault((sample.problem_id, sample.seed), folder)
            if before is not folder:
                raise DuplicateSamples(
                    f"{before.path} and {folder.path} both hold the draw of {sample.problem_id} "
                    f"with seed {sample.seed}: the same sample would count twice; "
                    "sample one of them with another --seed, or leave it out"
                )
            number = numbers.get(sample.problem_id, 0)
            numbers[sample.problem_id] = number + 1
            samples.append(replace(sample, sample_no=number))
            verdict = judged.get((sample.problem_id, sample.sample_no))
            if verdict is not None:
                verdicts.append(replace(verdict, sample_no=number))
    return samples, verdicts


def _judged(folder: RunFolder) -> dict[SampleKey, Verdict]:
    verifier = str(folder.manifest.config["verifier"])
    return {(v.problem_id, v.sample_no): v for v in folder.verdicts(verifier)}


def _manifest(folders: Sequence[RunFolder], samples: Sequence[Sample]) -> RunManifest:
    first = folders[0].manifest
    merged_from = [
        {"run": folder.path.name, **_differing(folder.manifest.config)} for folder in folders
    ]
    config = {**_comparable(first), "merged_from": merged_from}
    return replace(first, config=config, n=max(_sizes(samples).values(), default=0))


def _differing(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in MAY_DIFFER if key in config}


def _sizes(samples: Sequence[Sample]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for sample in samples:
        sizes[sample.problem_id] = sizes.get(sample.problem_id, 0) + 1
    return sizes
