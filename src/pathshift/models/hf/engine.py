"""n samples of one prompt: the prompt is read once, its keys and values are shared by all rows.

A sample's tokens depend on its seed alone, not on the rows beside it. Two things make that hold to
the last bit on one machine: every pass of a run has the same number of rows, because a product
of matrices of another height may take another path and round otherwise (measured: 64 rows
against 48 in a product of inner length 1,536), and all rows of a pass have the same length.

Shapes: B rows in the pass, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import uniforms
from pathshift.decoding.warp import draw, warped
from pathshift.models.hf.cache import buffer_cache, spread
from pathshift.models.hf.scoring import entropy


@dataclass(slots=True)
class Row:
    """One sample being drawn."""

    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampling_logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    logprob: float = 0.0
    sampling_logprob: float = 0.0
    finish_reason: str = ""

    def take(self, token: int, logprob: float, sampling_logprob: float) -> None:
        """Append a drawn token with its two log-probabilities."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.sampling_logprobs.append(sampling_logprob)
        self.logprob += logprob
        self.sampling_logprob += sampling_logprob


Finished = Callable[[Sequence[int]], bool]
"""Whether a row's tokens end it: an end token, or a stop text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How rows are drawn: what is common to all passes."""

    policy: Policy
    ends: Finished
    with_entropies: bool = False


@torch.inference_mode()
def sample_rows(
    model: Any, prompt_ids: Sequence[int], seeds: Sequence[int], drawing: Drawing, *, n_rows: int
) -> list[Row]:
    """Draw one continuation a seed, `n_rows` in every pass; a last short pass is filled up."""
    rows = [Row(seed) for seed in seeds]
    for start in range(0, len(rows), n_rows):
        block = rows[start : start + n_rows]
        fill = [Row(block[0].seed) for _ in range(n_rows - len(block))]
        _Block(block + fill, drawing).sample(model, prompt_ids)
    return rows


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that are drawn in the same passes."""

    rows: list[Row]
    drawing: Drawing

    def sample(self, model: Any, prompt_ids: Sequence[int]) -> None:
        """Draw every row to its end."""
        most = self.drawing.policy.max_tokens
        cache = buffer_cache(model.config.num_hidden_layers, len(prompt_ids) + most)
        ids = torch.tensor([prompt_ids], device=model.device)
        logits_BV = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
        spread(cache, len(self.rows))
        logits_BV = logits_BV.expand(len(self.rows), -1)
        for position in range(most):
            tokens_B = self._take(logits_BV, position)
            if all(row.finish_reason for row in self.rows) or position + 1 == most:
                break
            logits_BV = model(tokens_B[:, None], past_key_values=cache).logits[:, -1]
        for row in self.rows:
            row.finish_reason = row.finish_reason or "length"

    def _take(self, logits_BV: Tensor, position: int) -> Tensor:
        """Draw a token for every row; rows that have ended are computed on and not entered."""
        probs_BV = warped(logits_BV, self.drawing.policy)
        uniform_B = torch.from_numpy(uniforms([row.seed for row in self.rows], 0, position))
        tokens_B = draw(probs_BV, uniform_B.to(probs_BV.device))
        chosen_B1 = tokens_B[:, None]
        logprobs_BV = logits_BV.float().log_softmax(-1)
        logprob_B = logprobs_BV.gather(-1, chosen_B1).squeeze(-1)
        sampling_B = probs_BV.gather(-1, chosen_B1).squeeze(-1).log()
        if self.drawing.with_entropies:
            for row, nats in zip(self.rows, entropy(logprobs_BV).tolist(), strict=True):
                if not row.finish_reason:
                    row.entropies.append(nats)
        drawn = zip(
            self.rows, tokens_B.tolist(), logprob_B.tolist(), sampling_B.tolist(), strict=True
        )
        for row, token, logprob, sampling_logprob in drawn:
            if not row.finish_reason:
                row.take(token, logprob, sampling_logprob)
                row.finish_reason = "stop" if self.drawing.ends(row.tokens) else ""
        return tokens_B
