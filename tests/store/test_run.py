"""The run folder: what is written comes back, survives a kill, and refuses what does not fit."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.errors import (
    ConfigMismatch,
    DamagedShard,
    DuplicateSamples,
    RunError,
    RunLocked,
    StorageError,
)
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store import rows
from pathshift.store.counts import run_counts
from pathshift.store.manifest import changed_environment, write_manifest
from pathshift.store.run import RunFolder, RunWriter

PROBLEMS = [
    Problem(id=f"p{i}", task="t", question=f"q{i}?", gold=str(i), floor=0.1) for i in range(3)
]
MANIFEST = RunManifest(config={"verifier": "text", "temperature": 1.0, "model": "m"}, n=4)


def sample(problem: int, number: int, text: str = "x") -> Sample:
    return Sample(
        problem_id=f"p{problem}", sample_no=number, seed=100 * problem + number, text=text,
        n_tokens=2, finish_reason="stop", logprob_sum=-1.5,
    )  # fmt: skip


def judged(of: Sample, outcome: Outcome = Outcome.CORRECT) -> Verdict:
    return Verdict(problem_id=of.problem_id, sample_no=of.sample_no, outcome=outcome, answer="x")


def open_run(path: Path, **changes: Any) -> RunWriter:
    manifest = replace(MANIFEST, config={**MANIFEST.config, **changes})
    return RunWriter.open(path, manifest, PROBLEMS, [p.question for p in PROBLEMS])


def fill(path: Path, numbers: range, **changes: Any) -> None:
    with open_run(path, **changes) as run:
        drawn = [sample(p, i) for p in range(3) for i in numbers]
        run.add(drawn, [judged(s) for s in drawn])


texts = st.text(st.characters(codec=None), max_size=40)


@given(texts, texts, st.none() | st.floats(allow_nan=False, max_value=0))
def test_samples_and_verdicts_come_back_as_they_were(
    text: str, answer: str, logprob: float | None
) -> None:
    one = replace(sample(0, 7, text), logprob_sum=logprob)
    storable = replace(one, text=rows.storable(text))
    assert rows.samples_of(rows.sample_table([one])) == [storable]
    verdict = Verdict(
        problem_id="p0", sample_no=7, outcome=Outcome.FAILED, answer=answer, detail="d"
    )
    back = rows.verdicts_of(rows.verdict_table([verdict]))
    assert back == [replace(verdict, answer=rows.storable(answer))]


def test_problems_come_back_with_data_and_prompts(tmp_path: Path) -> None:
    odd = Problem(
        id="é",
        task="t",
        question="<b>\u2028",
        gold="½",
        data={"numbers": [1, 2], "deep": {"a": None}},
    )
    with RunWriter.open(tmp_path, MANIFEST, [odd], ["the prompt"]):
        pass
    folder = RunFolder(tmp_path)
    assert folder.problems() == [odd]
    assert folder.prompts() == {"é": "the prompt"}


def test_a_reader_needs_duckdb_alone(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    found = duckdb.sql(
        "SELECT samples.problem_id, count(*) FILTER (outcome = 'correct') "
        f"FROM '{tmp_path}/samples/*.parquet' AS samples "
        f"JOIN '{tmp_path}/verdicts/text/*.parquet' USING (sample_id) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [("p0", 4), ("p1", 4), ("p2", 4)]


def test_counts_tell_the_four_outcomes_apart(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        drawn = [sample(p, i) for p in range(3) for i in range(4)]
        run.add(drawn, [judged(s, list(Outcome)[s.sample_no]) for s in drawn])
    for count in run_counts(tmp_path).counts:
        assert (count.n, count.c, count.unparsed, count.failed) == (3, 1, 1, 1)
        assert (count.n_tokens, count.floor) == (8, 0.1)


def test_a_run_goes_on_and_n_grows(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    with RunWriter.open(tmp_path, replace(MANIFEST, n=8), PROBLEMS, ["q"] * 3) as run:
        assert run.sampled() == {(f"p{p}", i) for p in range(3) for i in range(2)}
    assert RunFolder(tmp_path).manifest.n == 8
    with open_run(tmp_path):
        pass
    assert RunFolder(tmp_path).manifest.n == 8


def test_another_configuration_is_refused_by_field_and_both_values(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    with pytest.raises(ConfigMismatch, match=r"temperature=1\.0, now asked with temperature=0\.6"):
        open_run(tmp_path, temperature=0.6, stream="other")
    with pytest.raises(ConfigMismatch, match='extra=null, now asked with extra="y"'):
        open_run(tmp_path, extra="y")


def test_a_changed_environment_is_told_and_the_first_one_kept(tmp_path: Path) -> None:
    first = replace(
        MANIFEST, environment={"cpu": "a", "versions": {"torch": "1", "pathshift": "0"}}
    )
    later = replace(
        MANIFEST, environment={"cpu": "a", "versions": {"torch": "2", "pathshift": "1"}}
    )
    for manifest in (first, later):
        RunWriter.open(tmp_path, manifest, PROBLEMS, ["q"] * 3).__exit__(None, None, None)
    assert RunFolder(tmp_path).manifest.environment == first.environment
    assert changed_environment(first, later) == ['versions.torch was "1", is "2"']


def test_only_one_process_writes(tmp_path: Path) -> None:
    with open_run(tmp_path), pytest.raises(RunLocked, match="another process"):
        open_run(tmp_path)
    open_run(tmp_path).__exit__(None, None, None)


def test_a_shard_closes_when_it_is_old(tmp_path: Path) -> None:
    now = [0.0]
    open_run(tmp_path).__exit__(None, None, None)
    with RunWriter(tmp_path, "text", clock=lambda: now[0]) as run:
        run.add([sample(0, 0)], [judged(sample(0, 0))])
        assert RunFolder(tmp_path).samples() == []
        now[0] = 31.0
        run.add([sample(0, 1)], [judged(sample(0, 1))])
        assert len(RunFolder(tmp_path).samples()) == 2


def test_leaving_by_an_exception_keeps_what_was_drawn(tmp_path: Path) -> None:
    def draw_until_interrupted() -> None:
        with open_run(tmp_path) as run:
            run.add([sample(0, 0)], [judged(sample(0, 0))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_until_interrupted()
    assert len(RunFolder(tmp_path).samples()) == 1


def test_compaction_orders_and_keeps_every_row(tmp_path: Path) -> None:
    for numbers in (range(2, 4), range(2)):
        fill(tmp_path, numbers)
    with open_run(tmp_path) as run:
        run.compact()
    assert len(list((tmp_path / "samples").glob("*"))) == 1
    keys = [(s.problem_id, s.sample_no) for s in RunFolder(tmp_path).samples()]
    assert keys == [(f"p{p}", i) for p in range(3) for i in range(4)]


def test_a_kill_between_compaction_and_removal_doubles_nothing(tmp_path: Path) -> None:
    for numbers in (range(2), range(2, 4)):
        fill(tmp_path, numbers)
    before = {p.name: p.read_bytes() for p in (tmp_path / "samples").glob("*")}
    with open_run(tmp_path) as run:
        run.compact()
    for name, content in before.items():
        (tmp_path / "samples" / name).write_bytes(content)
    assert len(RunFolder(tmp_path).samples()) == 12
    assert [c.n for c in run_counts(tmp_path).counts] == [4, 4, 4]
    with open_run(tmp_path) as run:
        assert len(run.sampled()) == 12
    assert len(list((tmp_path / "samples").glob("*"))) == 1


def test_an_unfinished_file_is_swept_away(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    (tmp_path / "samples" / "shard-x.parquet.tmp").write_bytes(b"half")
    with open_run(tmp_path) as run:
        run.sampled()
    assert not list((tmp_path / "samples").glob("*.tmp"))


def test_samples_without_verdicts_are_found(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    shutil.rmtree(tmp_path / "verdicts")
    with pytest.raises(RunError, match="no verdicts of verifier text"):
        run_counts(tmp_path)
    with open_run(tmp_path) as run:
        assert len(run.unjudged()) == 6
        run.add_verdicts([judged(s) for s in run.unjudged()[:2]])
        with pytest.raises(RunError, match="4 samples that verifier text has not judged"):
            run_counts(tmp_path)


def test_a_copied_shard_is_named_and_not_counted_twice(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    (shard,) = (tmp_path / "samples").glob("*.parquet")
    shutil.copy(shard, shard.with_name("copy.parquet"))
    for reading in (run_counts, lambda path: RunFolder(path).samples()):
        with pytest.raises(
            DuplicateSamples, match=r"p0#0 stands in .*copy.parquet and in .*shard-"
        ):
            reading(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:200] = b"\0" * 196
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, garble, empty])
def test_a_damaged_shard_is_one_line_that_names_it(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fill(tmp_path, range(2))
    (shard,) = (tmp_path / "samples").glob("*.parquet")
    damage(shard)
    with pytest.raises(DamagedShard) as caught:
        RunFolder(tmp_path).samples()
    assert str(shard) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises((DamagedShard, RunError)):
        run_counts(tmp_path)


def test_a_missing_column_is_a_damaged_shard(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    (shard,) = (tmp_path / "samples").glob("*.parquet")
    pq.write_table(pq.read_table(shard).drop_columns(["text"]), shard)
    with pytest.raises(DamagedShard):
        RunFolder(tmp_path).samples()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_loses_the_open_shard_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fill(tmp_path, range(2))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    writer = open_run(tmp_path)
    monkeypatch.setattr("pathshift.store.shards.pq.write_table", refuse)
    writer.add([sample(0, 9)], [])
    with pytest.raises(StorageError, match="closed shards are safe"):
        writer.__exit__(None, None, None)
    monkeypatch.undo()
    assert len(RunFolder(tmp_path).samples()) == 6
    assert not list((tmp_path / "samples").glob("*.tmp"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no manifest.json"),
        ("{", "not a manifest"),
        ("[]", "not a manifest"),
        ('{"n": 1}', "not a manifest"),
    ],
)
def test_a_folder_without_a_manifest_is_no_run(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match=said):
        RunFolder(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, replace(MANIFEST, schema=99))
    with pytest.raises(RunError, match=r"schema 99.*upgrade"):
        RunFolder(tmp_path)


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["config"]["temperature"] == 1.0


def test_a_run_without_samples_says_so(tmp_path: Path) -> None:
    open_run(tmp_path).__exit__(None, None, None)
    with pytest.raises(RunError, match="no samples yet"):
        run_counts(tmp_path)


@pytest.mark.parametrize("name", ["../samples", "a/b", "", "."])
def test_a_verifier_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    fill(tmp_path, range(1))
    with pytest.raises(RunError, match="verifier"):
        RunFolder(tmp_path).verdicts_path(name)
