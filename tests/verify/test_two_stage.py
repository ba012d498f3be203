"""Two-stage parsing against the full prediction alone."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from inspect import unwrap
from pathlib import Path
from typing import Any

import pytest

from pathshift.verify import extract, two_stage

TABLE = Path(__file__).with_name("adversarial.jsonl")


READER: Any = importlib.import_module("latex2sympy2_extended.latex2sympy2")._Latex2Sympy
MODES: Any = importlib.import_module("antlr4").PredictionMode


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each prediction mode is used; the library is as before after the test."""
    counts: Counter[int] = Counter()
    create = unwrap(READER.create_parser)

    def counted(self: Any, latex: str) -> Any:
        counts[self._mode] += 1
        return create(self, latex)

    monkeypatch.setattr(READER, "create_parser", counted)
    monkeypatch.setattr(READER, "parse", unwrap(READER.parse))
    two_stage.parse_in_two_stages()
    return counts


def texts() -> list[str]:
    """What the adversarial table's references and answers are."""
    rows = [json.loads(line) for line in TABLE.read_text("utf-8").splitlines()]
    found = {answer for row in rows for answer in (row["gold"], extract.marked(row["text"]))}
    return sorted(text for text in {*found, *two_stage.TYPICAL} if text and len(text) < 200)


def parsed(latex: str) -> str:
    try:
        return str(READER(is_real=False).parse(latex))
    except Exception as error:  # noqa: BLE001  that it is none is what is compared
        return type(error).__name__


def test_both_ways_read_every_text_alike(
    used: Counter[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {text: parsed(text) for text in texts()}
    assert len(quick) > 100
    assert used[MODES.SLL] > 2 * used[MODES.LL]
    monkeypatch.setattr(READER, "parse", unwrap(READER.parse))
    monkeypatch.setattr(READER, "create_parser", unwrap(READER.create_parser))
    monkeypatch.setattr(READER, "_mode", MODES.LL, raising=False)
    before = used[MODES.SLL]
    assert {text: parsed(text) for text in texts()} == quick
    assert used[MODES.SLL] == before


def test_the_full_prediction_is_asked_where_the_quick_one_failed(used: Counter[int]) -> None:
    assert parsed(r"\frac{1}{2} + x") == "x + 1/2"
    assert used == {MODES.SLL: 1}
    assert parsed(r"\frac{1") == "Exception"
    assert used == {MODES.SLL: 2, MODES.LL: 1}
