"""Keys and values of one prompt and its samples in buffers of fixed size.

transformers' own dynamic cache copies everything it holds at every token; this one writes in place.
Shapes: B rows, H key-value heads, T positions, D head width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin


class BufferLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers ships no types
    """One layer's keys and values; `length` positions of the buffer are in use."""

    is_sliding = False
    is_compileable = False

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity, self.length = capacity, 0
        self.keys_BHTD: Tensor | None = None
        self.values_BHTD: Tensor | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate at the first use, when shape and dtype are known."""
        rows, heads, _, width = key_states.shape
        shape = (rows, heads, self.capacity, width)
        self.keys_BHTD = key_states.new_empty(shape)
        self.values_BHTD = value_states.new_empty(shape)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append and return all positions in use."""
        if self.keys_BHTD is None or self.values_BHTD is None:
            self.lazy_initialization(key_states, value_states)
        assert self.keys_BHTD is not None
        assert self.values_BHTD is not None
        end = self.length + key_states.shape[2]
        self.keys_BHTD[:, :, self.length : end] = key_states
        self.values_BHTD[:, :, self.length : end] = value_states
        self.length = end
        return self.keys_BHTD[:, :, :end], self.values_BHTD[:, :, :end]

    def spread(self, n_rows: int) -> None:
        """Turn one row into n equal ones."""
        assert self.keys_BHTD is not None
        assert self.values_BHTD is not None
        self.keys_BHTD = self.keys_BHTD.repeat(n_rows, 1, 1, 1)
        self.values_BHTD = self.values_BHTD.repeat(n_rows, 1, 1, 1)

    def get_seq_length(self) -> int:
        """Positions in use."""
        return self.length

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1

    def get_max_cache_shape(self) -> int:
        """No limit of its own."""
        return -1

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        """Length of the keys a mask must cover, and its offset."""
        new = query_length if isinstance(query_length, int) else len(query_length)
        return self.length + new, 0


def buffer_cache(n_layers: int, capacity: int) -> Cache:
    """An empty cache for up to `capacity` positions."""
    return Cache(layers=[BufferLayer(capacity) for _ in range(n_layers)])


def spread(cache: Cache, n_rows: int) -> None:
    """Turn a cache of one row into one of n equal rows."""
    for layer in cache.layers:
        layer.spread(n_rows)
