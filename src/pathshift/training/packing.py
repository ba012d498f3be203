"""Documents into rows of a fixed length, so that little of a batch is filling.

A document sees only itself: position ids begin at 0 with each one, and transformers makes of that a
block-diagonal causal mask (it does so when no attention mask is given). An architecture that does
not follow it (recurrent layers carry a state along the row) is refused by `check_apart`; it trains
with one document a row.

Shapes: B rows, T positions, V tokens of the vocabulary.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pathshift.errors import ModelError
from pathshift.training.sequences import Batch

OPEN_ROWS = 256
"""Rows that are filled at the same time: enough for 99% full rows of mixed lengths."""
_LEAK = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest move of a logit, as a share of their spread, that rounding can explain."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """Tokens that see each other.

    Attributes:
        ids: Token numbers, shape (T,).
        is_target: Whether the loss is taken on each token, shape (T,); never on the first, which
            nothing predicts.
    """

    ids: npt.NDArray[np.int32]
    is_target: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def document(ids: Sequence[int], n_prompt: int = 0) -> Document:
    """A document whose loss is taken from token `n_prompt` on, and never on the first token."""
    is_target = np.arange(len(ids)) >= max(1, n_prompt)
    return Document(np.asarray(ids, dtype=np.int32), is_target)


def pieces(whole: Document, length: int) -> Iterator[Document]:
    """A document cut into pieces of at most `length` tokens, each of which stands alone.

    A piece begins without what came before it, so its first token is not predicted. A last piece
    of one token would teach nothing and is left out.
    """
    for start in range(0, len(whole), length):
        ids = whole.ids[start : start + length]
        if len(ids) > 1:
            is_target = whole.is_target[start : start + length].copy()
            is_target[0] = False
            yield Document(ids, is_target)


def pack(
    lengths: Sequence[int], length: int, *, n_open: int = OPEN_ROWS, most_rows: int | None = None
) -> list[list[int]]:
    """Rows of document numbers, each of at most `length` tokens in sum; every document once.

    Best fit: a document goes into the fullest open row that has room for it, and the fullest row is
    closed when more than `n_open` are open. So documents keep their order up to `n_open` rows, and
    the same lengths give the same rows.

    >>> pack([3, 5, 2, 4], 8)
    [[0, 1], [2, 3]]

    Args:
        most_rows: End before the first document that has no room in so many rows. What is packed
            is then the beginning of the documents, so that shares of sources in it stay.

    Raises:
        ValueError: a document is longer than a row.
    """
    rows: list[list[int]] = []
    closed: list[int] = []
    room: list[tuple[int, int]] = []  # tokens free and number of each open row, ascending
    for number, need in enumerate(lengths):
        if not 0 < need <= length:
            raise ValueError(f"document {number} of {need} tokens in rows of {length}")
        at = bisect_left(room, (need, -1))
        if at < len(room):
            free, row = room.pop(at)
        elif len(rows) == most_rows:
            break
        else:
            free, row = length, len(rows)
            rows.append([])
        rows[row].append(number)
        insort(room, (free - need, row))
        while room and (room[0][0] == 0 or len(room) > n_open):
            closed.append(room.pop(0)[1])
    closed += sorted(row for _, row in room)
    return [rows[row] for row in closed]


def one_a_row(n_documents: int) -> list[list[int]]:
    """Rows without packing."""
    return [[number] for number in range(n_documents)]


def batch_of(rows: Sequence[Sequence[Document]], *, pad_id: int = 0, device: Any = "cpu") -> Batch:
    """Rows of documents as a batch, as wide as the fullest; the filling counts as one more."""
    used = [sum(map(len, row)) for row in rows]
    shape = (len(rows), max(used))
    ids_BT = np.full(shape, pad_id, dtype=np.int64)
    positions_BT = np.zeros(shape, dtype=np.int64)
    mask_BT = np.zeros(shape, dtype=np.bool_)
    for i, row in enumerate(rows):
        ids_BT[i, : used[i]] = np.concatenate([part.ids for part in row])
        mask_BT[i, : used[i]] = np.concatenate([part.is_target for part in row])
        spans = [*map(len, row), shape[1] - used[i]]
        positions_BT[i] = np.concatenate([np.arange(span) for span in spans])
    return Batch(
        ids_BT=torch.from_numpy(ids_BT).to(device),
        mask_BT=torch.from_numpy(mask_BT).to(device),
        length_B=torch.tensor(used),
        rows_B=torch.arange(len(rows), device=device),
        positions_BT=torch.from_numpy(positions_BT).to(device),
    )


@torch.no_grad()
def check_apart(network: Any, name: str, *, length: int = 8) -> None:
    """Try that a document's logits hang neither on its neighbours nor on its place in the row.

    Raises:
        ModelError: the architecture looks across documents; the message tells the way out.
    """
    ids_T = np.arange(3 * length) * 7919 % network.config.get_text_config().vocab_size
    parts = [document(ids_T[at : at + length].tolist()) for at in range(0, 3 * length, length)]
    was_training = network.training
    network.eval()
    batch = batch_of([parts], device=network.device)
    packed_TV = network(
        input_ids=batch.ids_BT, position_ids=batch.positions_BT, use_cache=False
    ).logits[0, -length:]
    alone_TV = network(input_ids=batch.ids_BT[:, -length:], use_cache=False).logits[0]
    network.train(was_training)
    moved = (packed_TV - alone_TV).abs().max() / alone_TV.float().std().clamp_min(1e-6)
    if moved.item() > _LEAK[network.dtype]:
        raise ModelError(
            f"{name} ({network.config.model_type}) looks across the documents of one row; "
            "use --no-pack, which gives each document a row of its own"
        )
