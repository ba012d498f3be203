"""Prompts read once, against rows of their own: values, gradients, and who may look at whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from pathshift.training import sequences
from pathshift.training.sequences import (
    Batch,
    Transcript,
    last_hidden,
    micro_batches,
    pad_batch,
    token_logprobs,
)
from pathshift.training.shared_prompts import best_number, can_share, layout_of, same_prompts

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def llama() -> Any:
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**SIZES, initializer_range=0.3)).eval()


def qwen() -> Any:
    torch.manual_seed(2)
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8, initializer_range=0.3)).eval()


def gpt2() -> Any:
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3
    )
    return GPT2LMHeadModel(config).eval()


def windowed() -> Any:
    torch.manual_seed(4)
    return MistralForCausalLM(MistralConfig(**SIZES, sliding_window=4)).eval()


def groups(n_groups: int = 3, n: int = 5, prompt: int = 9) -> Batch:
    """Rows of several prompts, mixed, with completions of 1 to 6 tokens."""
    generator = torch.Generator().manual_seed(0)

    def tokens(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(1, 50, (length,), generator=generator).tolist())

    prompts = [tokens(prompt + g) for g in range(n_groups)]
    rows = [
        Transcript(prompt_ids=prompts[g], completion_ids=tokens(1 + (7 * i + g) % 6))
        for i in range(n)
        for g in range(n_groups)
    ]
    return pad_batch(rows)


def gradients(network: Any, batch: Batch, coefficient_BT: torch.Tensor) -> tuple[Any, torch.Tensor]:
    network.zero_grad()
    found = token_logprobs(network, batch, temperature=0.7, with_entropy=True)
    loss = ((found.logp_BT + 0.3 * found.entropy_BT) * coefficient_BT).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    flat = torch.cat([w.grad.flatten() for w in network.parameters() if w.grad is not None])
    return found, flat


@pytest.mark.parametrize("make", [llama, qwen, gpt2])
def test_values_and_gradients_are_those_of_rows_of_their_own(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, batch = make(), groups()
    coefficient_BT = torch.randn(batch.ids_BT.shape, generator=torch.Generator().manual_seed(5))
    assert can_share(network)
    shared, by_shared = gradients(network, batch, coefficient_BT)
    monkeypatch.setattr(sequences, "can_share", lambda network: False)
    alone, by_alone = gradients(network, batch, coefficient_BT)
    torch.testing.assert_close(shared.logp_BT, alone.logp_BT, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shared.entropy_BT, alone.entropy_BT, rtol=1e-4, atol=1e-4)
    assert (by_shared - by_alone).norm() < 1e-4 * by_alone.norm()


def test_hidden_states_are_those_of_rows_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = llama(), groups()
    shared_BTD = last_hidden(network, batch)
    monkeypatch.setattr(sequences, "can_share", lambda network: False)
    alone_BTD = last_hidden(network, batch)
    for row, length in enumerate(batch.length_B.tolist()):
        torch.testing.assert_close(
            shared_BTD[row, :length], alone_BTD[row, :length], rtol=1e-4, atol=1e-4
        )


def test_fewer_tokens_go_through_the_network() -> None:
    network, batch = llama(), groups(n_groups=2, n=8, prompt=40)
    seen: list[int] = []
    network.model.register_forward_hook(
        lambda _module, _args, kwargs, _out: seen.append(kwargs["input_ids"].numel()),
        with_kwargs=True,
    )
    can_share(network)
    seen.clear()
    token_logprobs(network, batch)
    assert sum(seen) < 0.5 * batch.ids_BT.numel()


def test_a_token_sees_its_prompt_and_the_completion_before_it_and_nothing_else() -> None:
    ids_BT = torch.tensor([[1, 2, 3, 4, 0], [1, 2, 5, 6, 7]])
    layout = layout_of(ids_BT, [2, 2], [4, 5], 2)
    assert layout.ids_RL.tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    assert layout.positions_RL.tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert [row.nonzero().flatten().tolist() for row in layout.sees_RLL[0]] == [
        [0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [0, 1, 4, 5], [0, 1, 4, 5, 6],
    ]  # fmt: skip
    assert layout.at_BT[0, :4].tolist() == [0, 1, 2, 3]
    assert layout.at_BT[1].tolist() == [0, 1, 4, 5, 6]


def test_completions_are_dealt_evenly_to_layout_rows() -> None:
    ids_BT = torch.tensor([[1, 10 + row] for row in range(5)])
    layout = layout_of(ids_BT, [1] * 5, [2] * 5, 4)
    assert layout.ids_RL.tolist() == [[1, 10, 12, 14], [1, 11, 13, 0]]


def test_a_network_with_a_window_keeps_rows_of_their_own() -> None:
    assert not can_share(windowed())


def test_rows_of_one_prompt_are_found_wherever_they_stand() -> None:
    ids_BT = torch.tensor([[1, 2, 9], [1, 3, 9], [1, 2, 8]])
    assert same_prompts(ids_BT, [2, 2, 2]) == [[0, 2], [1]]


def test_a_long_prompt_is_shared_by_all_and_a_short_one_by_some() -> None:
    network = llama()
    assert best_number(network, prompt=2000, completion=4, n=16) == 16
    assert best_number(network, prompt=1, completion=1000, n=16) == 1
    between = best_number(network, prompt=40, completion=60, n=16)
    assert 1 < between < 16


def test_pieces_keep_groups_whole_where_they_fit() -> None:
    batch = groups(n_groups=4, n=5, prompt=9)
    pieces = micro_batches(batch, 2 * 5 * 18)
    for piece in pieces:
        assert piece.prompt_B is not None
        found = same_prompts(piece.ids_BT, piece.prompt_B.tolist())
        assert [len(group) for group in found] == [5] * len(found)
    assert sorted(int(row) for piece in pieces for row in piece.rows_B) == list(range(20))
