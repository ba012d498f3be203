"""Attention of many samples to one prompt: the prompt's keys and values stand once for all rows.

transformers calls a registered function for every layer. Ours attends to the prompt as one matrix
product for all rows of a group, to what each row has drawn itself as one product a row, and takes
one softmax over both scores: the two parts are merged by their common log-sum-exp. Outside of such
a pass it is transformers' own sdpa.

A group is made of rows of one prompt that began in the same pass, so that all of them have the same
length and no mask is needed. Every product is taken over the group's own rows: what a row is given
hangs on its own length alone.

Shapes: B rows of a pass, R rows of a group, H key-value heads, G queries a key-value head,
P positions of the prompt, T positions drawn, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, Cache
from transformers.cache_utils import CacheLayerMixin
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "pathshift"
ROOM = 64
"""Positions by which a group's buffers grow."""
_LEAST_ROWS = 16
_SMALL_PRODUCT = 400
_MOST_SCORES = 2**23


@dataclass(frozen=True, slots=True)
class Prefix:
    """What reading a prompt left behind: by layer (H, P, D), and the logits (1, V) after it."""

    length: int
    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    logits_1V: Tensor


class Group:
    """Keys and values of rows of one prompt and one length; `length` positions are in use."""

    def __init__(self, prefix: Prefix, n_rows: int, most: int) -> None:
        self.prefix, self.n_rows, self.length = prefix, n_rows, 0
        self._most = most
        self.keys = [_buffer(keys_HPD, n_rows, 0) for keys_HPD in prefix.keys]
        self.values = [_buffer(values_HPD, n_rows, 0) for values_HPD in prefix.values]

    def make_room(self) -> None:
        """Buffers for one more position."""
        if self.length >= self.keys[0].shape[2]:
            self._resize(min(self.length + ROOM, max(self._most, self.length + 1)))

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows (ascending) only; the last of them fill the gaps.

        The caller's rows must be put into the order of `moved`.
        """
        moves = [(to, of) for to, of in enumerate(moved(rows)) if to != of]
        self.n_rows = len(rows)
        if moves:
            to, of = (
                torch.tensor(column, device=self.keys[0].device)
                for column in zip(*moves, strict=True)
            )
            for held in (*self.keys, *self.values):
                used = held[:, :, : self.length]
                used[to] = used[of]
        if self.n_rows * 2 <= len(self.keys[0]):
            self._resize(self.keys[0].shape[2])

    def _resize(self, room: int) -> None:
        for held in (self.keys, self.values):
            for i, old in enumerate(held):
                new = _buffer(old[0], self.n_rows, room)
                new[:, :, : self.length] = old[: self.n_rows, :, : self.length]
                held[i] = new


def moved(rows: Sequence[int]) -> list[int]:
    """The order in which kept rows (ascending) stand after `Group.keep`.

    >>> moved([1, 2, 5, 7])
    [7, 1, 2, 5]
    """
    kept = list(rows)
    n = len(kept)
    staying = {row for row in kept if row < n}
    movers = [row for row in reversed(kept) if row >= n]
    return [i if i in staying else movers.pop(0) for i in range(n)]


def _buffer(like_HPD: Tensor, n_rows: int, room: int) -> Tensor:
    heads, _, width = like_HPD.shape
    return like_HPD.new_empty((n_rows, heads, room, width))


class _Layer(CacheLayerMixin):  # type: ignore[misc]  # transformers ships no types
    """One layer of a pass: appends to the groups' buffers."""

    is_sliding = False
    is_compileable = False

    def __init__(self, groups: Sequence[Group], index: int) -> None:
        super().__init__()
        self.groups, self.index = groups, index

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: groups hold their buffers."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append each row's position; give the keys back, marked with where the rest is."""
        start = 0
        for group in self.groups:
            end = start + group.n_rows
            at = group.length
            group.keys[self.index][: group.n_rows, :, at] = key_states[start:end, :, 0]
            group.values[self.index][: group.n_rows, :, at] = value_states[start:end, :, 0]
            start = end
        key_states.shared = self  # type: ignore[attr-defined]
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Unused: positions are given, and there is no mask."""
        return 0

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1

    def get_max_cache_shape(self) -> int:
        """No limit of its own."""
        return -1

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        """Of a mask that is never made: one query needs none."""
        return query_length if isinstance(query_length, int) else len(query_length), 0


def shared_cache(groups: Sequence[Group]) -> Cache:
    """The cache of one pass over these groups' rows, in their order; rows after them are filling.

    After the pass the caller lengthens the groups.
    """
    for group in groups:
        group.make_room()
    return Cache(layers=[_Layer(groups, i) for i in range(len(groups[0].keys))])


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function transformers calls; queries (B, H G, T, D) in, (B, T, H G, D) out."""
    layer: _Layer | None = getattr(key, "shared", None)
    if layer is None:
        out: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **kwargs
        )
        return out
    scaling = kwargs.get("scaling")
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    rows, heads, _, _ = query.shape
    out_BD = query.new_zeros((rows, 1, heads, value.shape[-1]))
    start = 0
    for group in layer.groups:
        step = _rows_at_once(group, heads)
        for first in range(0, group.n_rows, step):
            last = min(first + step, group.n_rows)
            part = _attend_group(
                query[start + first : start + last, :, 0], group, layer.index, (first, last), scale
            )
            out_BD[start + first : start + last, 0] = part
        start += group.n_rows
    return out_BD, None


def _rows_at_once(group: Group, heads: int) -> int:
    """So many that the scores stay small: memory must not grow with rows times the prompt."""
    row = heads * (group.prefix.length + group.length + 1)
    return max(_LEAST_ROWS, _MOST_SCORES // row // _LEAST_ROWS * _LEAST_ROWS)


def _attend_group(
    query_RHD: Tensor, group: Group, index: int, rows: tuple[int, int], scale: float
) -> Tensor:
    """Of some rows of a group: (R, H G, D) in and out."""
    keys_HPD, values_HPD = group.prefix.keys[index], group.prefix.values[index]
    n, (heads, prompt, width) = len(query_RHD), keys_HPD.shape
    end = group.length + 1
    own_keys = group.keys[index][rows[0] : rows[1]].flatten(0, 1)[:, :end]
    own_values = group.values[index][rows[0] : rows[1]].flatten(0, 1)[:, :end]
    query = query_RHD.reshape(n, heads, -1, width)
    n_queries = query.shape[2]
    work = n_queries * prompt * min(width, values_HPD.shape[-1])
    shared = _products(_by_head(query, work), keys_HPD.transpose(1, 2), scale)
    own = _products(query.flatten(0, 1), own_keys.transpose(1, 2), scale)
    scores = torch.empty(
        (n, heads, n_queries, prompt + end), dtype=torch.float32, device=query.device
    )
    scores[..., :prompt] = shared[:, : n * n_queries].view(heads, n, n_queries, -1).transpose(0, 1)
    scores[..., prompt:] = own.view(n, heads, n_queries, end)
    weights = scores.softmax(-1).to(query.dtype)
    out = _products(_by_head(weights[..., :prompt], work), values_HPD, 1.0)
    out = out[:, : n * n_queries].view(heads, n, n_queries, -1).transpose(0, 1)
    own = _products(weights[..., prompt:].flatten(0, 1), own_values, 1.0)
    return (out + own.view(n, heads, n_queries, -1)).flatten(1, 2)


def _by_head(rows: Tensor, work: int) -> Tensor:
    """(R, H, G, X) as H matrices of all rows, filled up to a multiple of 16.

    A product of fewer rows may take another path and round otherwise; so does, in torch, one of
    less than 400 multiplications in all.

    Args:
        work: Multiplications a row of the product to come.
    """
    step = _LEAST_ROWS if _LEAST_ROWS * work >= _SMALL_PRODUCT else _SMALL_PRODUCT
    if missing := -len(rows) % step:
        rows = torch.cat([rows, rows.new_zeros((missing, *rows.shape[1:]))])
    return rows.transpose(0, 1).flatten(1, 2)


def _products(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """Products of a batch of matrices; a batch of one takes another path, so it is made two."""
    if len(left) == 1:
        return _products(left.expand(2, -1, -1), right.expand(2, -1, -1), scale)[:1]
    if scale == 1.0:
        return torch.bmm(left, right)
    out = left.new_empty((len(left), left.shape[1], right.shape[2]))
    return torch.baddbmm(out, left, right, beta=0.0, alpha=scale)


def switch_on(network: Any) -> bool:
    """Have a network call `attend`; False where its attention is not this simple."""
    config = network.config
    takes_ours = getattr(network, "_supports_attention_backend", False)
    if config._attn_implementation != "sdpa" or not takes_ours:
        return False
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windows = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    ropes = str(getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None))
    is_plain = kinds == {"full_attention"} and not any(windows)
    # Frequencies that hang on the longest row of a pass would tie rows to each other.
    if not is_plain or any(kind in ropes for kind in ("dynamic", "longrope")) or config.sub_configs:
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    network.set_attn_implementation(NAME)
    return bool(config._attn_implementation == NAME)


def switch_off(network: Any) -> None:
    """Back to transformers' own attention."""
    network.set_attn_implementation("sdpa")
