"""Count files: three formats read alike; every broken row names file and row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathshift.errors import CountsError
from pathshift.records import ProblemCount
from pathshift.store.countfiles import count_table, read_counts

ROWS = [{"id": "a", "n": 4, "c": 1, "source": "s"}, {"id": "b", "n": 8, "c": 8, "source": ""}]
EXPECTED = (ProblemCount(id="a", n=4, c=1, source="s"), ProblemCount(id="b", n=8, c=8))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_three_formats_read_alike(tmp_path: Path, suffix: str) -> None:
    assert read_counts(write(tmp_path / f"x{suffix}", ROWS)).counts == EXPECTED


def test_whole_numbers_as_floats_are_welcome() -> None:
    assert count_table([{"id": 3, "n": 4.0, "c": 2.0}], name="x").counts[0].c == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "z", "n": 4, "c": 5}, "c=5 with n=4"),
        ({"id": "z", "n": 4, "c": -1}, "c='-1'"),
        ({"id": "z", "n": 0, "c": 0}, "at least one sample"),
        ({"id": "z", "n": 4.5, "c": 1}, "n='4.5'"),
        ({"id": "z", "n": "four", "c": 1}, "n='four'"),
        ({"id": "z", "n": True, "c": 1}, "n='True'"),
        ({"id": "z", "n": float("inf"), "c": 1}, "n='inf'"),
        ({"id": "z", "n": float("nan"), "c": 1}, "n='nan'"),
        ({"id": "z", "n": 10**12, "c": 1}, "more than 2"),
        ({"id": "z", "c": 1}, "no n; .*found: id, c"),
        ({"id": "z", "n": 4}, "no c"),
        ({"n": 4, "c": 1}, "no id"),
        ({"id": "  ", "n": 4, "c": 1}, "no id"),
        ({"id": "a", "n": 4, "c": 1}, "id 'a' stands at counts.jsonl, row 1 already"),
        ({"id": "z", "n": 4, "c": 1, "floor": 2}, "floor='2'"),
        ({"id": "z", "n": 4, "c": 1, "floor": "low"}, "floor='low'"),
        ([1, 2], "expected id, n and c"),
        ("text", "expected id, n and c"),
    ],
)
def test_a_broken_row_is_one_line_with_file_row_and_rule(row: Any, said: str) -> None:
    with pytest.raises(CountsError, match=said) as caught:
        count_table([ROWS[0], row], name="counts.jsonl")
    assert "counts.jsonl, row 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b"", "is empty"),
        ("x.csv", b"id,n,c\n", "is empty"),
        ("x.jsonl", b'{"id": "a", "n": 4, "c": 1}\n{"id"', "row 2: not valid JSON"),
        ("x.jsonl", b"\xff\xfe\x00", "row 1: not valid JSON"),
        ("x.parquet", b"PAR1 nothing", "not Parquet"),
        ("x.txt", b"a", "must end in one of"),
        ("x", b"a", "must end in one of"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CountsError, match=said) as caught:
        read_counts(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CountsError, match="not Parquet"):
        read_counts(path)


def test_deep_nesting_and_long_lines_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("[" * 100_000)
    with pytest.raises(CountsError, match="row 1"):
        read_counts(path)
    path.write_text(json.dumps({"id": "a" * 11_000_000, "n": 1, "c": 1}))
    with pytest.raises(CountsError, match="row 1: longer than"):
        read_counts(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="does not exist"):
        read_counts(tmp_path / "no.jsonl")


def test_a_verifier_needs_samples(tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="--verifier needs a run folder"):
        read_counts(write(tmp_path / "x.jsonl", ROWS), verifier="text")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.sampled_from(["id", "n", "c", "floor", "x"]), values)))
def test_any_rows_give_a_table_or_one_line(rows: list[dict[str, Any]]) -> None:
    try:
        table = count_table(rows, name="x")
    except CountsError:
        return
    assert all(0 <= p.c <= p.n for p in table.counts)
