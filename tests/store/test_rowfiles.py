"""Rows of every file kind, and hostile files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathshift.errors import InputError
from pathshift.store import rowfiles as rows
from pathshift.store.rowfiles import read_rows

ROWS = [{"question": "2 + 2 = ?", "answer": "4"}, {"question": "Größe, in\n„m“?", "answer": "7"}]


def write(path: Path) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n", encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, ["question", "answer"])
            writer.writeheader()
            writer.writerows(ROWS)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ".JSONL"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix.lower()}").rename(tmp_path / f"y{suffix}")
    assert [dict(row.values) for row in read_rows(path)] == ROWS
    assert [row.where for row in read_rows(path)] == [f"{path}, row 1", f"{path}, row 2"]


def test_a_row_is_named_by_its_line_also_behind_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"A": 2}')
    assert [(dict(r.values), r.where) for r in read_rows(path)] == [
        ({"a": 1}, f"{path}, row 1"),
        ({"a": 2}, f"{path}, row 4"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": ', "row 2: not valid JSON"),
        ("x.jsonl", b'{"a": NaN}', "NaN is no JSON value"),
        ("x.jsonl", b'{"a": -Infinity}', "Infinity is no JSON value"),
        ("x.jsonl", b"[1, 2]", "row 1: a row must be an object"),
        ("x.jsonl", b'{"a": "\xff\xfe"}', "row 1: not valid JSON"),
        ("x.jsonl", b'{"a": ' + b"9" * 5000 + b"}", "row 1: not valid JSON"),
        ("x.jsonl", b"[" * 200_000, "row 1: not valid JSON"),
        ("x.json", b'{"a": 1}', "must hold a list"),
        ("x.json", b"[" * 200_000, "not valid JSON"),
        ("x.csv", b"a,b\n1\n", "row 1: not as many fields"),
        ("x.csv", b"a,b\n1,2,3\n", "row 1: not as many fields"),
        ("x.csv", b"a,b\n1,\xff\n", "not CSV"),
        ("x.csv", b'a,b\n1,"' + b"x" * 200_000 + b'"\n', "not CSV"),
        ("x.parquet", b"PAR1 no table PAR1", "not Parquet"),
        ("x.txt", b"", "must end in one of .jsonl"),
    ],
)
def test_a_damaged_file_is_named_with_the_row(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        list(read_rows(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("absent.jsonl", "folder.jsonl"):
        with pytest.raises(InputError, match="no such file"):
            list(read_rows(tmp_path / name))


@pytest.mark.parametrize(
    ("limit", "says"),
    [("MAX_LINE_BYTES", "longer than 20"), ("MAX_FILE_BYTES", "larger"), ("MAX_ROWS", "more than")],
)
def test_limits_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    monkeypatch.setattr(rows, limit, 20)
    (tmp_path / "x.jsonl").write_text(f'{{"a": "{"x" * 40}"}}\n' + '{"a": 1}\n' * 21)
    if limit == "MAX_ROWS":
        (tmp_path / "x.jsonl").write_text('{"a": 1}\n' * 21)
    with pytest.raises(InputError, match=says):
        list(read_rows(tmp_path / "x.jsonl"))


def test_rows_are_read_only_as_far_as_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\nbroken\n')
    first: Any = next(iter(read_rows(tmp_path / "x.jsonl")))
    assert first.values == {"a": 1}
