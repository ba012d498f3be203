"""A causal language model as trunk and output layer, where it is no more than these two.

Then logits can be formed at the positions that need them, a few at a time. Some families do more
behind their output layer (Gemma 2 caps its logits, Cohere scales them); which do is tried out on
two tokens and not read from a list of names.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch

_MAGNIFIED = 2.0**20


class Split(NamedTuple):
    """A network's two parts: tokens -> hidden states -> logits."""

    trunk: Any
    head: Any


_TRIED: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
"""Whether a network is its two parts and no more; what trying out has found, while it lives."""


def plain_model(network: Any) -> Any:
    """The transformers model itself; peft puts its layers inside it."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def vocabulary(network: Any) -> int:
    """Tokens the network tells apart."""
    return int(plain_model(network).config.get_text_config().vocab_size)


def split_of(network: Any) -> Split | None:
    """The network's parts; None where its logits are not what the head gives."""
    plain = plain_model(network)
    split = Split(plain.base_model, plain.get_output_embeddings())
    if split.trunk is plain or split.head is None:
        return None
    if network not in _TRIED:
        _TRIED[network] = _is_whole_of(network, split)
    return split if _TRIED[network] else None


@torch.no_grad()
def _is_whole_of(network: Any, split: Split) -> bool:
    """Whether the network's logits are the head's, seen on two tokens.

    The head's output is magnified on its way, so that a cap shows even where logits are small.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    hook = split.head.register_forward_hook(lambda _module, _inputs, out: out * _MAGNIFIED)
    try:
        ids_BT = torch.tensor([[0, 1]], device=split.head.weight.device)
        whole_BTV = network(input_ids=ids_BT, use_cache=False).logits
        hidden_BTD = split.trunk(input_ids=ids_BT, use_cache=False).last_hidden_state
        parts_BTV = split.head(hidden_BTD)
    finally:
        hook.remove()
        for module, was_training in modes:
            module.training = was_training
    return torch.allclose(whole_BTV.float(), parts_BTV.float(), rtol=1e-2, atol=1.0)
