"""Parquet shards that survive a kill: written aside, synced, renamed, never changed afterwards.

A shard's name is made of what it holds, so writing the same rows twice gives the same file. A
compacted shard lists in its metadata the shards it replaces; a reader passes over those, so a kill
between the rename and the removal neither loses nor doubles a sample.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pathshift.errors import DamagedShard, DuplicateSamples, StorageError
from pathshift.records import digest

_REPLACES = b"pathshift.replaces"
_REWRITTEN = "rewritten-"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only or otherwise unwilling disk into one line that says what is safe."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(
            f"cannot write {path}: {reason}; "
            "closed shards are safe, mend it and run the same command again"
        ) from error


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file so that it is either whole or absent.

    Raises:
        StorageError: the disk refused; the unfinished file is removed.
    """
    with whole_or_absent(path) as file:
        pq.write_table(table, file, compression="zstd")


def write_tables(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> None:
    """The same, table by table: each becomes a row group, and one at a time is held."""
    with (
        whole_or_absent(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))


@contextmanager
def whole_or_absent(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that appears under its name when all is written and synced.

    Raises:
        StorageError: the disk refused; the unfinished file is removed.
    """
    aside = path.with_name(path.name + ".tmp")
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the disk keep which files a folder holds."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_shard(table: pa.Table, folder: Path) -> Path:
    """Write rows as a shard named after their sample ids; return its path."""
    path = folder / f"shard-{digest(table.column('sample_id').to_pylist())[:16]}.parquet"
    write_table(table, path)
    return path


def replacing(schema: pa.Schema, old: Sequence[Path], path: Path) -> pa.Schema:
    """The schema of a file at `path` that takes the place of old shards."""
    names = json.dumps(sorted(shard.name for shard in old if shard != path))
    return schema.with_metadata({_REPLACES: names})


def live_shards(folder: Path) -> list[Path]:
    """The shards that count, by name: those on disk that no compacted shard replaces.

    Raises:
        DamagedShard: a file is cut short or is not Parquet.
    """
    paths = sorted(folder.glob("*.parquet"))
    replaced: set[str] = set()
    for path in paths:
        metadata = _footer(path).metadata or {}
        replaced.update(json.loads(metadata.get(_REPLACES, b"[]")))
    return [path for path in paths if path.name not in replaced]


def _footer(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError, ValueError) as error:
        raise damaged(path, error) from error


def read_shard(
    path: Path, schema: pa.Schema, *, problem_ids: Sequence[str] | None = None
) -> pa.Table:
    """Rows of one shard with the columns of `schema`; other columns are passed over.

    Args:
        problem_ids: Rows of these problems only; None for all.

    Raises:
        DamagedShard: the file cannot be read to its end, or lacks a column.
    """
    rows = None
    if problem_ids is not None:
        rows = pc.field("problem_id").isin(pa.array(problem_ids, pa.string()))
    try:
        table = pq.read_table(path, columns=schema.names, filters=rows)
        return table.replace_schema_metadata().cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DamagedShard:
    """What to say of a file that cannot be read."""
    reason = str(error).strip().splitlines()[0][:160]
    return DamagedShard(
        f"{path} cannot be read as Parquet ({reason}); "
        "move it away and run the same command again to draw its samples anew"
    )


def read_shards(
    folder: Path, schema: pa.Schema, *, problem_ids: Sequence[str] | None = None
) -> pa.Table:
    """All live rows of a folder, or those of some problems; an empty table if there are none.

    Raises:
        DamagedShard: as `read_shard`.
        DuplicateSamples: one sample id stands in two places.
    """
    shards = [
        (path, read_shard(path, schema, problem_ids=problem_ids)) for path in live_shards(folder)
    ]
    table = pa.concat_tables([schema.empty_table(), *(rows for _, rows in shards)])
    if pc.count_distinct(table.column("sample_id")).as_py() != len(table):
        raise _duplicate(shards)
    return table


def _duplicate(shards: Sequence[tuple[Path, pa.Table]]) -> DuplicateSamples:
    seen: dict[str, Path] = {}
    for path, rows in shards:
        for sample_id in rows.column("sample_id").to_pylist():
            if sample_id in seen:
                return DuplicateSamples(
                    f"sample {sample_id} stands in {seen[sample_id]} and in {path}: "
                    "it would count twice; remove one of the two files"
                )
            seen[sample_id] = path
    raise AssertionError("called without a duplicate")


def rewrite_shards(table: pa.Table, folder: Path) -> None:
    """Put these rows in place of all that a folder holds; a kill leaves the old rows or the new.

    The rows may be fewer than before, and a shard of the same ids, so of the same name, may come
    back later. So the list of what was replaced goes as soon as the files are gone: it would hide
    the newcomer. A kill before that is made good by `finish_rewrite`.
    """
    names = json.dumps(sorted(old.name for old in live_shards(folder)))
    path = folder / f"{_REWRITTEN}{uuid4().hex[:16]}.parquet"
    write_table(table.replace_schema_metadata({_REPLACES: names}), path)
    finish_rewrite(folder)


def finish_rewrite(folder: Path) -> None:
    """Delete what is replaced; to be called before a folder that was rewritten is added to."""
    remove_replaced(folder)
    for path in folder.glob(f"{_REWRITTEN}*.parquet"):
        if _REPLACES in (_footer(path).metadata or {}):
            write_table(pq.read_table(path).replace_schema_metadata(), path)


def remove_replaced(folder: Path) -> None:
    """Delete shards that a compacted one replaces, and files that a kill left unfinished."""
    keep = set(live_shards(folder))
    for path in [*folder.glob("*.parquet"), *folder.glob("*.tmp")]:
        if path not in keep:
            path.unlink(missing_ok=True)
