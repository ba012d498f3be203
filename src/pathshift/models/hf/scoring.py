"""Log-probabilities of given continuations of one prompt, the prompt read once for all of them.

Rows are filled up on the right: what stands behind a row's end is after all its tokens, and causal
attention never looks there. Long continuations go through in pieces of bounded size, so memory
grows with the keys and values and not with the logits.

Shapes: B rows, T positions, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pathshift.decoding.policy import Policy
from pathshift.decoding.warp import warped
from pathshift.models.hf.cache import buffer_cache, spread

MOST_LOGITS = 2**25
"""Logits held at once: 128 MB in fp32."""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Of one continuation: fp32 values as Python floats, one a token."""

    logprobs: list[float]
    policy_logprobs: list[float]
    entropies: list[float]


@torch.inference_mode()
def score_rows(
    model: Any, prompt_ids: Sequence[int], rows: Sequence[Sequence[int]], policy: Policy
) -> list[TokenScores]:
    """Scores of each row of token ids (none empty) after the prompt (not empty).

    The same rows beside each other give the same bits; beside others the last one may differ.
    """
    height = len(rows)
    length = max(len(row) for row in rows)
    ids_BT = torch.zeros((height, length), dtype=torch.long, device=model.device)
    for i, row in enumerate(rows):
        ids_BT[i, : len(row)] = torch.tensor(row, device=model.device)
    cache = buffer_cache(model.config.num_hidden_layers, len(prompt_ids) + length)
    prompt = torch.tensor([list(prompt_ids)], device=model.device)
    last_BV = model(prompt, past_key_values=cache, logits_to_keep=1).logits[:, -1]
    spread(cache, height)
    found = _Found()
    found.add(last_BV.expand(height, -1)[:, None], ids_BT[:, :1], policy)
    step = max(1, MOST_LOGITS // (height * last_BV.shape[-1]))
    for start in range(0, length - 1, step):
        end = min(start + step, length - 1)
        logits_BTV = model(ids_BT[:, start:end], past_key_values=cache).logits
        found.add(logits_BTV, ids_BT[:, start + 1 : end + 1], policy)
    return found.cut(rows)


class _Found:
    """Scores gathered piece by piece along the positions."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, logits_BTV: Tensor, chosen_BT: Tensor, policy: Policy) -> None:
        """Scores of the chosen tokens under the logits that stand before them."""
        logits_BTV = logits_BTV.float()
        logprobs_BTV = logits_BTV.log_softmax(-1)
        chosen_BT1 = chosen_BT[..., None]
        self._pieces.append(
            (
                logprobs_BTV.gather(-1, chosen_BT1).squeeze(-1),
                _under(logits_BTV, logprobs_BTV, chosen_BT1, policy),
                entropy(logprobs_BTV),
            )
        )

    def cut(self, rows: Sequence[Sequence[int]]) -> list[TokenScores]:
        """Each row's own positions."""
        joined = [torch.cat(parts, dim=1).cpu() for parts in zip(*self._pieces, strict=True)]
        return [
            TokenScores(*(values_BT[i, : len(row)].tolist() for values_BT in joined))
            for i, row in enumerate(rows)
        ]


def entropy(logprobs_BTV: Tensor) -> Tensor:
    """Of each distribution, in nats; a token without mass adds nothing."""
    return -(logprobs_BTV.exp() * logprobs_BTV.clamp_min(-1e4)).sum(-1)


def _under(logits_BTV: Tensor, logprobs_BTV: Tensor, chosen_BT1: Tensor, policy: Policy) -> Tensor:
    """ln p of the chosen tokens under the policy; -inf where it excludes one."""
    if (policy.temperature, policy.top_k, policy.top_p, policy.min_p) == (1.0, 0, 1.0, 0.0):
        return logprobs_BTV.gather(-1, chosen_BT1).squeeze(-1)
    if policy.temperature > 0 and (policy.top_k, policy.top_p, policy.min_p) == (0, 1.0, 0.0):
        cooled_BTV = (logits_BTV / policy.temperature).log_softmax(-1)
        return cooled_BTV.gather(-1, chosen_BT1).squeeze(-1)
    rows, positions, tokens = logits_BTV.shape
    probs_NV = warped(logits_BTV.reshape(rows * positions, tokens), policy)
    chosen_N1 = chosen_BT1.reshape(rows * positions, 1)
    return probs_NV.gather(-1, chosen_N1).log().reshape(rows, positions)
