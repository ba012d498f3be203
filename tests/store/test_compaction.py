"""Joining shards in bounded memory gives what sorting all rows at once gives."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathshift.errors import DamagedShard, DuplicateSamples
from pathshift.records import Outcome, Verdict
from pathshift.store import compaction
from pathshift.store.compaction import compact
from pathshift.store.rows import VERDICT_COLUMNS, verdict_table
from pathshift.store.shards import read_shards, write_shard

ORDER = ["p10", "é", "p9", "p1", "unused"]
Key = tuple[str, int]


def rows(keys: list[Key]) -> pa.Table:
    return verdict_table(
        [
            Verdict(problem_id=p, sample_no=i, outcome=Outcome.WRONG, answer=f"{p} {i}" * (i % 5))
            for p, i in keys
        ]
    )


def scattered(folder: Path, rng: random.Random) -> list[Key]:
    """Shards of every size, each key in one of them; returns the keys in order."""
    keys = [(p, i) for p in ORDER[:4] for i in range(rng.randrange(1, 60))]
    shuffled = rng.sample(keys, len(keys))
    while shuffled:
        size = rng.randrange(1, 40)
        write_shard(rows(shuffled[:size]), folder)
        shuffled = shuffled[size:]
    return keys


@pytest.mark.parametrize("seed", range(12))
def test_rows_come_out_in_order_whatever_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(compaction, "GROUP_ROWS", rng.choice([1, 3, 16, 1000]))
    keys = scattered(tmp_path, rng)
    compact(tmp_path, VERDICT_COLUMNS, ORDER)
    (file,) = tmp_path.iterdir()
    assert read_shards(tmp_path, VERDICT_COLUMNS) == rows(keys)
    footer = pq.read_metadata(file)
    groups = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    assert max(groups) <= compaction.GROUP_ROWS
    write_shard(rows([("p9", 1000), ("p10", 1000)]), tmp_path)  # and on top of a compacted one
    compact(tmp_path, VERDICT_COLUMNS, ORDER)
    more = sorted([*keys, ("p9", 1000), ("p10", 1000)], key=lambda k: (ORDER.index(k[0]), k[1]))
    assert read_shards(tmp_path, VERDICT_COLUMNS) == rows(more)


def test_long_texts_make_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "GROUP_BYTES", 2_000)
    scattered(tmp_path, random.Random(0))
    compact(tmp_path, VERDICT_COLUMNS, ORDER)
    (file,) = tmp_path.iterdir()
    assert pq.read_metadata(file).num_row_groups > 3


def test_a_single_shard_is_left_alone_in_order_and_sorted_otherwise(tmp_path: Path) -> None:
    path = write_shard(rows([("p10", 0), ("p10", 1)]), tmp_path / "a")
    compact(tmp_path / "a", VERDICT_COLUMNS, ORDER)
    assert list((tmp_path / "a").iterdir()) == [path]
    write_shard(rows([("p1", 0), ("p10", 1)]), tmp_path / "b")
    compact(tmp_path / "b", VERDICT_COLUMNS, ORDER)
    assert read_shards(tmp_path / "b", VERDICT_COLUMNS) == rows([("p10", 1), ("p1", 0)])


def test_the_same_rows_give_the_same_name_whatever_the_shards(tmp_path: Path) -> None:
    keys = [("p10", i) for i in range(6)]
    for name, cuts in (("a", (2, 6)), ("b", (1, 4, 6))):
        first = 0
        for last in cuts:
            write_shard(rows(keys[first:last]), tmp_path / name)
            first = last
        compact(tmp_path / name, VERDICT_COLUMNS, ORDER)
    (a,), (b,) = ((tmp_path / name).iterdir() for name in "ab")
    assert a.name == b.name


def test_a_double_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    write_shard(rows([("p1", 0), ("p1", 1)]), tmp_path)
    write_shard(rows([("p1", 1), ("p1", 2)]), tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DuplicateSamples, match="p1#1 stands in"):
        compact(tmp_path, VERDICT_COLUMNS, ORDER)
    assert sorted(tmp_path.iterdir()) == before


def test_a_shard_without_a_column_is_damaged_and_nothing_is_lost(tmp_path: Path) -> None:
    write_shard(rows([("p1", 0)]), tmp_path)
    path = write_shard(rows([("p1", 1)]), tmp_path)
    pq.write_table(pq.read_table(path).drop_columns(["detail"]), path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DamagedShard, match=path.name):
        compact(tmp_path, VERDICT_COLUMNS, ORDER)
    assert sorted(tmp_path.iterdir()) == before
