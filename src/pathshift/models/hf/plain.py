"""Samples of one prompt where a model's attention is its own affair (sliding windows and the like).

The prompt is read once and its cache copied to all rows; passes have a fixed number of rows, all of
one length. See `engine` for the way taken where attention is plain.

Shapes: B rows in the pass, V tokens.
"""

from __future__ import annotations

from typing import Any

import torch

from pathshift.models.hf.cache import buffer_cache, spread
from pathshift.models.hf.rows import Asked, Drawing, Row


def sample_plainly(model: Any, asked: Asked, drawing: Drawing, *, n_rows: int) -> list[Row]:
    """Draw one continuation a seed, `n_rows` in every pass; a last short pass is filled up."""
    rows = [Row(seed) for seed in asked.seeds]
    for start in range(0, len(rows), n_rows):
        block = rows[start : start + n_rows]
        fill = [Row(block[0].seed) for _ in range(n_rows - len(block))]
        _sample_block(model, asked, block + fill, drawing)
    return rows


def _sample_block(model: Any, asked: Asked, rows: list[Row], drawing: Drawing) -> None:
    room = len(asked.prompt_ids) + drawing.policy.max_tokens
    cache = buffer_cache(model.config.num_hidden_layers, room)
    ids = torch.tensor([list(asked.prompt_ids)], device=model.device)
    logits_BV = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
    spread(cache, len(rows))
    while True:
        tokens = torch.tensor(drawing.take(rows, logits_BV), device=model.device)
        if all(row.finish_reason for row in rows):
            return
        logits_BV = model(tokens[:, None], past_key_values=cache).logits[:, -1]
