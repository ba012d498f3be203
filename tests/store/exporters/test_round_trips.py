"""What is exported and read back by our own importers is what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.store.exporters.exports import (
    LOGS,
    NASTY,
    OUT,
    counts,
    export,
    nasty_log,
    write_log,
)

from pathshift.records import Sample
from pathshift.rollout.ingest import Source, open_source
from pathshift.store.rows import storable

SAMPLES = ("csv", "parquet", "every-eval-ever", "inspect")


@pytest.fixture(params=[*LOGS, "native"])
def source(request: pytest.FixtureRequest, native: Path) -> Path:
    return LOGS.get(request.param, native)


@pytest.mark.parametrize("to", SAMPLES)
def test_counts_come_back_and_failed_stays_failed(source: Path, to: str, tmp_path: Path) -> None:
    export(source, to, tmp_path)
    before, after = counts(source), counts(tmp_path / OUT[to])
    assert list(before) == list(after)
    for name, count in before.items():
        back = after[name]
        assert (back.n, back.c, back.failed) == (count.n, count.c, count.failed), name
        assert back.content_hash == count.content_hash


def test_counts_come_back_from_a_count_file(source: Path, tmp_path: Path) -> None:
    (path,) = export(source, "passk", tmp_path)
    before, after = counts(source), counts(path)
    assert {name: (count.n, count.c) for name, count in before.items()} == {
        name: (count.n, count.c) for name, count in after.items()
    }


def test_an_inspect_log_keeps_all_that_is_counted(source: Path, tmp_path: Path) -> None:
    export(source, "inspect", tmp_path)
    back = counts(tmp_path / OUT["inspect"])
    # A floor, a cluster and a source are ours: no other format has a place for them.
    assert back == {
        name: replace(count, floor=None, cluster=None, source=back[name].source)
        for name, count in counts(source).items()
    }


def test_of_an_own_run_inspect_keeps_task_and_policy(native: Path, tmp_path: Path) -> None:
    export(native, "inspect", tmp_path)
    (settings,) = [open_source(tmp_path / OUT["inspect"], Source()).log.settings]
    assert settings["task"] == "arithmetic"
    assert settings["temperature"] == 1.0
    assert settings["max_tokens"] == 32
    assert settings["seed"] == 0


def read_samples(path: Path) -> dict[tuple[str, int], Sample]:
    assembly = open_source(path, Source())
    return {(p.id, s.sample_no): s for p, s, _ in assembly.rows()}


@pytest.mark.parametrize("to", SAMPLES)
def test_nasty_text_comes_back_letter_by_letter(to: str, tmp_path: Path) -> None:
    source = nasty_log(tmp_path / "nasty.jsonl")
    export(source, to, tmp_path)
    before, after = read_samples(source), read_samples(tmp_path / OUT[to])
    assert len(after) == len(before) == 3 * len(NASTY)
    for (problem, number), sample in before.items():
        back = after[storable(problem), number]
        # Only half a code point cannot be written in UTF-8; it becomes a question mark.
        assert back.text == storable(sample.text)
        assert back.detail == storable(sample.detail)


@pytest.mark.parametrize("to", SAMPLES)
def test_nasty_questions_and_references_come_back(to: str, tmp_path: Path) -> None:
    source = nasty_log(tmp_path / "nasty.jsonl")
    export(source, to, tmp_path)
    before, after = (open_source(path, Source()).problems for path in (source, tmp_path / OUT[to]))
    assert [(storable(p.question), storable(p.gold)) for p in before] == [
        (p.question, p.gold) for p in after
    ]


@pytest.mark.parametrize("to", ["every-eval-ever", "inspect", "passk"])
def test_no_text_breaks_a_line_for_readers_that_split_as_unicode_does(
    to: str, tmp_path: Path
) -> None:
    for path in export(nasty_log(tmp_path / "nasty.jsonl"), to, tmp_path):
        text = path.read_text(encoding="ascii")
        assert len(text.splitlines()) == text.count("\n")


def test_a_table_holds_what_it_says(tmp_path: Path) -> None:
    (path,) = export(LOGS["inspect-errors"], "parquet", tmp_path)
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 32
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert len(failed) == 3
    assert all(row["correct"] is None and row["error"] for row in failed)
    assert all(row["correct"] is (row["outcome"] == "correct") for row in rows if not row["error"])
    assert {row["model"] for row in rows} == {"toy/model"}
    assert {row["task"] for row in rows} == {"world"}


def test_csv_writes_a_formula_as_it_is(tmp_path: Path) -> None:
    source = write_log(
        tmp_path / "log.jsonl",
        [{"id": "a", "question": "q", "gold": "-5", "completion": "=1+1", "correct": True}],
    )
    (path,) = export(source, "csv", tmp_path)
    header, row = path.read_text(encoding="utf-8").splitlines()
    assert header.startswith("problem_id,sample_no,question,gold,outcome,correct,answer,n_tokens,")
    assert row == "a,0,q,-5,correct,true,,,unknown,=1+1,toy/model,generic,"
