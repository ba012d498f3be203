"""Rows of documents: none lost, none that sees another, and the loss of each document alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import save_tiny
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from pathshift.errors import ModelError
from pathshift.training.packing import (
    Document,
    batch_of,
    check_apart,
    document,
    one_a_row,
    pack,
    pieces,
)
from pathshift.training.sequences import token_logprobs

Network = Any


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = save_tiny(tmp_path_factory.mktemp("tiny"), width=32, layers=2)
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def documents(*spans: tuple[int, int]) -> list[Document]:
    """Random documents of (length, prompt length)."""
    rng = np.random.default_rng(5)
    return [document(rng.integers(0, 257, n).tolist(), prompt) for n, prompt in spans]


def alone(network: Network, doc: Document) -> float:
    """transformers' own loss of one document: a mean over its targets, times their number."""
    ids = torch.tensor(doc.ids.astype(np.int64))[None]
    labels = torch.where(torch.from_numpy(doc.is_target)[None], ids, -100)
    mean = network(input_ids=ids, labels=labels).loss
    return float(mean) * int(doc.is_target.sum())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_loss_of_packed_rows_is_the_sum_of_the_documents_alone(
    network: Network, attention: str
) -> None:
    network.set_attn_implementation(attention)
    docs = documents((9, 4), (1, 0), (14, 0), (2, 1), (30, 11), (5, 5))
    rows = [[docs[i] for i in row] for row in pack([len(d) for d in docs], 32)]
    assert len(rows) == 2
    batch = batch_of(rows)
    with torch.no_grad():
        found = -float(token_logprobs(network, batch).logp_BT.sum())
        expected = sum(alone(network, d) for d in docs if d.is_target.any())
    assert batch.n_predicted == 5 + 13 + 1 + 19 == sum(int(d.is_target.sum()) for d in docs)
    assert found / batch.n_predicted == pytest.approx(expected / batch.n_predicted, abs=1e-5)


def test_a_neighbour_changed_changes_nothing_and_its_gradient_is_zero(network: Network) -> None:
    """The loss of one document as a function of the embeddings of the other."""
    first, second = documents((12, 0), (10, 0))
    unheard = Document(first.ids, np.zeros(12, dtype=np.bool_))
    batch = batch_of([[unheard, second]])
    seen: list[torch.Tensor] = []

    def keep(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        output.retain_grad()
        seen.append(output)
        return output

    handle = network.get_input_embeddings().register_forward_hook(keep)
    token_logprobs(network, batch).logp_BT.sum().backward()  # type: ignore[no-untyped-call]
    handle.remove()
    gradient_TD = seen[0].grad
    assert gradient_TD is not None
    assert gradient_TD[0, :12].abs().max() == 0
    assert gradient_TD[0, 12:].abs().max() > 0


def test_without_position_ids_the_documents_would_leak(network: Network) -> None:
    """What the test above can tell: one causal row, as a packer without care makes it."""
    docs = documents((12, 0), (10, 0))
    batch = batch_of([docs])
    with torch.no_grad():
        careless = network(input_ids=batch.ids_BT).logits[0, 12:]
        careful = network(input_ids=batch.ids_BT, position_ids=batch.positions_BT).logits[0, 12:]
    assert (careless - careful).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_check_passes_usual_models(network: Network, kind: str) -> None:
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=99, n_embd=16, n_layer=2, n_head=2))
    check_apart(network if kind == "llama" else gpt2, kind)


def test_a_model_that_looks_across_documents_is_refused(network: Network) -> None:
    class Careless(torch.nn.Module):
        """Ignores the position ids, as a layer with a state along the row does."""

        config, dtype, device = network.config, torch.float32, torch.device("cpu")

        def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
            return SimpleNamespace(logits=network(input_ids=input_ids).logits)

    with pytest.raises(ModelError, match=r"odd \(llama\) looks across .* use --no-pack"):
        check_apart(Careless(), "odd")


@given(st.lists(st.integers(1, 32), max_size=200), st.integers(1, 20))
def test_every_document_stands_once_in_rows_that_are_not_too_long(
    lengths: list[int], n_open: int
) -> None:
    rows = pack(lengths, 32, n_open=n_open)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[i] for i in row) <= 32 for row in rows)
    assert rows == pack(lengths, 32, n_open=n_open)


def test_rows_of_mixed_lengths_are_nearly_full() -> None:
    lengths = np.random.default_rng(0).integers(10, 400, 5_000).tolist()
    rows = pack(lengths, 1024)
    assert sum(lengths) / (1024 * len(rows)) > 0.98


def test_documents_keep_their_order_up_to_the_open_rows() -> None:
    """With two open rows nothing overtakes by more than two rows."""
    assert pack([6, 6, 6, 4, 4], 10, n_open=2) == [[0], [1, 3], [2, 4]]
    assert one_a_row(3) == [[0], [1], [2]]
    with pytest.raises(ValueError, match="document 1 of 11 tokens in rows of 10"):
        pack([3, 11], 10)


def test_pieces_stand_alone_and_lose_no_token_but_a_single_last_one() -> None:
    whole = document(list(range(9)))
    cut = list(pieces(whole, 4))
    assert [piece.ids.tolist() for piece in cut] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [piece.is_target.tolist() for piece in cut] == [[False, True, True, True]] * 2
    assert [len(piece) for piece in pieces(whole, 9)] == [9]


def test_a_batch_is_as_wide_as_its_fullest_row() -> None:
    batch = batch_of([documents((3, 1), (2, 0)), documents((4, 2))], pad_id=7)
    assert batch.ids_BT.shape == (2, 5)
    assert batch.positions_BT is not None
    assert batch.positions_BT.tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 3, 0]]
    assert batch.mask_BT.tolist() == [
        [False, True, True, False, True],
        [False, False, True, True, False],
    ]
    assert (batch.n_predicted, batch.length_B.tolist(), int(batch.ids_BT[1, 4])) == (5, [5, 4], 7)
