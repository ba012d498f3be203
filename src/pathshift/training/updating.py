"""One step's batch to weights: credit, then epochs of updates, each in pieces that fit into memory.

Shapes: G groups, N samples of each, B = G * N rows in that order, T tokens, D width, P predicted
tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pathshift.decoding.uniforms import seed_of
from pathshift.training.demonstrations import Demonstrations, imitate
from pathshift.training.gathering import Gathered
from pathshift.training.lora import adapter_off
from pathshift.training.losses import Diagnostics, together
from pathshift.training.objective import Algorithm, Credit, Part, PolicyLoss, Scored
from pathshift.training.optimizer import OptimizerSettings, check_finite, update
from pathshift.training.rollouts import SEEDS
from pathshift.training.sequences import (
    Batch,
    last_hidden,
    micro_batches,
    pad_batch,
    token_logprobs,
)


class ValueHead(nn.Module):
    """What a text is worth so far, from the network's last hidden state at its last token.

    It reads the states and sends no gradient into them: the policy's loss alone moves the network.
    It begins at 0 everywhere.

    Args:
        width: Of the hidden states.
        seed: Of the first weights.
    """

    def __init__(self, width: int, *, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.inner = nn.Linear(width, width)
            self.outer = nn.Linear(width, 1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, hidden_PD: Tensor) -> Tensor:
        """Values, shape (P,)."""
        values_P: Tensor = self.outer(torch.tanh(self.inner(hidden_PD.float()))).squeeze(-1)
        return values_P


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What is trained, and what stands beside it.

    Attributes:
        network: The one that samples are drawn from.
        wrapped: peft's wrapper of it, where it is trained by LoRA.
        reference: A copy of it as it was; None where it is not asked for, or where it is the
            network without its adapter.
        value_head: For algorithms that need one.
    """

    network: Any
    optimizer: torch.optim.Optimizer
    settings: OptimizerSettings
    wrapped: Any | None = None
    reference: Any | None = None
    value_head: ValueHead | None = None
    value_optimizer: torch.optim.Optimizer | None = None
    value_settings: OptimizerSettings | None = None


def frozen_copy(network: Any) -> Any:
    """The network as it is now, never to be trained."""
    kept = copy.deepcopy(network)
    for weight in kept.parameters():
        weight.requires_grad_(False)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """How a batch is passed through.

    Attributes:
        n_updates: Optimizer steps an epoch of the batch; rows are dealt to them at random.
        micro_tokens: Tokens that go through the network at once, filling included.
        temperature: Of the policy that drew.
        most_tokens: The longest completion allowed.
        seed: Of the order in which rows are dealt.
        measure_kl: Compare with the reference also where no penalty asks for it.
        demonstrations: Solutions to imitate in every update; None for none.
    """

    n_updates: int = 1
    micro_tokens: int = 8192
    temperature: float = 1.0
    most_tokens: int = 256
    seed: int = 0
    measure_kl: bool = False
    demonstrations: Demonstrations | None = None


class Updated(NamedTuple):
    """What the updates of a step tell.

    Attributes:
        loss: Of the last update.
        diagnostics: Over all updates.
        norm: Largest norm of a gradient before clipping.
        value_loss: Of the last update; None without a value head.
        n_updates: Optimizer steps taken.
        first: Diagnostics of the first update, before any weight had moved.
    """

    loss: float
    diagnostics: Diagnostics
    norm: float
    value_loss: float | None
    n_updates: int
    first: Diagnostics


def learn(
    learner: Learner,
    algorithm: Algorithm,
    gathered: Gathered,
    settings: UpdateSettings,
    *,
    step: int,
    n_steps: int,
) -> Updated | None:
    """Credit and updates of one step; None where the batch holds nothing to learn from.

    Args:
        step: From 1.

    Raises:
        NonFinite: a loss or gradient is not finite; names the step and the problems.
    """
    work = _prepared(learner, algorithm, gathered, settings)
    if work is None:
        return None
    done: list[_Done] = []
    for epoch in range(algorithm.epochs):
        order = np.random.default_rng(seed_of("train", SEEDS, settings.seed, "rows", step, epoch))
        for rows in _dealt(order, work.counted_rows(), settings.n_updates):
            done.append(_one_update(learner, algorithm, work, rows, settings, (step, n_steps)))
    last = done[-1]
    return Updated(
        loss=last.loss,
        diagnostics=together([one.diagnostics for one in done]),
        norm=max(one.norm for one in done),
        value_loss=last.value_loss,
        n_updates=len(done),
        first=done[0].diagnostics,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A step's batch with all that does not change while it is learned from."""

    batch: Batch
    credit: Credit
    problem_ids: list[str]
    reference_logp_BT: Tensor | None
    hidden_BTD: Tensor | None
    value_BT: Tensor | None

    def counted_rows(self) -> list[int]:
        """Rows with a token that counts."""
        return [int(row) for row in self.credit.mask_BT.any(-1).nonzero().flatten()]


class _Done(NamedTuple):
    loss: float
    diagnostics: Diagnostics
    norm: float
    value_loss: float | None


def _prepared(
    learner: Learner, algorithm: Algorithm, gathered: Gathered, settings: UpdateSettings
) -> _Work | None:
    if not gathered.groups:
        return None
    device = learner.network.device
    batch = pad_batch(gathered.sequences(), device=device)
    assert batch.old_logp_BT is not None
    reference_logp_BT = _reference_logp(learner, algorithm, batch, settings)
    hidden_BTD, value_BT = _values(learner, batch, settings)
    kl_BT = None if reference_logp_BT is None else batch.old_logp_BT - reference_logp_BT
    credit = algorithm.credit(
        Scored(
            rewards_GN=gathered.rewards_GN.to(device),
            is_judged_GN=gathered.is_judged_GN.to(device),
            mask_BT=batch.mask_BT,
            greedy_G=None if gathered.greedy_G is None else gathered.greedy_G.to(device),
            kl_BT=kl_BT,
            value_BT=value_BT,
        )
    )
    if not bool(credit.mask_BT.any()):
        return None
    return _Work(
        batch=batch, credit=credit, problem_ids=gathered.problem_ids,
        reference_logp_BT=reference_logp_BT, hidden_BTD=hidden_BTD, value_BT=value_BT,
    )  # fmt: skip


@torch.no_grad()
def _reference_logp(
    learner: Learner, algorithm: Algorithm, batch: Batch, settings: UpdateSettings
) -> Tensor | None:
    """ln p under the reference; with an adapter that is the network without it."""
    if not (algorithm.needs_reference or settings.measure_kl):
        return None
    network = learner.network if learner.reference is None else learner.reference
    use_base = learner.reference is None and learner.wrapped is not None
    with adapter_off(learner.wrapped) if use_base else nullcontext():
        return _assembled(
            batch,
            settings,
            lambda piece: token_logprobs(network, piece, temperature=settings.temperature).logp_BT,
        )


@torch.no_grad()
def _values(
    learner: Learner, batch: Batch, settings: UpdateSettings
) -> tuple[Tensor | None, Tensor | None]:
    """Hidden states before each token, and the values of them; 0 outside the mask."""
    if learner.value_head is None:
        return None, None
    hidden_BTD = _assembled(
        batch, settings, lambda piece: last_hidden(learner.network, piece).roll(1, dims=1)
    )
    value_BT = torch.zeros(batch.mask_BT.shape, device=hidden_BTD.device)
    value_BT[batch.mask_BT] = learner.value_head(hidden_BTD[batch.mask_BT])
    return hidden_BTD, value_BT


def _assembled(
    batch: Batch, settings: UpdateSettings, values_of: Callable[[Batch], Tensor]
) -> Tensor:
    """What pieces of a batch give, put together to the whole batch's shape."""
    whole: Tensor | None = None
    for piece in micro_batches(batch, settings.micro_tokens):
        values = values_of(piece)
        if whole is None:
            whole = values.new_zeros((*batch.ids_BT.shape, *values.shape[2:]))
        whole[piece.rows_B, : values.shape[1]] = values
    assert whole is not None
    return whole


def _dealt(order: np.random.Generator, rows: Sequence[int], n_updates: int) -> Iterator[list[int]]:
    """Rows by update; the same number in each, but for one."""
    if n_updates == 1:
        yield list(rows)
        return
    mixed = order.permutation(len(rows))
    for part in np.array_split(mixed, min(n_updates, len(rows))):
        yield sorted(rows[int(place)] for place in part)


def _one_update(
    learner: Learner,
    algorithm: Algorithm,
    work: _Work,
    rows: Sequence[int],
    settings: UpdateSettings,
    at: tuple[int, int],
) -> _Done:
    """One optimizer step on some rows of the batch, piece by piece."""
    step, n_steps = at
    chosen_B1 = torch.zeros_like(work.credit.mask_BT[:, :1])
    chosen_B1[list(rows)] = True
    mask_BT = work.credit.mask_BT & chosen_B1
    weight_BT = algorithm.weights(mask_BT, settings.most_tokens)
    value_loss = _value_update(learner, algorithm, work, (mask_BT, weight_BT), at)
    loss, told = 0.0, []
    for piece, is_learned in _pieces(algorithm, work, rows, settings.micro_tokens):
        with torch.set_grad_enabled(is_learned):
            policy = _policy_loss(learner, algorithm, work, piece, (mask_BT, weight_BT), settings)
        check_finite(policy.loss, step, work.problem_ids)
        if is_learned:
            policy.loss.backward()  # type: ignore[no-untyped-call]
        loss += float(policy.loss.detach())
        told.append(policy.diagnostics)
    if (shown := settings.demonstrations) is not None:
        imitate(
            learner.network, shown.of_step(step),
            weight=shown.weight, micro_tokens=settings.micro_tokens, step=step,
        )  # fmt: skip
    norm = update(
        learner.optimizer, learner.settings,
        step=step, n_steps=n_steps, problem_ids=work.problem_ids,
    )  # fmt: skip
    return _Done(loss, together(told), norm, value_loss)


def _pieces(
    algorithm: Algorithm, work: _Work, rows: Sequence[int], micro_tokens: int
) -> Iterator[tuple[Batch, bool]]:
    """Pieces of these rows, and whether they are learned from; others are there for the metrics."""
    pulling = pulling_rows(algorithm, work.credit, rows)
    resting = sorted(set(rows) - set(pulling))
    for some, is_learned in ((pulling, True), (resting, False)):
        if some:
            for piece in micro_batches(work.batch.take(some), micro_tokens):
                yield piece, is_learned


def pulling_rows(algorithm: Algorithm, credit: Credit, rows: Sequence[int]) -> list[int]:
    """The rows that the gradient of the policy's loss comes from; at least one, in their order.

    Where neither a divergence nor the entropy is in the loss, a row whose advantages are all 0
    (a group without spread, a failed verdict) has a gradient of exactly 0. If no row is left the
    first stands for all: its gradient of 0 still lets the optimizer's moments decay.
    """
    is_penalised = algorithm.kl_place == "loss" and algorithm.kl_coefficient != 0
    if is_penalised or algorithm.entropy_coefficient != 0:
        return list(rows)
    pulls_B = (credit.advantage_BT != 0).any(-1).tolist()
    return [row for row in rows if pulls_B[row]] or list(rows[:1])


def _policy_loss(
    learner: Learner,
    algorithm: Algorithm,
    work: _Work,
    piece: Batch,
    weighed: tuple[Tensor, Tensor],
    settings: UpdateSettings,
) -> PolicyLoss:
    """The loss of a piece, part of that of all rows of the update."""
    found = token_logprobs(
        learner.network, piece, temperature=settings.temperature, with_entropy=True
    )
    assert piece.old_logp_BT is not None
    mask_BT, weight_BT = weighed
    return algorithm.policy_loss(
        Part(
            logp_BT=found.logp_BT,
            old_logp_BT=piece.old_logp_BT,
            advantage_BT=piece.part(work.credit.advantage_BT),
            mask_BT=piece.part(mask_BT),
            weight_BT=piece.part(weight_BT),
            reference_logp_BT=None
            if work.reference_logp_BT is None
            else piece.part(work.reference_logp_BT),
            entropy_BT=found.entropy_BT,
        )
    )


def _value_update(
    learner: Learner,
    algorithm: Algorithm,
    work: _Work,
    weighed: tuple[Tensor, Tensor],
    at: tuple[int, int],
) -> float | None:
    """The value head's own step, on the hidden states of the network that drew."""
    if learner.value_head is None or work.hidden_BTD is None:
        return None
    assert learner.value_optimizer is not None
    assert learner.value_settings is not None
    assert work.value_BT is not None
    assert work.credit.return_BT is not None
    mask_BT, weight_BT = weighed
    loss = algorithm.value_loss(
        learner.value_head(work.hidden_BTD[mask_BT]), work.value_BT[mask_BT],
        work.credit.return_BT[mask_BT], weight_BT[mask_BT],
    )  # fmt: skip
    check_finite(loss, at[0], work.problem_ids)
    loss.backward()  # type: ignore[no-untyped-call]
    update(
        learner.value_optimizer, learner.value_settings,
        step=at[0], n_steps=at[1], problem_ids=work.problem_ids,
    )  # fmt: skip
    return float(loss.detach())
