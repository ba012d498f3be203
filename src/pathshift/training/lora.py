"""LoRA beside a network: put in, merged while it samples, switched off for the reference.

The adapter lives inside the network it was put into (peft), so that whoever holds the network holds
the adapter too. While samples are drawn its product stands in the weights themselves, which spares
two small products a layer and token; the weights are put back bit for bit afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pathshift.errors import ConfigError, MissingExtra

NAME = "default"


def add_lora(network: Any, *, rank: int, alpha: float | None = None, seed: int = 0) -> Any:
    """Put a trainable adapter on every linear layer but the head; all else is frozen.

    The network is changed in place and stays the one to call; the adapter begins as no change
    (Hu et al. 2021, section 4.1).

    Args:
        rank: Of the update, at least 1.
        alpha: The update is scaled by alpha / rank; None for 2 rank.
        seed: Of the adapter's first weights.

    Returns:
        peft's wrapper, for `adapter_off` and `saved_model.save_adapter`.

    Raises:
        ConfigError: a rank below 1.
        MissingExtra: peft is not installed.
    """
    if rank < 1:
        raise ConfigError(f"--lora takes a rank of at least 1, got {rank}; 16 is usual")
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "peft", "hf") from error
    with torch.random.fork_rng(), warnings.catch_warnings():
        # peft asks transformers by names that are going away.
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        wrapped = peft.get_peft_model(
            network,
            peft.LoraConfig(
                task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank if alpha is None else alpha,
                lora_dropout=0.0, target_modules="all-linear",
            ),
        )  # fmt: skip
    wrapped.eval()
    return wrapped


@contextmanager
def adapter_off(wrapped: Any) -> Iterator[None]:
    """The network as it was before its adapter."""
    with wrapped.disable_adapter():
        yield


@contextmanager
def merged_for_sampling(network: Any) -> Iterator[None]:
    """While it lasts, the adapter's product is in the weights; afterwards they have their old bits.

    Only in fp32: in shorter types the sum would round, and the samples' log-probabilities would not
    be those of the network that is trained. Without an adapter nothing happens.
    """
    layers = _lora_layers(network) if network.dtype == torch.float32 else []
    kept: list[tuple[Any, Tensor]] = []
    try:
        for layer in layers:
            weight = layer.get_base_layer().weight
            kept.append((layer, weight.data))
            weight.data = weight.data.clone()
            layer.merge()
        yield
    finally:
        for layer, data in kept:
            layer.get_base_layer().weight.data = data
            layer.merged_adapters.clear()


def _lora_layers(network: Any) -> list[Any]:
    return [m for m in network.modules() if hasattr(m, "lora_A") and hasattr(m, "merge")]
