"""Every wrong verdict found so far, Math-Verify's beside ours, in one table.

`adversarial.jsonl` holds a line for each: reference, model text, what we decide and why, and where
it was found. Kinds: a `fact` of mathematics or of reading an answer; `bounded`, where only an end
and no credit is asked for; a `rule` of this package, on which others may decide otherwise and which
is not counted against anyone; `missed`, a right answer that we know we miss.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.verify.samples import problem, sample

from pathshift.records import Outcome
from pathshift.verify import Judge

math_verify = pytest.importorskip("math_verify")

TABLE = Path(__file__).with_name("adversarial.jsonl")
ROWS: list[dict[str, str]] = [json.loads(line) for line in TABLE.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def ours() -> list[Outcome]:
    pairs = [
        (problem(row["gold"], id=str(n)), sample(row["text"], number=n))
        for n, row in enumerate(ROWS)
    ]
    with Judge("math", timeout_s=4) as judge:
        return [verdict.outcome for verdict in judge.verdicts(pairs)]


@cache
def theirs(gold: str, text: str) -> bool:
    """As its README says: parse both, verify."""
    return bool(math_verify.verify(math_verify.parse(f"${gold}$"), math_verify.parse(text)))


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def is_as_expected(row: dict[str, str], outcome: Outcome) -> bool:
    if row["kind"] == "bounded":
        return outcome is not Outcome.CORRECT
    return outcome == row["expected"]


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_the_table_is_decided_as_it_says(ours: list[Outcome], number: int) -> None:
    row = ROWS[number]
    is_missed = row["kind"] == "missed"
    assert is_as_expected(row, ours[number]) != is_missed, (row, ours[number])


def test_fewer_false_yes_and_fewer_false_no_than_math_verify(
    ours: list[Outcome], quiet: None
) -> None:
    counts = {True: [0, 0], False: [0, 0]}
    for row, outcome in zip(ROWS, ours, strict=True):
        if row["kind"] in ("fact", "missed"):
            is_right = row["expected"] == "correct"
            said = [outcome is Outcome.CORRECT, theirs(row["gold"], row["text"])]
            for side, yes in enumerate(said):
                counts[is_right][side] += yes != is_right
    (our_no, their_no), (our_yes, their_yes) = counts[True], counts[False]
    assert (our_yes, our_no) == (0, 3)
    assert their_yes > our_yes
    assert their_no > our_no


def test_each_issue_named_in_the_docs_has_its_lines() -> None:
    found = {row["source"] for row in ROWS}
    wanted: list[Any] = [f"Math-Verify#{n}" for n in (14, 47, 60, 65, 76)] + ["peers.md 0.9"]
    assert found.issuperset(wanted)


def test_every_line_says_why_and_stands_once() -> None:
    assert all(row["why"] and row["kind"] in KINDS for row in ROWS)
    assert len({(row["gold"], row["text"]) for row in ROWS}) == len(ROWS)


KINDS = ("fact", "bounded", "rule", "missed")
