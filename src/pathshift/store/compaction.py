"""Shards joined into one file, in memory that does not grow with the run.

Only keys are held whole (some 30 bytes a sample). The rows themselves pass through in row groups of
the new file, at most `GROUP_ROWS` rows or about `GROUP_BYTES` of text each, so that a reader that
asks for some problems can pass over the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.records import digest
from pathshift.store.rows import KEY_COLUMNS
from pathshift.store.shards import (
    damaged,
    live_shards,
    read_shard,
    read_shards,
    remove_replaced,
    replacing,
    write_tables,
)

GROUP_ROWS = 16_384
GROUP_BYTES = 64_000_000
_CACHED_GROUPS = 4
"""Row groups of old files that are kept unpacked: their rows go into neighbouring new groups."""

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where each row of a folder stands and belongs; arrays of one length.

    Attributes:
        source: Number of the old row group.
        place: Row within it.
        rank: Place of its problem in the order asked for.
        number: Sample number.
    """

    source: Ints
    place: Ints
    rank: Ints
    number: Ints


def compact(folder: Path, schema: pa.Schema, order: Sequence[str]) -> None:
    """Join a folder's shards into one, ordered by problem as in `order`, then by sample number.

    A kill leaves the old shards or the new one, never both and never none.

    Raises:
        DamagedShard: a shard cannot be read to its end.
        DuplicateSamples: one sample stands in two places.
        StorageError: the disk refused; the old shards are untouched.
    """
    shards = live_shards(folder)
    if shards:
        _join(folder, shards, schema, order)
    remove_replaced(folder)


def _join(folder: Path, shards: Sequence[Path], schema: pa.Schema, order: Sequence[str]) -> None:
    footers = [_footer(path) for path in shards]
    sources = [
        (path, group)
        for path, footer in zip(shards, footers, strict=True)
        for group in range(footer.num_row_groups)
    ]
    rows = _located(shards, footers, order)
    ordered = np.lexsort((rows.number, rows.rank))
    if len(shards) == 1 and bool((ordered == np.arange(len(ordered))).all()):
        return
    rank, number = rows.rank[ordered], rows.number[ordered]
    if bool(((np.diff(rank) == 0) & (np.diff(number) == 0)).any()):
        read_shards(folder, KEY_COLUMNS)  # names the sample and both files
    ids = [f"{order[r]}#{i}" for r, i in zip(rank.tolist(), number.tolist(), strict=True)]
    path = folder / f"part-{digest(ids)[:16]}.parquet"
    groups = _gathered(_Groups(sources, schema), rows, ordered, _group_rows(footers))
    write_tables(groups, replacing(schema, shards, path), path)


def _located(
    shards: Sequence[Path], footers: Sequence[pq.FileMetaData], order: Sequence[str]
) -> _Rows:
    """Keys of every row, file by file."""
    rank_of = {problem_id: i for i, problem_id in enumerate(order)}
    keys = pa.concat_tables([read_shard(path, KEY_COLUMNS) for path in shards])
    ids = keys.column("problem_id").combine_chunks().dictionary_encode()
    ranks = np.array([rank_of[name] for name in ids.dictionary.to_pylist()], dtype=np.int64)
    sizes = np.array([n_rows for footer in footers for n_rows, _ in _sizes(footer)], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    return _Rows(
        source=np.repeat(np.arange(len(sizes)), sizes),
        place=np.arange(len(keys)) - np.repeat(starts, sizes),
        rank=ranks[ids.indices.to_numpy()],
        number=keys.column("sample_no").to_numpy().astype(np.int64),
    )


def _sizes(footer: pq.FileMetaData) -> list[tuple[int, int]]:
    """Rows and unpacked bytes of each row group."""
    groups = (footer.row_group(i) for i in range(footer.num_row_groups))
    return [(group.num_rows, group.total_byte_size) for group in groups]


def _group_rows(footers: Sequence[pq.FileMetaData]) -> int:
    """Rows of a new row group: as many as the bytes of an average row allow."""
    sizes = [size for footer in footers for size in _sizes(footer)]
    n_rows, n_bytes = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
    return max(1, min(GROUP_ROWS, GROUP_BYTES * n_rows // max(1, n_bytes)))


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from error


class _Groups:
    """Row groups of the old files, the last few of them kept."""

    def __init__(self, sources: Sequence[tuple[Path, int]], schema: pa.Schema) -> None:
        self._sources, self._schema = sources, schema
        self._kept: dict[int, pa.Table] = {}

    def __getitem__(self, number: int) -> pa.Table:
        table = self._kept.pop(number, None)
        if table is None:
            table = self._read(*self._sources[number])
        self._kept[number] = table  # the latest stands last
        while len(self._kept) > _CACHED_GROUPS:
            del self._kept[next(iter(self._kept))]
        return table

    def _read(self, path: Path, group: int) -> pa.Table:
        names = self._schema.names
        try:
            with pq.ParquetFile(path) as file:
                table = file.read_row_group(group, columns=names).select(names)
            return table.replace_schema_metadata().cast(self._schema)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise damaged(path, error) from error


def _gathered(groups: _Groups, rows: _Rows, ordered: Ints, size: int) -> Iterator[pa.Table]:
    """Tables of `size` rows, in order."""
    for first in range(0, len(ordered), size):
        wanted = ordered[first : first + size]
        by_source = np.argsort(rows.source[wanted], kind="stable")
        wanted_here = wanted[by_source]
        sources = rows.source[wanted_here]
        table = pa.concat_tables(
            groups[int(source)].take(rows.place[wanted_here[sources == source]])
            for source in np.unique(sources)
        )
        back = np.empty(len(wanted), dtype=np.int64)
        back[by_source] = np.arange(len(wanted))
        yield table.take(back).combine_chunks()
