"""New networks: their size, their tokenizer, the table of tokens against parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import save_tiny

from pathshift.errors import ConfigError, ModelError
from pathshift.training.fitting import Schedule
from pathshift.training.pretrain import (
    Budget,
    Shape,
    budget_of,
    byte_tokenizer,
    load_tokenizer,
    new_student,
)


@pytest.mark.parametrize("text", ["plain", "ä €\n\t 漢 \U0001f600", "  two  spaces", "<b>", "it's"])
def test_every_text_is_written_and_read_byte_by_byte(text: str) -> None:
    tokenizer = byte_tokenizer()
    ids = tokenizer.encode(text)
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text
    assert (len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id) == (258, 0, 1)


@pytest.mark.parametrize("matrices", [1, 2])
def test_the_parameters_are_what_a_hand_counts(matrices: int) -> None:
    shape = Shape(width=32, layers=2, heads=4, kv_heads=2, inner=80, context=64, tied=matrices == 1)
    student = new_student(shape, byte_tokenizer(), seed=0)
    attention = 32 * 32 * 2 + 32 * 16 * 2  # queries and output; keys and values of half the heads
    layer = attention + 3 * 32 * 80 + 2 * 32
    embedding = 258 * 32 * matrices
    nothing = Schedule(sources=(), rows=(), evals=(), table=(), n_steps=0)
    budget = budget_of(student, nothing)
    assert budget.parameters == 2 * layer + 32 + embedding
    assert budget.embedding == embedding


def test_the_table_says_how_far_from_compute_optimal() -> None:
    budget = Budget(parameters=1_000_000, embedding=33_024, tokens=5_000_000)
    assert budget.tokens_a_parameter == 5
    assert budget.flops == 3e13
    assert budget.lines() == [
        "parameters          1,000,000  33,024 of them embedding",
        "tokens              5,000,000  about 3.0e+13 operations",
        "tokens a parameter       5.00  0.25 of the 20 that are compute-optimal",
    ]


def test_the_same_seed_gives_the_same_bits_and_touches_no_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, same, other = (new_student(Shape(width=16, layers=1, heads=2), byte_tokenizer(), seed=seed)
                        for seed in (4, 4, 5))  # fmt: skip
    assert torch.equal(torch.rand(1), expected)
    weights = [s.network.state_dict()["model.embed_tokens.weight"] for s in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.weights_hash == same.weights_hash != other.weights_hash


def test_the_first_weights_spread_as_asked_and_positions_turn_by_their_base() -> None:
    shape = Shape(width=64, layers=1, heads=2, init=0.1, rope_theta=100.0)
    network = new_student(shape, byte_tokenizer(), seed=0).network
    for name in ("self_attn.q_proj", "mlp.up_proj"):
        weight = network.model.layers[0].get_submodule(name).weight
        assert float(weight.detach().std()) == pytest.approx(0.1, rel=0.05)
    turns = network.model.rotary_emb.inv_freq  # of 32 axes a head: 100^(-2i/32)
    assert turns.tolist() == pytest.approx([100 ** (-i / 16) for i in range(16)])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 30}, "width must be a multiple of twice the heads, got 30 and 4"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"kv_heads": 3}, "heads 4 must be a multiple of kv heads 3"),
        ({"inner": 0}, "inner must be at least 1, got 0"),
        ({"init": 0.0}, "init must be above 0, got 0"),
        ({"rope_theta": 1.0}, "rope theta must be above 1, got 1"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Shape(**wrong)


def test_a_tokenizer_comes_from_a_folder_too(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny")
    assert load_tokenizer(str(folder)).eos_token == "<end>"
    with pytest.raises(ModelError, match=r"tokenizer .*nothing cannot be loaded"):
        load_tokenizer(str(tmp_path / "nothing"))
