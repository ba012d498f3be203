"""Counts as passk-inference wants them, and as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.store.exporters.exports import DATA, LOGS, counts, export, run_command, write_log

from pathshift.errors import InputError
from pathshift.records import ProblemCount

COUNTS = DATA / "passk-inference" / "base.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def some(*correct: bool | None) -> list[dict[str, object]]:
    return [
        {"id": f"p{i // 2}", "question": f"q{i // 2}", "gold": "1", "completion": "1", "correct": c}
        for i, c in enumerate(correct)
    ]


def test_a_row_is_id_c_and_n_without_failed_samples(tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.jsonl", some(True, None, False, True))
    (path,) = export(source, "passk", tmp_path)
    assert lines(path) == [{"id": "p0", "c": 1, "n": 1}, {"id": "p1", "c": 1, "n": 2}]
    assert all(type(row["c"]) is int and type(row["n"]) is int for row in lines(path))


def test_problems_without_a_judged_sample_are_left_out_and_told_of(tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.jsonl", some(True, False, None, None))
    told = run_command("export", source, "--to", "passk", "--out", tmp_path / "c.jsonl").stdout
    assert "4 samples of 1 problems as passk, 2 failed" in told
    assert "left out 1 problems without a judged sample" in told
    assert "failed samples are not in n" in told
    assert lines(tmp_path / "c.jsonl") == [{"id": "p0", "c": 1, "n": 2}]


def test_nothing_judged_is_an_error(tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.jsonl", some(None, None))
    with pytest.raises(InputError, match="no problem has a judged sample"):
        export(source, "passk", tmp_path)
    assert len(export(source, "csv", tmp_path)) == 1
    for to in ("every-eval-ever", "inspect"):
        with pytest.raises(InputError, match="no sample is judged"):
            export(source, to, tmp_path)


@pytest.mark.parametrize("to", ["passk", "csv", "parquet"])
def test_a_count_file_comes_back(to: str, tmp_path: Path) -> None:
    (path,) = export(COUNTS, to, tmp_path)
    assert counts(path) == counts(COUNTS)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_what_a_count_file_says_besides_is_kept(to: str, tmp_path: Path) -> None:
    full = ProblemCount(
        id='a,"\u2028</script>', n=8, c=3, unparsed=1, failed=0, truncated=2, n_tokens=99,
        source="s", cluster="c", floor=0.25,
    )  # fmt: skip
    fields = ("id", "n", "c", "unparsed", "failed", "truncated", "n_tokens", "source", "cluster",
              "floor")  # fmt: skip
    source = write_log(
        tmp_path / "full.jsonl",
        [{name: getattr(full, name) for name in fields}, {"id": "b", "n": 1, "c": 0}],
    )
    (path,) = export(source, to, tmp_path)
    assert list(counts(path).values()) == [full, ProblemCount(id="b", n=1, c=0)]


@pytest.mark.parametrize("to", ["every-eval-ever", "inspect"])
def test_formats_of_samples_refuse_counts(to: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"holds counts, and {to} is made of samples; give a run"):
        export(COUNTS, to, tmp_path)


def test_the_smallest_n_decides_nothing_here(tmp_path: Path) -> None:
    (path,) = export(LOGS["inspect-errors"], "passk", tmp_path)
    assert sorted({row["n"] for row in lines(path)}) == [3, 4]
