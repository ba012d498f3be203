"""Warpers against transformers' own; the draw against the distribution it inverts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pathshift.decoding.policy import Policy
from pathshift.decoding.warp import draw, warped


def logits(rows: int = 4, tokens: int = 500, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, tokens, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.6},
        {"temperature": 1.7, "top_k": 20},
        {"top_p": 0.95},
        {"temperature": 0.6, "top_p": 0.9},
        {"min_p": 0.05},
        {"temperature": 1.3, "top_k": 50, "top_p": 0.8, "min_p": 0.1},
    ],
)
def test_equals_the_warpers_of_transformers(settings: dict[str, Any]) -> None:
    policy = Policy(**settings)
    theirs = LogitsProcessorList([TemperatureLogitsWarper(float(policy.temperature))])
    if policy.top_k:
        theirs.append(TopKLogitsWarper(policy.top_k))
    if policy.top_p < 1:
        theirs.append(TopPLogitsWarper(policy.top_p))
    if policy.min_p:
        theirs.append(MinPLogitsWarper(policy.min_p))
    expected = theirs(torch.zeros(4, 1, dtype=torch.long), logits()).softmax(-1)
    torch.testing.assert_close(warped(logits(), policy), expected, atol=1e-6, rtol=1e-5)


def test_temperature_zero_takes_the_likeliest_token() -> None:
    probs = warped(logits(), Policy(temperature=0))
    assert torch.equal(probs.argmax(-1), logits().argmax(-1))
    assert torch.equal(probs.sum(-1), torch.ones(4))


def test_top_p_keeps_at_least_one_token() -> None:
    assert (warped(logits(), Policy(top_p=1e-9)) > 0).sum(-1).tolist() == [1, 1, 1, 1]


def test_draw_inverts_the_distribution_function() -> None:
    probs = torch.tensor([[0.1, 0.0, 0.6, 0.3]]).expand(6, -1)
    uniform = torch.tensor([1e-9, 0.0999, 0.1001, 0.6999, 0.7001, 1 - 1e-16], dtype=torch.float64)
    assert draw(probs, uniform).tolist() == [0, 0, 2, 2, 3, 3]


def test_draw_never_takes_a_token_without_mass() -> None:
    probs = torch.zeros(3, 1000)
    probs[:, 500] = 1e-30
    ends = torch.tensor([1e-16, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert draw(probs, ends).tolist() == [500, 500, 500]


def test_frequencies_of_draws_are_the_probabilities() -> None:
    probs = warped(logits(1, 6), Policy(temperature=2.0))
    uniform = torch.from_numpy((np.arange(20_000) + 0.5) / 20_000)
    counts = torch.bincount(draw(probs.expand(20_000, -1), uniform), minlength=6) / 20_000
    torch.testing.assert_close(counts, probs[0], atol=1e-4, rtol=0)
