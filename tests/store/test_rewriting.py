"""Rows put in place of others: fewer, other, and the first ones again, through kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathshift.errors import StorageError
from pathshift.records import Outcome, Verdict
from pathshift.store import shards
from pathshift.store.compaction import compact
from pathshift.store.rows import VERDICT_COLUMNS, verdict_table, verdicts_of


def verdicts(*numbers: int, detail: str = "") -> list[Verdict]:
    return [
        Verdict(problem_id="p", sample_no=n, outcome=Outcome.WRONG, detail=detail) for n in numbers
    ]


def held(folder: Path) -> list[int]:
    table = shards.read_shards(folder, VERDICT_COLUMNS)
    return sorted(v.sample_no for v in verdicts_of(table))


def add(folder: Path, *numbers: int) -> None:
    shards.write_shard(verdict_table(verdicts(*numbers)), folder)


def rewrite(folder: Path, *numbers: int) -> None:
    shards.rewrite_shards(verdict_table(verdicts(*numbers)), folder)


def test_rows_that_go_and_come_back_never_hide_each_other(tmp_path: Path) -> None:
    add(tmp_path, 0, 1)
    add(tmp_path, 2)
    for _ in range(3):
        compact(tmp_path, VERDICT_COLUMNS, ["p"])
        assert held(tmp_path) == [0, 1, 2]
        rewrite(tmp_path, 0, 1)
        assert held(tmp_path) == [0, 1]
        add(tmp_path, 2)
        assert held(tmp_path) == [0, 1, 2]
    rewrite(tmp_path)
    assert held(tmp_path) == []


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_kill_leaves_the_old_rows_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    add(tmp_path, 0, 1)
    add(tmp_path, 2)
    real, calls = shards.write_table, 0

    def dying(table: object, path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            raise StorageError("killed")
        real(table, path)

    monkeypatch.setattr(shards, "write_table", dying)
    with pytest.raises(StorageError):
        rewrite(tmp_path, 5)
    monkeypatch.undo()
    assert held(tmp_path) == ([0, 1, 2] if killed_at == 1 else [5])
    shards.finish_rewrite(tmp_path)
    if killed_at == 2:
        add(tmp_path, 0, 1)  # the very shard that was replaced comes back
        add(tmp_path, 2)
        assert held(tmp_path) == [0, 1, 2, 5]
    rewrite(tmp_path, 7)
    assert held(tmp_path) == [7]
