"""Normalised words: what does not count, and what does."""

from __future__ import annotations

import pytest

from pathshift.traces.steps import steps_key


@pytest.mark.parametrize(
    "text",
    [
        "So, the apples cost 12 dollars.",
        "apples **cost** $12.0... dollars",
        "APPLES cost 12 dollars!",
        "Then we have\n\n- apples: cost 12 dollars",
        "ａｐｐｌｅｓ cost １２ dollars",
    ],
)
def test_case_markup_and_filler_do_not_count(text: str) -> None:
    assert steps_key(text).replace("- ", "") == "apples cost 12 dollars"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 then 13", "13 then 12"),
        ("costs 12", "costs 13"),
        ("3 + 4", "3 * 4"),
        ("take apples", "take pears"),
        ("costs 120", "costs 12"),
        ("costs 1.5", "costs 15"),
    ],
)
def test_numbers_signs_words_and_their_order_do(one: str, other: str) -> None:
    assert steps_key(one) != steps_key(other)


def test_a_text_without_words_is_empty() -> None:
    assert steps_key(" ... !?\n") == ""
