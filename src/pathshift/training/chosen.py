"""ln p of chosen tokens and the entropy beside it, with a gradient that keeps one tensor.

Left to autograd, log-softmax and entropy keep three tensors of the vocabulary's size.

Shapes: N rows of logits, V tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LEAST = -1e4  # stands for a log-probability of -inf where it is multiplied with its weight of 0


def chosen_logprob(
    logits_NV: Tensor, target_N: Tensor, *, with_entropy: bool
) -> tuple[Tensor, Tensor]:
    """ln p of each row's target and the row's entropy in nats (NaN unless asked for), shape (N,).

    With p = softmax(z) and H = -sum p ln p:  d ln p_y / dz_j = [j = y] - p_j,
    dH / dz_j = -p_j (ln p_j + H).
    """
    both = _ChosenLogprob.apply(logits_NV, target_N, with_entropy)  # type: ignore[no-untyped-call]
    logp_N, entropy_N = both
    return logp_N, entropy_N


class _ChosenLogprob(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits_NV: Tensor,
        target_N: Tensor,
        with_entropy: bool,  # noqa: FBT001
    ) -> tuple[Tensor, Tensor]:
        logp_NV = logits_NV.log_softmax(-1)
        if with_entropy:
            entropy_N = -(logp_NV.exp() * logp_NV.clamp_min(_LEAST)).sum(-1)
        else:
            entropy_N = torch.full_like(logp_NV[:, 0], torch.nan)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(logp_NV, target_N, entropy_N)
        return logp_NV.gather(-1, target_N[:, None]).squeeze(-1), entropy_N

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_logp_N: Tensor | None, by_entropy_N: Tensor | None
    ) -> tuple[Tensor | None, None, None]:
        logp_NV, target_N, entropy_N = ctx.saved_tensors
        if by_logp_N is None and by_entropy_N is None:
            return None, None, None
        grad_NV = torch.zeros_like(logp_NV)
        probs_NV = logp_NV.exp()
        if by_logp_N is not None:
            grad_NV = probs_NV * -by_logp_N[:, None]
            grad_NV.scatter_add_(-1, target_N[:, None], by_logp_N[:, None])
        if by_entropy_N is not None:
            above_NV = logp_NV.clamp_min(_LEAST) + entropy_N[:, None]
            grad_NV = grad_NV - probs_NV * above_NV * by_entropy_N[:, None]
        return grad_NV, None, None
