from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.traces.token_classes import CLASSES, PHASES, token_kinds


def classes(pieces: list[str]) -> list[str]:
    return [CLASSES[i] for i in token_kinds(pieces).of_class]


def phases(pieces: list[str]) -> list[str]:
    return [PHASES[i] for i in token_kinds(pieces).phase]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (" 1,024.5", "number"), (" =", "operator"), (" \\times", "operator"),
        ("\n\n", "formatting"),
        ("\\boxed", "formatting"), ("####", "formatting"), ("<|im_end|>", "formatting"),
        ("Wait", "reflection"), (" Hmmm", "reflection"), (" However", "reflection"),
        (" So", "connective"), (" therefore", "connective"), (" soap", "other"),
        (" butter", "other"), (" apples", "other"), ("", "other"), ("  ", "other"),
    ],
)  # fmt: skip
def test_a_token_alone_has_the_class_of_what_it_says(piece: str, expected: str) -> None:
    assert classes([piece]) == [expected]


def test_tokens_of_one_word_share_its_class() -> None:
    assert classes([" W", "ait", ","]) == ["reflection", "reflection", "other"]
    assert classes([" b", "utter"]) == ["other", "other"]
    assert classes(["1", "0", "2", "4"]) == ["number"] * 4


def test_a_hyphen_within_a_word_is_no_operator() -> None:
    assert classes(["well", "-", "known"]) == ["other"] * 3
    assert classes(["x", " -", " y"])[1] == "operator"


def test_the_first_operation_is_found_with_what_is_before_and_after() -> None:
    pieces = ["We", " have", " 3", " *", " 4", " =", " 12", ".", " 12", "+", "1"]
    assert phases(pieces) == ["before"] * 2 + ["at"] * 3 + ["after"] * 6
    assert classes(pieces)[2:5] == ["first operation"] * 3
    assert classes(pieces)[-3:] == ["number", "operator", "number"]


@pytest.mark.parametrize(
    "text", ["3 \\times 4", "$3$ + $4$", "(3)/(4)", "3 times 4", "1,200 - 7", "3×4", "2^10"]
)
def test_operations_in_other_spellings_are_found(text: str) -> None:
    assert "at" in phases(["So ", *text])


def test_without_an_operation_there_is_no_phase() -> None:
    assert phases(["It", " is", " 7", "."]) == ["no operation"] * 4


@given(st.lists(st.text(max_size=4), max_size=30))
def test_any_pieces_get_one_class_each_and_cuts_change_no_characters_class(
    pieces: list[str],
) -> None:
    found = classes(pieces)
    assert len(found) == len(pieces)
    text = "".join(pieces)
    by_char, place = classes(list(text)), 0
    for piece, name in zip(pieces, found, strict=True):
        seen = next((i for i, c in enumerate(piece) if c not in " \t"), None)
        if seen is not None and name != "first operation":
            assert name == by_char[place + seen]
        place += len(piece)


@pytest.mark.parametrize(
    "unit", ["1", "1.", "1,1", "1 ", "1 (", "-", "$", "h", "hm", "<|", "#", "\\boxed", "1+", "a1 "]
)
def test_a_hundred_thousand_hostile_tokens_take_less_than_two_seconds(unit: str) -> None:
    started = time.perf_counter()
    token_kinds([unit] * 100_000)
    assert time.perf_counter() - started < 2
