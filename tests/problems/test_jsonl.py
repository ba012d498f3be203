"""The user's own problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.open_files import is_open

from pathshift.errors import ConfigError, InputError
from pathshift.problems import load_problems
from pathshift.problems.fields import whole_number
from pathshift.records import Problem


def load(path: Path, *rows: dict[str, Any]) -> list[Problem]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_problems(f"jsonl:{path}")


def test_a_full_row_becomes_a_problem_field_by_field(tmp_path: Path) -> None:
    row = {"id": 7, "question": "Why?", "answer": " 42 ", "floor": 0.25, "source": "s"}
    row |= {"cluster": "c", "data": {"tests": [1, None]}, "other": 1}
    assert load(tmp_path / "mine.jsonl", row) == [
        Problem(
            id="7",
            task="jsonl",
            question="Why?",
            gold="42",
            source="s",
            cluster="c",
            floor=0.25,
            data={"tests": [1, None]},
        )
    ]


@pytest.mark.parametrize("question", ["question", "problem", "prompt", "Problem"])
@pytest.mark.parametrize("answer", ["answer", "gold", "target", "Answer"])
def test_fields_go_by_their_usual_names(tmp_path: Path, question: str, answer: str) -> None:
    (problem,) = load(tmp_path / "mine.jsonl", {question: "Why?", answer: "so"})
    assert (problem.question, problem.gold) == ("Why?", "so")
    assert (problem.source, problem.floor, problem.cluster) == ("mine", None, None)


@pytest.mark.parametrize(
    ("value", "gold"),
    [(27.0, "27"), (27, "27"), (0.5, "0.5"), (-1.0, "-1"), (True, "True"), ("027", "027")],
)
def test_an_answer_that_is_a_number_is_written_out(tmp_path: Path, value: Any, gold: str) -> None:
    assert load(tmp_path / "x.jsonl", {"question": "?", "answer": value})[0].gold == gold


def test_a_row_without_id_has_the_same_one_in_every_file(tmp_path: Path) -> None:
    row = {"question": "Why?", "answer": "so"}
    (first,) = load(tmp_path / "a.jsonl", row)
    other, second = load(tmp_path / "b.jsonl", {"question": "Who?", "answer": "so"}, row)
    assert first.id == second.id != other.id


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"answer": "x"}, "needs one of the fields question, problem, prompt"),
        ({"question": "?"}, "needs one of the fields answer, gold, target"),
        ({"question": " ", "answer": "x"}, "question must be text"),
        ({"question": ["?"], "answer": "x"}, "question must be text"),
        ({"question": "?", "answer": ["x"]}, "answer must be text or a number"),
        ({"question": "?", "answer": "\ud800"}, "surrogate"),
        ({"question": "?", "answer": "x", "floor": 1.5}, "floor must be a number from 0 to 1"),
        ({"question": "?", "answer": "x", "floor": "high"}, "floor must be a number"),
        ({"question": "?", "answer": "x", "floor": True}, "floor must be a number"),
        ({"question": "?", "answer": "x", "data": [1]}, "data must be an object"),
        ({"question": "?", "answer": "x", "data": "{1}"}, "data: not valid JSON"),
        ({"question": "?", "answer": "x", "id": {}}, "id must be text or a number"),
    ],
)
def test_a_bad_row_is_named_by_file_and_row(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(tmp_path / "x.jsonl", {"question": "?", "answer": "fine"}, row)
    assert f"{tmp_path / 'x.jsonl'}, row 2" in str(caught.value)
    assert not is_open(tmp_path / "x.jsonl"), "the error's frames must not hold the file"


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    row = {"question": "?", "answer": "x"}
    with pytest.raises(InputError, match="problems 1 and 3 share the id"):
        load(tmp_path / "x.jsonl", row, {"question": "!", "answer": "x"}, row)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no problems"):
        load(tmp_path / "x.jsonl")


def test_a_table_says_absent_by_empty_cells_and_data_by_json(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,question,answer,floor,data\n,Why?,so,,\n2,Who?,me,0.5,"{""a"": 1}"\n')
    first, second = load_problems(f"jsonl:{path}")
    assert (first.floor, first.data, first.id[:6]) == (None, {}, "jsonl-")
    assert (second.floor, second.data, second.id) == (0.5, {"a": 1}, "2")


def test_a_parquet_file_may_hold_nan_and_objects(tmp_path: Path) -> None:
    rows = [{"question": "?", "answer": 2.0, "floor": float("nan"), "data": {"a": [1]}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    (problem,) = load_problems(f"jsonl:{tmp_path / 'x.parquet'}")
    assert (problem.gold, problem.floor, problem.data) == ("2", None, {"a": [1]})


def test_parquet_data_beyond_json_is_refused(tmp_path: Path) -> None:
    rows = [{"question": "?", "answer": "x", "data": {"a": b"bytes"}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="JSON values only"):
        load_problems(f"jsonl:{tmp_path / 'x.parquet'}")


@pytest.mark.parametrize("spec", ["jsonl", "jsonl:"])
def test_a_spec_without_a_file_says_how_to_name_one(spec: str) -> None:
    with pytest.raises(ConfigError, match="jsonl:FILE"):
        load_problems(spec)


@pytest.mark.parametrize("path", ["absent.jsonl", "/absent", "./a/b", "../x", "a/b.csv", "a/b/c"])
def test_what_can_only_be_a_local_path_is_never_sent_to_the_hub(path: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_problems(f"jsonl:{path}")


@given(st.integers(-(10**6), 10**6), st.integers(0, 3), st.integers(0, 3))
def test_whole_numbers_have_one_form_however_written(value: int, zeros: int, after: int) -> None:
    sign = "-" if value < 0 else ""
    text = f"{sign}{'0' * zeros}{abs(value)}{'.' + '0' * after if after else ''}"
    assert whole_number(text) == str(value) == whole_number(whole_number(text))
