"""A folder that grows while it is read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pathshift.errors import LogError
from pathshift.rollout.following import Follower

DATA = Path(__file__).parents[1] / "store" / "importers" / "data"


def dump(path: Path, step: int, right: int = 2, *, torn: bool = False) -> Path:
    rows = [
        json.dumps({"input": f"q{i}", "output": f"{j}", "gts": "1", "score": float(j < right),
                    "step": step})
        for i in range(3) for j in range(4)
    ]  # fmt: skip
    text = "\n".join(rows) + "\n"
    path.mkdir(exist_ok=True)
    file = path / f"{step}.jsonl"
    file.write_text(text[:-20] if torn else text, encoding="utf-8")
    return file


def correct(follower: Follower) -> dict[int, int]:
    return {s.step: sum(p.c for p in s.table.counts) for s in follower.poll()}


def test_steps_are_read_in_their_order_and_once(tmp_path: Path) -> None:
    for step in (100, 20, 3):
        dump(tmp_path, step)
    follower = Follower(tmp_path, settle_seconds=0)
    assert list(correct(follower)) == [3, 20, 100]
    tables = {s.step: s.table for s in follower.poll()}
    assert all(s.table is tables[s.step] for s in follower.poll())


def test_a_file_that_has_just_changed_waits(tmp_path: Path) -> None:
    file = dump(tmp_path, 1)
    clock = file.stat().st_mtime
    follower = Follower(tmp_path, settle_seconds=2, now=lambda: clock)
    assert correct(follower) == {}
    clock += 3
    assert correct(follower) == {1: 6}


def test_a_torn_file_is_told_and_read_when_it_is_whole(tmp_path: Path) -> None:
    dump(tmp_path, 1)
    dump(tmp_path, 2, torn=True)
    follower = Follower(tmp_path, settle_seconds=0)
    assert correct(follower) == {1: 6}
    assert "row 12: not valid JSON" in follower.problems[2]
    assert correct(follower) == {1: 6}
    dump(tmp_path, 2)
    assert correct(follower) == {1: 6, 2: 6}
    assert follower.problems == {}


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    file = dump(tmp_path, 1, right=1)
    follower = Follower(tmp_path, settle_seconds=0)
    assert correct(follower) == {1: 3}
    dump(tmp_path, 1, right=4)
    os.utime(file, (1, 1))
    assert correct(follower) == {1: 12}


def test_trl_is_found_a_level_down_with_its_trainers_entropy(tmp_path: Path) -> None:
    from pathshift.rollout.ingest import Source
    from pathshift.store.importers.logged import ReadOptions

    shutil.copytree(DATA / "trl" / "plain", tmp_path / "out")
    source = Source(read=ReadOptions(score="has_letter_a"))
    steps = Follower(tmp_path / "out", source, settle_seconds=0).poll()
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text(encoding="utf-8"))
    logged = {e["step"]: e for e in state["log_history"] if "entropy" in e}
    assert [s.step for s in steps] == [1, 2, 3, 4]
    assert [s.entropy for s in steps] == [logged[i]["entropy"] for i in (1, 2, 3, 4)]
    assert [s.truncated for s in steps] == [
        logged[i]["completions/clipped_ratio"] for i in (1, 2, 3, 4)
    ]


def test_run_folders_are_steps_by_the_last_number_in_their_names(tmp_path: Path) -> None:
    from pathshift.rollout.ingest import import_logs

    for step in (10, 200):
        file = dump(tmp_path / "logs", step)
        import_logs([file], tmp_path / "runs" / f"v2-step{step}")
    assert list(correct(Follower(tmp_path / "runs", settle_seconds=0))) == [10, 200]


def test_what_cannot_be_followed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is not a folder"):
        Follower(tmp_path / "nothing").poll()
    assert Follower(tmp_path).poll() == []
    dump(tmp_path, 7)
    (tmp_path / "007.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(LogError, match="are both of step 7"):
        Follower(tmp_path).poll()
