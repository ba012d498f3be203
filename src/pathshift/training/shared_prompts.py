"""Completions of one prompt behind a single copy of it, so that the prompt is read once.

A layout row is a prompt and some of its completions one behind the other; a mask keeps each
completion from the others, and positions go on from the prompt's end in each. What a token sees is
what it would see in a row of its own. How many completions a row takes follows from what the
products of the network and of its attention cost.

Shapes: B rows of a batch, T positions in them; R layout rows, L positions in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from pathshift.training.network_parts import plain_model

_LEAK = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.2}
"""Most that a logit of the trial may move, in standard deviations of the logits."""
_FILLING = -1


class Layout(NamedTuple):
    """A batch laid out with shared prompts.

    Attributes:
        ids_RL: Tokens, filled up on the right with 0.
        positions_RL: Of each token in its text.
        sees_RLL: Whether the token of the first L may look at that of the second.
        at_BT: Flat place in (R, L) of each of the batch's tokens; of fillings any place.
    """

    ids_RL: Tensor
    positions_RL: Tensor
    sees_RLL: Tensor
    at_BT: Tensor

    def inputs(self, dtype: torch.dtype) -> dict[str, Any]:
        """What a network is called with."""
        lowest = torch.finfo(dtype).min
        unseen = torch.zeros(self.sees_RLL.shape, dtype=dtype, device=self.ids_RL.device)
        mask_R1LL = unseen.masked_fill(~self.sees_RLL, lowest).unsqueeze(1)
        return {
            "input_ids": self.ids_RL, "position_ids": self.positions_RL,
            "attention_mask": mask_R1LL, "use_cache": False,
        }  # fmt: skip


def layout_of(
    ids_BT: Tensor, prompt_B: Sequence[int], length_B: Sequence[int], n_a_row: int
) -> Layout:
    """Rows of equal prompts laid out together, at most `n_a_row` of them in one layout row.

    Args:
        prompt_B: Tokens of each row's prompt.
        length_B: Tokens of each row without filling.
    """
    device, texts = ids_BT.device, ids_BT.cpu()
    members = [part for rows in same_prompts(texts, prompt_B) for part in _evenly(rows, n_a_row)]
    at_BT = torch.zeros(texts.shape, dtype=torch.long)
    widths = [prompt_B[rows[0]] + sum(length_B[b] - prompt_B[b] for b in rows) for rows in members]
    shape = (len(members), max(widths))
    ids_RL = torch.zeros(shape, dtype=torch.long)
    positions_RL = torch.zeros(shape, dtype=torch.long)
    # 0 is the prompt, which everyone behind it sees; completions count from 1.
    owner_RL = torch.full(shape, _FILLING)
    for r, rows in enumerate(members):
        n_prompt = prompt_B[rows[0]]
        ids_RL[r, :n_prompt] = texts[rows[0], :n_prompt]
        positions_RL[r, :n_prompt] = torch.arange(n_prompt)
        owner_RL[r, :n_prompt] = 0
        end = n_prompt
        for number, b in enumerate(rows, start=1):
            begin, end = end, end + length_B[b] - n_prompt
            ids_RL[r, begin:end] = texts[b, n_prompt : length_B[b]]
            positions_RL[r, begin:end] = torch.arange(n_prompt, length_B[b])
            owner_RL[r, begin:end] = number
            at_BT[b, :n_prompt] = r * shape[1] + torch.arange(n_prompt)
            at_BT[b, n_prompt : length_B[b]] = r * shape[1] + torch.arange(begin, end)
    return Layout(
        ids_RL.to(device), positions_RL.to(device), _sees(owner_RL.to(device)), at_BT.to(device)
    )


def _evenly(rows: list[int], most: int) -> list[list[int]]:
    """The rows in as few parts of at most `most` as it takes, all of about one size."""
    n_parts = -(-len(rows) // most)
    return [rows[part::n_parts] for part in range(n_parts)]


def _sees(owner_RL: Tensor) -> Tensor:
    """Causal, and of completions the own one only; a filling sees fillings: no row is empty."""
    asks_RL1, asked_R1L = owner_RL.unsqueeze(2), owner_RL.unsqueeze(1)
    width = owner_RL.shape[1]
    causal_LL = torch.ones(width, width, dtype=torch.bool, device=owner_RL.device).tril()
    return causal_LL & ((asks_RL1 == asked_R1L) | (asked_R1L == 0))


def same_prompts(ids_BT: Tensor, prompt_B: Sequence[int]) -> list[list[int]]:
    """Rows with equal prompts, groups and rows in their order."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, (ids, n_prompt) in enumerate(zip(ids_BT.tolist(), prompt_B, strict=True)):
        groups.setdefault(tuple(ids[:n_prompt]), []).append(row)
    return list(groups.values())


def best_number(network: Any, *, prompt: float, completion: float, n: int) -> int:
    """How many of a prompt's `n` completions one layout row takes at the least computing.

    Counted are two operations a weight and token, and four a width and pair of tokens for looking
    at each other; `prompt` and `completion` are tokens.
    """
    weights, pairs = _costs(network)

    def cost(m: int) -> float:
        n_rows = -(-n // m)
        width = prompt + n / n_rows * completion
        return n_rows * (width * weights + width * width * pairs)

    return min(range(1, n + 1), key=cost)


def _costs(network: Any) -> tuple[float, float]:
    """Operations a token in the products with weights, and a pair of tokens in attention."""
    plain = plain_model(network)
    config = plain.config.get_text_config()
    embedding = {id(plain.get_input_embeddings().weight)}
    head = plain.get_output_embeddings()
    if head is not None:
        embedding.add(id(head.weight))
    weights = sum(w.numel() for w in plain.parameters() if w.ndim > 1 and id(w) not in embedding)
    return 2.0 * weights, 4.0 * config.hidden_size * config.num_hidden_layers


_TRIED: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
"""Whether a network heeds the mask and positions of a layout; while it lives."""


def can_share(network: Any) -> bool:
    """Whether a network reads a layout as it reads rows of their own, tried on a few tokens.

    Not those with a window or with layers that are no attention: a few tokens would not tell.
    """
    if network not in _TRIED:
        _TRIED[network] = _attends_to_all(network) and _reads_alike(network)
    return _TRIED[network]


def _attends_to_all(network: Any) -> bool:
    config = plain_model(network).config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ["full_attention"]
    has_window = getattr(config, "sliding_window", None) and getattr(
        config, "use_sliding_window", True
    )
    return not has_window and set(kinds) == {"full_attention"}


@torch.no_grad()
def _reads_alike(network: Any) -> bool:
    trunk = plain_model(network).base_model
    vocabulary = int(plain_model(network).config.get_text_config().vocab_size)
    ids_BT = (torch.arange(12).reshape(2, 6) * 7919 + 1) % vocabulary
    ids_BT[1, :3] = ids_BT[0, :3]
    ids_BT = ids_BT.to(network.device)
    layout = layout_of(ids_BT, [3, 3], [6, 6], 2)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        alone_BTD = trunk(input_ids=ids_BT, use_cache=False).last_hidden_state
        shared_RLD = trunk(**layout.inputs(network.dtype)).last_hidden_state
    except (ValueError, TypeError, RuntimeError, NotImplementedError):
        return False  # an attention that takes no mask of this form
    finally:
        for module, was_training in modes:
            module.training = was_training
    moved = (shared_RLD.flatten(0, 1)[layout.at_BT] - alone_BTD).abs().max()
    return bool(moved <= _LEAK[network.dtype] * alone_BTD.float().std())
