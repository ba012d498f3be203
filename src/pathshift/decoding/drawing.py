"""Tokens drawn from logits without sorting or normalising the vocabulary.

One uniform number a row is inverted in two steps: the running sum over blocks of tokens finds the
block, the running sum inside it the token. What else is asked of the row (its log-probability, its
entropy) falls out of the same sums. A few rows are worked on at a time, so that what lies between
stays in the processor's cache. A row's result depends on no other row, to the last bit.

Shapes: B rows, R rows of one piece, V tokens, W tokens filled up to whole blocks, N blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pathshift.decoding.policy import Policy

BLOCK = 256
CANDIDATES = 1024
"""Likeliest tokens in which the cut of top-p is looked for before the vocabulary is sorted."""
_PIECE_TOKENS = 2**20
_PIECE_ROWS = 16
_LEAST = -1e4  # stands for a logit of -inf where it is multiplied with its weight of 0


class Drawn(NamedTuple):
    """What was drawn in each row, shape (B,); fp64 but for the tokens.

    Attributes:
        tokens: Token ids.
        logprobs: ln p at temperature 1, untruncated.
        sampling_logprobs: ln p under the policy.
        entropies: In nats, at temperature 1, untruncated; NaN where not asked for.
    """

    tokens: Tensor
    logprobs: Tensor
    sampling_logprobs: Tensor
    entropies: Tensor


class _Weighed(NamedTuple):
    """Distributions of a piece: `weights` are those of the policy, up to a factor."""

    shifted_RW: Tensor
    weights_RW: Tensor
    blocks_RN: Tensor
    log_norm_R: Tensor
    entropy_R: Tensor


def draw_tokens(
    logits_BV: Tensor, uniform_B: Tensor, policy: Policy, *, with_entropies: bool = False
) -> Drawn:
    """One token a row under the policy, by inversion in the order of token ids.

    The distribution is that of `warp.warped`.

    Args:
        logits_BV: One row a uniform, or a single row that all of them draw from.
        uniform_B: In (0, 1), fp64.
    """
    if len(logits_BV) == 1:
        return _inverted(_weighed(logits_BV, policy, with_entropies), uniform_B, policy)
    piece = max(_PIECE_ROWS, _PIECE_TOKENS // logits_BV.shape[-1])
    pieces = [
        _inverted(
            _weighed(logits_BV[i : i + piece], policy, with_entropies),
            uniform_B[i : i + piece],
            policy,
        )
        for i in range(0, len(logits_BV), piece)
    ]
    return Drawn(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))


def _weighed(logits_RV: Tensor, policy: Policy, with_entropies: bool) -> _Weighed:  # noqa: FBT001
    rows, tokens = logits_RV.shape
    width = -(-tokens // BLOCK) * BLOCK
    shifted_RW = logits_RV.new_full((rows, width), -torch.inf, dtype=torch.float32)
    shifted_RW[:, :tokens] = logits_RV
    shifted_RW -= shifted_RW.amax(-1, keepdim=True)
    plain_RW = shifted_RW.exp()
    norm_R = _sums(plain_RW).sum(-1)
    entropy_R = torch.full_like(norm_R, torch.nan)
    if with_entropies:
        energy_RW = plain_RW * shifted_RW.clamp_min(_LEAST)
        entropy_R = norm_R.log() - _sums(energy_RW).sum(-1) / norm_R
    weights_RW = _under(shifted_RW, plain_RW, policy)
    return _Weighed(shifted_RW, weights_RW, _sums(weights_RW), norm_R.log(), entropy_R)


def _sums(values_RW: Tensor) -> Tensor:
    """Sums over blocks, fp64; a block is summed in fp32 (at most 256 terms of one sign)."""
    return values_RW.view(len(values_RW), -1, BLOCK).sum(-1).double()


def _under(shifted_RW: Tensor, plain_RW: Tensor, policy: Policy) -> Tensor:
    """Weights under the policy."""
    if policy.temperature == 0:
        likeliest_R1 = shifted_RW.argmax(-1, keepdim=True)
        return torch.zeros_like(shifted_RW).scatter_(-1, likeliest_R1, 1.0)
    weights_RW = plain_RW if policy.temperature == 1 else (shifted_RW / policy.temperature).exp_()
    if 0 < policy.top_k < shifted_RW.shape[-1]:
        least_R1 = shifted_RW.topk(policy.top_k).values[:, -1:]
        weights_RW = weights_RW.masked_fill(shifted_RW < least_R1, 0.0)
    if policy.top_p < 1:
        weights_RW = _nucleus(weights_RW, policy.top_p)
    if policy.min_p > 0:  # the largest weight is 1
        weights_RW = weights_RW.masked_fill(weights_RW < policy.min_p, 0.0)
    return weights_RW


def _nucleus(weights_RW: Tensor, top_p: float) -> Tensor:
    """Without all but the likeliest tokens that hold at least top_p; of equal ones the first."""
    wanted_R1 = top_p * _sums(weights_RW).sum(-1, keepdim=True)
    top_RK = weights_RW.topk(min(CANDIDATES, weights_RW.shape[-1])).values
    running_RK = top_RK.double().cumsum(-1)
    if bool((running_RK[:, -1:] < wanted_R1).any()):
        top_RK = weights_RW.sort(descending=True).values
        running_RK = top_RK.double().cumsum(-1)
    is_kept_RK = running_RK - top_RK < wanted_R1
    least_R1 = top_RK.gather(-1, is_kept_RK.sum(-1, keepdim=True) - 1)
    n_tied_R1 = (is_kept_RK & (top_RK == least_R1)).sum(-1, keepdim=True)
    is_tied_RW = weights_RW == least_R1
    dropped_RW = weights_RW < least_R1
    if bool((is_tied_RW.sum(-1, keepdim=True) > n_tied_R1).any()):
        dropped_RW |= is_tied_RW & (is_tied_RW.cumsum(-1) > n_tied_R1)
    return weights_RW.masked_fill(dropped_RW, 0.0)


def _inverted(weighed: _Weighed, uniform_B: Tensor, policy: Policy) -> Drawn:
    """The draw; of a piece with one row all uniforms draw from that row."""
    lone = len(weighed.blocks_RN) == 1
    row_B = torch.arange(len(uniform_B), device=uniform_B.device) * (not lone)
    running_BN = weighed.blocks_RN.cumsum(-1)[row_B]
    total_B1 = running_BN[:, -1:]
    target_B1 = uniform_B[:, None] * total_B1
    block_B1 = _place(running_BN, target_B1)
    inner_BK = weighed.weights_RW.view(len(weighed.blocks_RN), -1, BLOCK)[row_B, block_B1[:, 0]]
    before_B1 = running_BN.gather(-1, (block_B1 - 1).clamp_min(0)) * (block_B1 > 0)
    inside_B1 = _place(inner_BK.double().cumsum(-1), target_B1 - before_B1)
    token_B = (block_B1 * BLOCK + inside_B1)[:, 0]
    shifted_B = weighed.shifted_RW[row_B, token_B].double()
    if policy.temperature == 0:
        under_B = torch.zeros_like(shifted_B)
    else:
        under_B = shifted_B / policy.temperature - total_B1[:, 0].log()
    return Drawn(token_B, shifted_B - weighed.log_norm_R[row_B], under_B, weighed.entropy_R[row_B])


def _place(running_BN: Tensor, target_B1: Tensor) -> Tensor:
    """First place whose running sum exceeds the target; the last one with mass if none does."""
    found_B1 = torch.searchsorted(running_BN, target_B1, right=True)
    last_B1 = torch.searchsorted(running_BN, running_BN[:, -1:].contiguous())
    return torch.minimum(found_B1, last_B1).clamp_max_(running_BN.shape[-1] - 1)
