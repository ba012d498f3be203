"""AdamW and Muon, the learning rate as a function of the step, clipping, the end of a run that
diverged.

A schedule holds no state: the rate of step s follows from s, so a resumed run needs only its
number. Steps count from 1 everywhere in training: the checkpoint and the metrics of step s are
those after the s-th update, and step 0 is the model one began with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pathshift.errors import ConfigError, NonFinite

_NAMED_PROBLEMS = 5
_TIMES = "times"
"""Of a group of weights: its rate over that of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSettings:
    """How weights are moved.

    Attributes:
        learning_rate: The largest of the schedule.
        schedule: "constant" or "cosine", each after its warm-up.
        warmup_steps: Steps in which the rate rises in equal parts, from 1/warmup_steps of it.
        final_share: Share of the rate that a cosine ends at.
        weight_decay: Of matrices only; norms and biases have none.
        beta1, beta2, epsilon: Of Adam.
        max_norm: Gradients are scaled to this norm where theirs is larger; 0 leaves them.
    """

    learning_rate: float = 1e-5
    schedule: str = "constant"
    warmup_steps: int = 0
    final_share: float = 0.0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_norm: float = 1.0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        rules = {
            f"learning rate must be above 0, got {self.learning_rate}": 0
            < self.learning_rate
            < math.inf,
            f"schedule {self.schedule!r} is not known; use one of {', '.join(SCHEDULES)}": (
                self.schedule in SCHEDULES
            ),
            f"warm-up steps must be 0 or more, got {self.warmup_steps}": self.warmup_steps >= 0,
            f"final share must be 0 to 1, got {self.final_share}": 0 <= self.final_share <= 1,
            f"weight decay must be 0 or more, got {self.weight_decay}": self.weight_decay >= 0,
            f"beta1 must be 0 to below 1, got {self.beta1}": 0 <= self.beta1 < 1,
            f"beta2 must be 0 to below 1, got {self.beta2}": 0 <= self.beta2 < 1,
            f"epsilon must be above 0, got {self.epsilon}": self.epsilon > 0,
            f"max norm must be 0 (off) or more, got {self.max_norm}": self.max_norm >= 0,
        }
        for message, holds in rules.items():
            if not holds:
                raise ConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Muon:
    """Matrices moved by their momentum made orthogonal (Jordan et al. 2024, "Muon").

    For the matrices inside a network; AdamW moves its embedding, its output layer and its norms,
    without weight decay.

    Attributes:
        rate: The largest learning rate of the matrices; it follows the same schedule.
        momentum: Share of the momentum that a step keeps.
    """

    rate: float = 0.02
    momentum: float = 0.95

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 0 < self.rate < math.inf:
            raise ConfigError(f"matrix rate must be above 0, got {self.rate}")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum must be 0 to below 1, got {self.momentum}")


def constant(_share: float, _final_share: float) -> float:
    """Factor of the learning rate: always 1."""
    return 1.0


def cosine(share: float, final_share: float) -> float:
    """Half a cosine from 1 down to `final_share` (Loshchilov and Hutter 2017, eq. 5, no restart).

    Args:
        share: Of the steps after the warm-up, those that are done; 0 to 1.

    >>> [round(cosine(share, 0.1), 3) for share in (0, 0.5, 1)]
    [1.0, 0.55, 0.1]
    """
    return final_share + (1 - final_share) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: Mapping[str, Callable[[float, float], float]] = {"constant": constant, "cosine": cosine}


def learning_rate(settings: OptimizerSettings, step: int, n_steps: int) -> float:
    """The rate of one step: rising through the warm-up, then after the schedule.

    Args:
        step: From 1.
        n_steps: Steps of the whole run; a constant schedule does not look at it.

    Raises:
        ValueError: a step below 1.

    >>> settings = OptimizerSettings(learning_rate=1.0, schedule="cosine", warmup_steps=2)
    >>> [round(learning_rate(settings, step, 6), 3) for step in range(1, 7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < 1:
        raise ValueError(f"steps count from 1, got {step}")
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    left = max(1, n_steps - settings.warmup_steps)
    share = min(1.0, (step - 1 - settings.warmup_steps) / left)
    return settings.learning_rate * SCHEDULES[settings.schedule](share, settings.final_share)


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, in two groups: matrices, and what has fewer than two axes (norms, biases).

    A tensor that two modules share stands once. Modules of embeddings count as matrices.
    """
    trained = {
        id(weight): weight
        for module in modules
        for weight in module.parameters()
        if weight.requires_grad
    }
    matrices = [weight for weight in trained.values() if weight.ndim >= 2]
    others = [weight for weight in trained.values() if weight.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(modules: Iterable[nn.Module], settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over what the modules train.

    Raises:
        ConfigError: nothing is trained, or weights are trained in 16 bits, where a usual update is
            smaller than the distance between two numbers and is lost.
    """
    groups = parameter_groups(modules, settings.weight_decay)
    _check_trainable(groups)
    return _adamw(groups, settings)


def build_optimizers(
    network: nn.Module, settings: OptimizerSettings, muon: Muon | None = None
) -> list[torch.optim.Optimizer]:
    """AdamW alone, or Muon over the matrices inside the network and AdamW over the rest.

    Raises:
        ConfigError: as `build_optimizer`; or Muon asked for where no such matrix is trained, or of
            a torch that has none.
    """
    if muon is None:
        return [build_optimizer([network], settings)]
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(
            f"Muon needs torch 2.9 or newer, this is {torch.__version__}; use --optimizer adamw"
        )
    ends = _end_weights(network)
    trained = [weight for group in parameter_groups([network], 0.0) for weight in group["params"]]
    inner = [weight for weight in trained if weight.ndim == 2 and id(weight) not in ends]
    others = [weight for weight in trained if weight.ndim != 2 or id(weight) in ends]
    _check_trainable([{"params": trained}] if trained else [])
    if not inner:
        raise ConfigError("Muon moves matrices and none is trained; use --optimizer adamw")
    matrices = torch.optim.Muon(
        [{"params": inner, _TIMES: muon.rate / settings.learning_rate}],
        lr=muon.rate, weight_decay=settings.weight_decay, momentum=muon.momentum,
    )  # fmt: skip
    rest = [_adamw([{"params": others, "weight_decay": 0.0}], settings)] if others else []
    return [matrices, *rest]


def _end_weights(network: nn.Module) -> set[int]:
    """Embeddings and the output layer, which turn tokens into vectors and back, by identity."""
    found = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    head = getattr(network, "get_output_embeddings", lambda: None)()
    return found if head is None else {*found, id(head.weight)}


def _check_trainable(groups: Sequence[Mapping[str, Any]]) -> None:
    if not groups:
        raise ConfigError("the model has no weight that is trained; all of them are frozen")
    short = {w.dtype for group in groups for w in group["params"] if w.dtype.itemsize < 4}
    if short:
        name = str(min(short, key=str)).removeprefix("torch.")
        raise ConfigError(
            f"weights of type {name} cannot be trained: small updates would be lost; "
            "load the model as fp32 (a frozen base under an adapter may be in 16 bits)"
        )


def _adamw(groups: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        weight_decay=0.0,
    )


def check_finite(loss: Tensor, step: int, problem_ids: Sequence[str]) -> None:
    """Stop before a loss that is no number reaches a gradient.

    Raises:
        NonFinite: names the step and the batch's problems.
    """
    if not bool(torch.isfinite(loss).all()):
        raise diverged(f"the loss is {float(loss.detach().sum())}", step, problem_ids)


def update(
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    settings: OptimizerSettings,
    *,
    step: int,
    n_steps: int,
    problem_ids: Sequence[str],
) -> float:
    """Take one step with the gradients that stand on the weights, and clear them.

    Args:
        optimizer: One, or several that move one network; the gradients are clipped together.

    Returns:
        The gradients' Euclidean norm before clipping.

    Raises:
        NonFinite: the norm is no number; no weight has been touched.
    """
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else optimizer
    groups = [group for one in optimizers for group in one.param_groups]
    weights = [weight for group in groups for weight in group["params"]]
    bound = settings.max_norm or math.inf
    norm = float(nn.utils.clip_grad_norm_(weights, bound))
    if not math.isfinite(norm):
        _clear(optimizers)
        raise diverged(f"the gradient's norm is {norm}", step, problem_ids)
    for group in groups:
        group["lr"] = learning_rate(settings, step, n_steps) * group.get(_TIMES, 1.0)
    for one in optimizers:
        one.step()
    _clear(optimizers)
    return norm


def _clear(optimizers: Sequence[torch.optim.Optimizer]) -> None:
    for one in optimizers:
        one.zero_grad(set_to_none=True)


def diverged(what: str, step: int, problem_ids: Sequence[str]) -> NonFinite:
    """What to say of a run that cannot go on."""
    named = list(dict.fromkeys(problem_ids))
    more = f" and {len(named) - _NAMED_PROBLEMS} more" if len(named) > _NAMED_PROBLEMS else ""
    batch = f" (problems {', '.join(named[:_NAMED_PROBLEMS])}{more})" if named else ""
    return NonFinite(
        f"step {step}: {what}{batch}; the run has stopped and its last checkpoint is kept; "
        "try a lower learning rate or a smaller max norm"
    )
