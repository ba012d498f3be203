"""The sheet and its key on disk: atomic, bounded, strict, and marks into runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.authoring.runs import half_right, write_run

from pathshift.errors import InputError, RunError
from pathshift.records import Outcome, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.reviews import (
    Item,
    Key,
    Origin,
    key_path,
    mark_item,
    read_key,
    read_sheet,
    token_of,
    write_marks,
    write_review,
)
from pathshift.store.run import RunFolder

ITEMS = [
    Item(token=f"{i:016x}", question=f"q{i}\u2028", reference="1", chain=f"c{i}\nd\x1b[2J")
    for i in (3, 1, 2)
]
KEY = Key(
    secret="s", verifier="text", runs={"base": "../b"},
    contents={item.token: item.content for item in ITEMS},
    origins={
        item.token: (Origin(side="base", problem_id=f"p{i}", sample_no=i),)
        for i, item in enumerate(ITEMS)
    },
)  # fmt: skip


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    write_review(tmp_path / "sheet.jsonl", ITEMS, KEY)
    return tmp_path / "sheet.jsonl"


def test_sheet_and_key_come_back_in_the_order_of_tokens(sheet: Path) -> None:
    assert read_sheet(sheet) == sorted(ITEMS, key=lambda item: item.token)
    assert read_key(sheet) == KEY
    assert key_path(sheet).name == "sheet.key.json"


def test_marks_are_on_disk_at_once_and_may_be_taken_back(sheet: Path) -> None:
    mark_item(sheet, ITEMS[0].token, "yes")
    mark_item(sheet, ITEMS[1].token, "unsure")
    assert [item.mark for item in read_sheet(sheet)] == ["unsure", None, "yes"]
    mark_item(sheet, ITEMS[0].token, None)
    assert [item.mark for item in read_sheet(sheet)] == ["unsure", None, None]
    assert not list(sheet.parent.glob("*.tmp"))


@pytest.mark.parametrize(("token", "mark"), [("nowhere", "yes"), (ITEMS[0].token, "maybe")])
def test_no_such_item_or_mark(sheet: Path, token: str, mark: str) -> None:
    before = sheet.read_bytes()
    with pytest.raises(InputError):
        mark_item(sheet, token, mark)
    assert sheet.read_bytes() == before


def test_a_sheet_is_never_written_over(sheet: Path) -> None:
    with pytest.raises(InputError, match="may hold marks"):
        write_review(sheet, ITEMS, KEY)
    sheet.unlink()
    with pytest.raises(InputError, match=r"key\.json is there already"):
        write_review(sheet, ITEMS, KEY)


def test_a_sheet_is_json_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        write_review(tmp_path / "sheet.csv", ITEMS, KEY)


GOOD = {"token": "t", "question": "q", "reference": "r", "chain": "c", "mark": None}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD | {"mark": "perhaps"}], "row 1: mark is one of yes, no, unsure"),
        ([GOOD | {"side": "base"}], "row 1: a row holds"),
        ([GOOD | {"chain": 7}], "row 1: a row holds"),
        ([{"token": "t"}], "row 1: a row holds"),
        ([GOOD, GOOD], "a token twice"),
        ([[1]], "row 1"),
        ([], "is empty"),
    ],
)
def test_a_broken_sheet_names_its_row(tmp_path: Path, rows: list[Any], said: str) -> None:
    path = tmp_path / "sheet.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=said):
        read_sheet(path)


def test_a_mark_written_by_hand_may_be_an_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "sheet.jsonl"
    path.write_text(json.dumps(GOOD | {"mark": ""}) + "\n")
    assert read_sheet(path)[0].mark is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"origins": {"t": [{}]}}', "[" * 99_999])
def test_a_broken_key_is_one_line(sheet: Path, text: str) -> None:
    key_path(sheet).write_text(text)
    with pytest.raises(InputError, match=r"sheet\.key\.json"):
        read_key(sheet)


def test_a_sheet_without_its_key(sheet: Path) -> None:
    key_path(sheet).unlink()
    with pytest.raises(InputError, match="without its key"):
        read_key(sheet)


@given(st.text(), st.text(), st.text())
def test_a_token_depends_on_all_that_is_shown_and_on_the_secret(a: str, b: str, c: str) -> None:
    token = token_of("s", a, b, c)
    assert token == token_of("s", a, b, c)
    assert len({token, token_of("t", a, b, c), token_of("s", a + "x", b, c),
                token_of("s", a, b + "x", c), token_of("s", a, b, c + "x")}) == 5  # fmt: skip


def verdict(number: int, outcome: Outcome) -> Verdict:
    return Verdict(problem_id="p0", sample_no=number, outcome=outcome)


def test_marks_join_those_of_earlier_sheets_and_the_last_word_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right, problems=2)
    write_marks(run, [verdict(0, Outcome.CORRECT), verdict(2, Outcome.WRONG)])
    write_marks(run, [verdict(2, Outcome.FAILED)])
    for _ in range(2):
        write_marks(run, [verdict(4, Outcome.WRONG)])
    found = {v.sample_no: v.outcome.value for v in RunFolder(run).verdicts("human")}
    assert found == {0: "correct", 2: "failed", 4: "wrong"}
    write_marks(run, [])
    assert len(RunFolder(run).verdicts("human")) == 3
    assert RunFolder(run).verifiers() == ["human", "text"]


def test_marks_of_some_samples_do_not_pass_for_a_count(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with pytest.raises(RunError, match=r"no verdicts of verifier human .*review --take"):
        run_counts(run, verifier="human")
    write_marks(run, [verdict(0, Outcome.CORRECT)])
    with pytest.raises(RunError, match=r"31 samples .* a person marks a sheet of chains"):
        run_counts(run, verifier="human")


def test_content_ignores_token_and_mark() -> None:
    item = ITEMS[0]
    assert replace(item, token="x", mark="no").content == item.content
    assert replace(item, chain="y").content != item.content
