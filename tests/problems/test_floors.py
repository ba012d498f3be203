"""The shared null policies against listing what they can say."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.problems.floors import blind_arrangement, blind_whole_number, reached_in


@given(st.integers(-20, 20), st.integers(-10, 10), st.integers(0, 12))
def test_blind_whole_number_equals_its_share_of_the_range(gold: int, low: int, width: int) -> None:
    guesses = list(range(low, low + width + 1))
    expected = guesses.count(gold) / len(guesses)
    assert blind_whole_number(str(gold), low=low, high=low + width) == expected


@pytest.mark.parametrize("gold", ["", "7/2", "1,000", "x", "1000", "-1", "٣", "1e2", "9" * 400])
def test_blind_whole_number_never_says_anything_else(gold: str) -> None:
    assert blind_whole_number(gold) == 0


@given(st.text("abc", min_size=1, max_size=5), st.text("abc", min_size=1, max_size=5))
def test_blind_arrangement_equals_its_share_of_all_shuffles(gold: str, letters: str) -> None:
    shuffles = ["".join(order) for order in permutations(letters)]
    assert blind_arrangement(gold, letters=letters) == shuffles.count(gold) / len(shuffles)


@given(st.floats(0, 1), st.integers(0, 50))
def test_reached_in_is_the_complement_of_missing_every_time(floor: float, tries: int) -> None:
    assert reached_in(floor, tries=tries) == pytest.approx(1 - (1 - floor) ** tries, abs=1e-12)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        blind_whole_number("1", low=2, high=1)
    with pytest.raises(ValueError, match="floor in"):
        reached_in(1.1, tries=2)
