"""The kept problems are those that a fresh draw gives."""

from __future__ import annotations

import pytest

from pathshift.lab.zoo.evaluation import SETS
from pathshift.lab.zoo.stored import STORED, held_out, set_problems


def test_the_kept_problems_begin_as_a_fresh_draw() -> None:
    for name, n in (("countdown-5", 3), ("countdown-6", 1)):
        assert set_problems(name)[:n] == SETS[name].problems(limit=n)


@pytest.mark.parametrize("name", STORED)
def test_a_kept_set_is_whole(name: str) -> None:
    found = set_problems(name)
    assert len(found) == int(SETS[name].options["n"]) == len({one.content_hash for one in found})
    assert all(one.floor is not None for one in found)


def test_every_set_of_a_family_is_held_out() -> None:
    assert len(held_out("countdown")) == 200
    assert len(held_out("compose")) == 700
