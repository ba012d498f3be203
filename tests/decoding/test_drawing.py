"""The quick draw against the slow one, the warpers and enumeration."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from pathshift.decoding import drawing
from pathshift.decoding.drawing import draw_tokens
from pathshift.decoding.policy import Policy
from pathshift.decoding.warp import draw, warped

POLICIES: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 0.6},
    {"temperature": 1.7, "top_k": 20},
    {"top_p": 0.95},
    {"temperature": 3.0, "top_p": 0.99},
    {"min_p": 0.05},
    {"temperature": 1.3, "top_k": 50, "top_p": 0.8, "min_p": 0.1},
]


def logits(rows: int, tokens: int, dtype: torch.dtype) -> torch.Tensor:
    return (torch.randn(rows, tokens, generator=torch.Generator().manual_seed(3)) * 3).to(dtype)


def numbers(rows: int) -> torch.Tensor:
    return torch.rand(rows, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("tokens", [6, 256, 257, 5000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])  # bf16: full of ties
def test_draws_and_scores_are_those_of_the_plain_way(
    policy: dict[str, Any], tokens: int, dtype: torch.dtype
) -> None:
    given, uniform = logits(40, tokens, dtype), numbers(40)
    found = draw_tokens(given, uniform, Policy(**policy), with_entropies=True)
    probs = warped(given, Policy(**policy))
    assert torch.equal(found.tokens, draw(probs, uniform))
    chosen = found.tokens[:, None]
    logprobs = given.double().log_softmax(-1)
    close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-5)
    close(found.logprobs, logprobs.gather(-1, chosen)[:, 0])
    under = probs.double().gather(-1, chosen)[:, 0].log()
    close(found.sampling_logprobs, under)
    close(found.entropies, -(logprobs.exp() * logprobs).sum(-1))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_is_the_same_to_the_last_bit_beside_any_others(
    policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_PIECE_TOKENS", 1)
    given, uniform = logits(40, 3000, torch.float32), numbers(40)
    together = draw_tokens(given, uniform, Policy(**policy), with_entropies=True)
    for start, end in ((0, 1), (3, 20), (39, 40)):
        some = draw_tokens(
            given[start:end], uniform[start:end], Policy(**policy), with_entropies=True
        )
        for ours, theirs in zip(some, together, strict=True):
            assert torch.equal(ours, theirs[start:end])


@pytest.mark.parametrize("policy", POLICIES)
def test_one_row_of_logits_serves_many_draws(policy: dict[str, Any]) -> None:
    given, uniform = logits(1, 3000, torch.float32), numbers(40)
    one = draw_tokens(given, uniform, Policy(**policy), with_entropies=True)
    many = draw_tokens(given.expand(40, -1), uniform, Policy(**policy), with_entropies=True)
    for ours, theirs in zip(one, many, strict=True):
        assert torch.equal(ours, theirs)


def test_frequencies_are_the_probabilities() -> None:
    given = logits(1, 700, torch.float32) * 0.3
    uniform = torch.from_numpy((np.arange(200_000) + 0.5) / 200_000)
    counts = torch.bincount(draw_tokens(given, uniform, Policy()).tokens, minlength=700)
    torch.testing.assert_close(
        counts.double() / 200_000, given[0].double().softmax(-1), atol=1e-5, rtol=0
    )


def test_the_ends_of_the_unit_interval_fall_on_tokens_with_mass() -> None:
    given = torch.full((3, 1000), -torch.inf)
    given[:, 500] = 3.0
    ends = torch.tensor([1e-16, 0.5, 1.0], dtype=torch.float64)
    found = draw_tokens(given, ends, Policy(), with_entropies=True)
    assert found.tokens.tolist() == [500, 500, 500]
    assert found.logprobs.tolist() == [0, 0, 0]
    assert found.entropies.tolist() == [0, 0, 0]


def test_a_wide_nucleus_is_found_beyond_the_first_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, uniform = logits(20, 3000, torch.bfloat16), numbers(20)
    expected = draw(warped(given, Policy(top_p=0.97)), uniform)
    for candidates in (2, 3000):
        monkeypatch.setattr(drawing, "CANDIDATES", candidates)
        assert torch.equal(draw_tokens(given, uniform, Policy(top_p=0.97)).tokens, expected)
