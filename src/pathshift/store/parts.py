"""The parts of one run, drawn apart with `sample --shard I/N`, put together again.

What comes out is the run that one process would have drawn: the same configuration, problems in
the same order, samples under their own numbers. It can be drawn on, also where some parts were
not finished. Rows pass through in row groups, so that the whole need not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.errors import ConfigMismatch, DuplicateSamples, InputError, RunError
from pathshift.records import Problem, RunManifest, digest
from pathshift.store import rows
from pathshift.store.manifest import check_same_config
from pathshift.store.run import RunFolder, RunWriter
from pathshift.store.shards import damaged, live_shards, write_tables

FIELD = "shard"
"""In the configuration of a part: its number, from 1, and how many there are."""


def task_hash(problems: Sequence[Problem]) -> str:
    """Identity of a run's problems, order included."""
    return digest([(p.id, p.content_hash) for p in problems])[:16]


def are_parts(folders: Sequence[RunFolder]) -> bool:
    """Whether the folders are parts of one run.

    Raises:
        InputError: some are and some are not.
    """
    parts = [folder for folder in folders if FIELD in folder.manifest.config]
    if parts and len(parts) < len(folders):
        other = next(folder for folder in folders if folder not in parts)
        raise InputError(
            f"{parts[0].path} is a part of a run (--shard), {other.path} is a run; "
            "join the parts of one run first, then merge"
        )
    return bool(parts)


def join_parts(folders: Sequence[RunFolder], out: Path) -> RunFolder:
    """Write the run that the parts make up.

    Raises:
        ConfigMismatch: parts of different runs.
        InputError: a part is missing.
        DuplicateSamples: a part is given twice.
        RunError: the parts do not hold the problems that the run was planned with.
    """
    first, *others = _in_order(folders)
    for other in others:
        check_same_config(other.path, _whole(first.manifest), _whole(other.manifest))
    ordered = [first, *others]
    problems = _woven([folder.problems() for folder in ordered])
    manifest = replace(
        first.manifest,
        config=_whole(first.manifest),
        n=max(folder.manifest.n for folder in ordered),
        environment=_environment(ordered),
    )
    if task_hash(problems) != manifest.config.get("task_hash"):
        raise RunError(
            f"the problems in {first.path} and its other parts are not those of the run they were "
            "planned as; was the data set changed in between? Draw them anew"
        )
    prompts = {key: text for folder in ordered for key, text in folder.prompts().items()}
    with RunWriter.open(out, manifest, problems, [prompts[p.id] for p in problems]) as writer:
        for number, folder in enumerate(ordered, 1):
            _copy(folder, writer, number)
        writer.compact()
    return RunFolder(out)


def _in_order(folders: Sequence[RunFolder]) -> list[RunFolder]:
    places = {folder.path: _place(folder) for folder in folders}
    of = places[folders[0].path][1]
    by_part: dict[int, RunFolder] = {}
    for folder in folders:
        part, its_of = places[folder.path]
        if its_of != of:
            raise ConfigMismatch(
                f"{folder.path} is part {part} of {its_of}, {folders[0].path} one of {of}; "
                "parts of one run have one N"
            )
        if part in by_part:
            raise DuplicateSamples(
                f"{by_part[part].path} and {folder.path} are both part {part} of {of}: "
                "their samples would count twice; leave one out"
            )
        by_part[part] = folder
    missing = [f"{part}/{of}" for part in range(1, of + 1) if part not in by_part]
    if missing:
        raise InputError(
            f"part {', '.join(missing[:8])} of the run is missing; draw it with "
            f"`pathshift sample --shard {missing[0]}` and give all {of} folders"
        )
    return [by_part[part] for part in range(1, of + 1)]


def _place(folder: RunFolder) -> tuple[int, int]:
    stated = folder.manifest.config[FIELD]
    match stated:
        case [int(part), int(of)] if 1 <= part <= of:
            return part, of
    raise RunError(
        f"{folder.path}: its manifest says {FIELD}={stated!r}, which is no part of a run"
    )


def _whole(manifest: RunManifest) -> dict[str, Any]:
    return {key: value for key, value in manifest.config.items() if key != FIELD}


def _woven(parts: Sequence[Sequence[Problem]]) -> list[Problem]:
    """Part I holds every N-th problem from the I-th on."""
    longest = max(len(part) for part in parts)
    return [part[i] for i in range(longest) for part in parts if i < len(part)]


def _environment(folders: Sequence[RunFolder]) -> dict[str, Any]:
    """The first part's, with the time and tokens of all: seconds are machine seconds."""
    paces = [folder.manifest.environment.get("drawing", {}) for folder in folders]
    names = sorted({name for pace in paces for name in pace})
    drawing = {name: sum(pace.get(name, 0) for pace in paces) for name in names}
    environment = dict(folders[0].manifest.environment)
    return {**environment, "drawing": drawing} if drawing else environment


def _copy(folder: RunFolder, writer: RunWriter, number: int) -> None:
    """A part's shards under names of their own; samples first, as always."""
    if folder.has_traces != writer.folder.has_traces:
        raise RunError(f"{folder.path} is stored in another way than its manifest says")
    verdicts = writer.folder.verdicts_path(writer.verifier)
    for old, new, schema in (
        (folder.samples_path, writer.folder.samples_path, folder.sample_columns),
        (folder.verdicts_path(writer.verifier), verdicts, rows.VERDICT_COLUMNS),
    ):
        for path in live_shards(old):
            name = f"shard-{number}-{path.stem.rpartition('-')[2]}.parquet"
            write_tables(_row_groups(path, schema), schema, new / name)


def _row_groups(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=schema.names).select(schema.names)
                yield table.replace_schema_metadata().cast(schema)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged(path, error) from error
