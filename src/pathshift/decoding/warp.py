"""From logits to the distribution a policy draws from, and the draw itself.

Shapes: B rows, V tokens. Torch only; imported by model backends, never by the reading wing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pathshift.decoding.policy import Policy


def warped(logits_BV: Tensor, policy: Policy) -> Tensor:
    """Probabilities under the policy, shape (B, V), fp32; each row sums to 1.

    Order and meaning follow transformers' warpers (tested against them): temperature, top-k,
    top-p, min-p. Ties at a cut are kept by top-k and min-p.
    """
    logits_BV = logits_BV.float()
    if policy.temperature == 0:
        return torch.nn.functional.one_hot(logits_BV.argmax(-1), logits_BV.shape[-1]).float()
    logits_BV = logits_BV / policy.temperature
    if 0 < policy.top_k < logits_BV.shape[-1]:
        least_B1 = logits_BV.topk(policy.top_k).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < least_B1, -torch.inf)
    if policy.top_p < 1:
        logits_BV = _nucleus(logits_BV, policy.top_p)
    probs_BV = logits_BV.softmax(-1)
    if policy.min_p > 0:
        least_B1 = policy.min_p * probs_BV.amax(-1, keepdim=True)
        probs_BV = probs_BV.masked_fill(probs_BV < least_B1, 0.0)
        probs_BV = probs_BV / probs_BV.sum(-1, keepdim=True)
    return probs_BV


def _nucleus(logits_BV: Tensor, top_p: float) -> Tensor:
    """Mask all but the likeliest tokens that together hold at least top_p."""
    ordered_BV, order_BV = logits_BV.sort(descending=True, stable=True)
    probs_BV = ordered_BV.softmax(-1)
    before_BV = probs_BV.cumsum(-1) - probs_BV
    dropped_BV = torch.zeros_like(before_BV, dtype=torch.bool)
    dropped_BV.scatter_(-1, order_BV, before_BV >= top_p)
    return logits_BV.masked_fill(dropped_BV, -torch.inf)


def draw(probs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """Token by inversion of the distribution function, in the order of token ids, shape (B,).

    Sums in fp64: in fp32 the running sum over 49,152 tokens loses tokens below 1e-7. The last
    token with mass is taken if rounding leaves the sum below the uniform.
    """
    running_BV = probs_BV.double().cumsum(-1)
    target_B1 = uniform_B.double()[:, None] * running_BV[:, -1:]
    tokens_B = torch.searchsorted(running_BV, target_B1, right=True).squeeze(-1)
    last_B = probs_BV.shape[-1] - 1 - (probs_BV.flip(-1) > 0).int().argmax(-1)
    return torch.minimum(tokens_B, last_B)
