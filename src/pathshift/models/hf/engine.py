"""Many samples of each of many prompts: a prompt is read once and held once for all its rows.

Rows of several prompts and of any age go through the network together. A row that has ended leaves,
and rows of the next prompt enter in its place, so that passes stay full to the end.

A sample's tokens depend on its seed alone, not on the rows beside it. To the last bit that holds
on one machine if a product of matrices gives a row the same bits at every height that occurs. So
a pass has a fixed number of rows; a lower height is used, when nothing is left to enter, only after
the network was seen to give the same bits at both. Attention is taken by group (see `attention`).

Shapes: B rows in the pass, V tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pathshift.models.hf.attention import (
    Group,
    Prefix,
    moved,
    shared_cache,
    switch_off,
    switch_on,
)
from pathshift.models.hf.cache import buffer_cache
from pathshift.models.hf.plain import sample_plainly
from pathshift.models.hf.rows import Asked, Drawing, Row

_LEAST_HEIGHT = 16
_ENTRY_SHARE = 8
_TRIAL_IDS = (1, 2, 3, 4, 5, 6, 7)
_TRIAL_ERROR = {torch.float32: 1e-3}
_TRIAL_ERROR_SHORT = 0.1


class Engine:
    """Draws rows from a network; at most `n_rows` in a pass."""

    def __init__(self, network: Any, n_rows: int) -> None:
        self._network, self._n_rows = network, n_rows
        self._shares: bool | None = None
        self._same_bits: dict[int, bool] = {n_rows: True}

    @torch.inference_mode()
    def sample(self, asked: Sequence[Asked], drawing: Drawing) -> list[list[Row]]:
        """Rows by prompt, in the order of the seeds."""
        if self._shares is None:
            self._shares = _shares_prefixes(self._network)
        if not self._shares:
            return [sample_plainly(self._network, a, drawing, n_rows=self._n_rows) for a in asked]
        found = [[Row(seed) for seed in prompt.seeds] for prompt in asked]
        queue = deque(
            _Waiting(prompt.prompt_ids, deque(rows))
            for prompt, rows in zip(asked, found, strict=True)
            if rows
        )
        live: list[_Live] = []
        while queue or live:
            self._let_in(queue, live, drawing)
            if live:
                self._pass(live, drawing)
        return found

    def _let_in(self, queue: deque[_Waiting], live: list[_Live], drawing: Drawing) -> None:
        """Fill free places with waiting rows; their first tokens come from the prompt's logits.

        Some places are let run empty before: each entry makes a group of its own.
        """
        free = self._n_rows - sum(len(block.rows) for block in live)
        if live and free < max(1, self._n_rows // _ENTRY_SHARE):
            return
        while queue and free:
            waiting = queue[0]
            if waiting.prefix is None:
                waiting.prefix = read(self._network, waiting.prompt_ids)
            rows = [waiting.rows.popleft() for _ in range(min(free, len(waiting.rows)))]
            if not waiting.rows:
                queue.popleft()
            drawing.take(rows, waiting.prefix.logits_1V)
            rows = [row for row in rows if not row.finish_reason]
            if rows:
                group = Group(waiting.prefix, len(rows), drawing.policy.max_tokens)
                live.append(_Live(group, rows))
            free -= len(rows)

    def _pass(self, live: list[_Live], drawing: Drawing) -> None:
        """One more token for every live row; what has ended leaves."""
        rows = [row for block in live for row in block.rows]
        groups = [block.group for block in live]
        tokens = [row.tokens[-1] for row in rows]
        logits_BV = forward(self._network, groups, tokens, self._height(len(rows)))
        drawing.take(rows, logits_BV)
        for block in live:
            block.drop_ended()
        live[:] = [block for block in live if block.rows]

    def _height(self, n: int) -> int:
        """The lowest height that holds n rows and gives the bits of the full one."""
        height = self._n_rows
        while n <= height // 2 and height // 2 % _LEAST_HEIGHT == 0:
            if not self._gives_same_bits(height // 2):
                break
            height //= 2
        return height

    def _gives_same_bits(self, height: int) -> bool:
        if height not in self._same_bits:
            self._same_bits[height] = _equal_at(self._network, self._n_rows, height)
        return self._same_bits[height]


@dataclass(slots=True)
class _Waiting:
    """A prompt with rows that have not entered yet."""

    prompt_ids: Sequence[int]
    rows: deque[Row]
    prefix: Prefix | None = field(default=None)


@dataclass(frozen=True, slots=True)
class _Live:
    """Rows of one prompt that entered together, and their keys and values."""

    group: Group
    rows: list[Row]

    def drop_ended(self) -> None:
        """Let rows that have ended leave."""
        kept = [i for i, row in enumerate(self.rows) if not row.finish_reason]
        if len(kept) == len(self.rows):
            return
        if kept:
            self.group.keep(kept)
        self.rows[:] = [self.rows[i] for i in moved(kept)]


def read(network: Any, prompt_ids: Sequence[int]) -> Prefix:
    """Pass a prompt (at least one token) through the network, alone."""
    cache = buffer_cache(network.config.num_hidden_layers, len(prompt_ids))
    ids = torch.tensor([list(prompt_ids)], device=network.device)
    logits_1V = network(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
    return Prefix(
        length=len(prompt_ids),
        keys=[layer.keys_BHTD[0] for layer in cache.layers],
        values=[layer.values_BHTD[0] for layer in cache.layers],
        logits_1V=logits_1V,
    )


def forward(network: Any, groups: Sequence[Group], tokens: Sequence[int], height: int) -> Tensor:
    """Logits (B, V) after one more token of every row, rows in the order of the groups.

    The pass is filled up to `height` rows.
    """
    filling = [0] * (height - len(tokens))
    positions = [
        group.prefix.length + group.length for group in groups for _ in range(group.n_rows)
    ]
    cache = shared_cache(groups)
    logits_BTV = network(
        torch.tensor([*tokens, *filling], device=network.device)[:, None],
        position_ids=torch.tensor([*positions, *filling], device=network.device)[:, None],
        past_key_values=cache,
    ).logits
    for group in groups:
        group.length += 1
    logits_BV: Tensor = logits_BTV[: len(tokens), -1]
    return logits_BV


def _shares_prefixes(network: Any) -> bool:
    """Whether the network can be passed through with `attention`, tried on a short prompt."""
    if not switch_on(network):
        return False
    ids = [i % network.config.vocab_size for i in _TRIAL_IDS]
    try:
        group = Group(read(network, ids[:4]), 2, 2)
        forward(network, [group], [ids[4], ids[6]], 2)
        ours = forward(network, [group], [ids[5], ids[4]], 2)[0].double()
        theirs = network(torch.tensor([ids[:6]], device=network.device)).logits[0, -1].double()
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        # Whatever a network does that ours was not made for: it is passed through plainly.
        switch_off(network)
        return False
    error = (ours - theirs).norm() / (theirs - theirs.mean()).norm()
    if error <= _TRIAL_ERROR.get(network.dtype, _TRIAL_ERROR_SHORT):
        return True
    switch_off(network)
    return False


def _equal_at(network: Any, full: int, height: int) -> bool:
    """Whether rows have the same bits in passes of both heights."""
    vocabulary = network.config.vocab_size
    prefix = read(network, [i % vocabulary for i in _TRIAL_IDS])
    tokens = [(i * 7919 + 11) % vocabulary for i in range(height)]
    one, other = (
        forward(network, [Group(prefix, height, 1)], tokens, rows) for rows in (full, height)
    )
    return torch.equal(one, other)
