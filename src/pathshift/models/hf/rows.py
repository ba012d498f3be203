"""Samples being drawn, and how: what the two ways of passing through a network share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pathshift.decoding.drawing import draw_tokens
from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import uniforms


@dataclass(slots=True)
class Row:
    """One sample being drawn."""

    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampling_logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    finish_reason: str = ""

    @property
    def logprob(self) -> float:
        """Sum over the tokens, natural log, temperature 1."""
        return sum(self.logprobs)

    @property
    def sampling_logprob(self) -> float:
        """The same under the policy."""
        return sum(self.sampling_logprobs)


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt (at least one token) and the seeds of the samples wanted from it."""

    prompt_ids: Sequence[int]
    seeds: Sequence[int]


Finished = Callable[[Sequence[int]], bool]
"""Whether a row's tokens end it: an end token, or a stop text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How rows are drawn: what is common to all passes."""

    policy: Policy
    ends: Finished
    with_entropies: bool = False

    def take(self, rows: Sequence[Row], logits_BV: Tensor) -> list[int]:
        """Draw every row's next token and return the tokens; a row that has ended enters nothing.

        Args:
            logits_BV: One row of logits a row, or a single one for all.
        """
        positions = [len(row.tokens) for row in rows]
        uniform_B = torch.from_numpy(uniforms([row.seed for row in rows], 0, positions))
        drawn = draw_tokens(
            logits_BV, uniform_B.to(logits_BV.device), self.policy,
            with_entropies=self.with_entropies,
        )  # fmt: skip
        tokens, *values = (column.tolist() for column in drawn)
        for row, token, logprob, sampling, nats in zip(rows, tokens, *values, strict=True):
            if row.finish_reason:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            row.sampling_logprobs.append(sampling)
            if self.with_entropies:
                row.entropies.append(nats)
            if self.ends(row.tokens):
                row.finish_reason = "stop"
            elif len(row.tokens) == self.policy.max_tokens:
                row.finish_reason = "length"
        return tokens
