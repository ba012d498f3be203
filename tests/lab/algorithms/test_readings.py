"""The study's numbers: a union of seeds, noise, words and claims, by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pathshift.lab.algorithms.measured import Way
from pathshift.lab.algorithms.readings import judged, sampling_noise, union
from pathshift.lab.algorithms.verdicts import against_base, alike_sentence, claims


def way(*seeds: list[tuple[int, int]]) -> Way:
    return Way(
        label="grpo", kind="algorithm", seeds=tuple(range(len(seeds))), counts_SQ2=np.array(seeds)
    )


def test_seeds_that_solve_different_problems_are_worth_more_together() -> None:
    # Each seed solves its own problem in every sample: together both, alone one.
    found = union(way([(4, 4), (4, 0)], [(4, 0), (4, 4)]))
    assert (found["budget"], found["together"], found["alone"]) == (4, 1.0, 0.5)


def test_equal_seeds_together_solve_what_one_does_up_to_the_draw() -> None:
    """Two seeds of 1 in 4: two draws of either, against four of one, by listing every draw."""
    found = union(way([(4, 1)], [(4, 1)]))
    hits = [0 in pair for pair in combinations(range(4), 2)]
    miss = 1 - sum(hits) / len(hits)
    assert found["together"] == pytest.approx(1 - miss**2)
    assert found["alone"] == 1.0


def test_noise_of_one_sample_is_that_of_a_coin() -> None:
    # Unbiased: c (n - c) / (n^2 (n - 1)) at k=1, here 5 x 5 / (100 x 9), for one of two problems.
    assert sampling_noise([way([(10, 5), (10, 0)])], 1) == pytest.approx(25 / 900 / 4)
    assert np.isnan(sampling_noise([way([(10, 5)])], 8))


def test_nothing_is_judged_beyond_half_of_the_samples() -> None:
    assert judged(np.array([2**i for i in range(11)])) == [1, 16, 128, 512]
    assert judged(np.array([1])) == [1]


def alike_told(**changed: Any) -> dict[str, Any]:
    usual = {"widest": 0.01, "p": 0.01, "are_alike": True, "are_apart": False, "pairs": [0, 0, 0],
             "least_margin": 0.04}  # fmt: skip
    return usual | changed


def test_a_word_is_given_only_above_the_floor() -> None:
    told = {"k": 16, "above_floor": False, "these": alike_told(), "like_these": None}
    assert "no word" in alike_sentence(told, 0.05)
    assert "all 3 pairs within 0.05" in alike_sentence(told | {"above_floor": True}, 0.05)


def test_what_is_not_shown_says_what_could_have_been() -> None:
    these = alike_told(are_alike=False, p=0.2, pairs=[
        {"first": "a", "second": "b", "is_apart": False}
    ])  # fmt: skip
    told = {"k": 1, "above_floor": True, "these": these, "like_these": None}
    assert "called alike at a margin of 0.040" in alike_sentence(told, 0.05)
    these["pairs"][0]["is_apart"] = True
    assert "a and b differ by more than 0.05" in alike_sentence(told, 0.05)


def compared(**changed: Any) -> dict[str, Any]:
    usual = {
        "label": "grpo", "kind": "algorithm", "difference": [0.2, -0.1],
        "difference_low": [0.1, -0.2], "difference_high": [0.3, -0.01],
        "gain_certified": [[1, 1]], "loss_certified": [[2, 2]], "worth_of_one": 2.5,
        "cells": {"k": 2}, "gap": {"left": 0.6, "left_low": 0.55, "left_high": 0.7},
    }  # fmt: skip
    return usual | changed


def study(ways: list[dict[str, Any]], like_these: dict[str, Any]) -> dict[str, Any]:
    one = {
        "name": "compose-4", "k": [1, 2], "ways": ways,
        "alike": [{"k": 1, "above_floor": True, "these": like_these, "like_these": like_these}],
    }  # fmt: skip
    return {"margin": 0.05, "families": {"compose": {"sets": {"outside": one}}}}


def test_a_sentence_holds_both_certified_ranges() -> None:
    told = against_base(compared())
    assert "gain certified for k=1 and loss certified for k=2" in told
    assert "worth 2.5" in told


def test_claims_follow_their_rules() -> None:
    found = claims(study([compared()], alike_told()))
    assert {claim: words["compose-4"] for claim, words in found.items()} == {
        "rl-algorithms-alike": "supported", "efficiency-gap-stays-large": "supported",
        "base-covers-more": "supported", "rl-amplifies-sampling": "undecided",
        "composition-created-by-rl": "refuted",
    }  # fmt: skip


def test_claims_can_be_refuted() -> None:
    better = compared(
        difference_low=[0.1, 0.05], difference_high=[0.3, 0.3], gain_certified=[[1, 2]],
        loss_certified=[], gap={"left": 0.2, "left_low": 0.1, "left_high": 0.4},
    )  # fmt: skip
    found = claims(study([better], alike_told(are_alike=False, are_apart=True)))
    words = {claim: told["compose-4"] for claim, told in found.items()}
    assert words["rl-algorithms-alike"] == "refuted"
    assert words["efficiency-gap-stays-large"] == "refuted"
    assert words["base-covers-more"] == "refuted"
    assert words["composition-created-by-rl"] == "supported"
