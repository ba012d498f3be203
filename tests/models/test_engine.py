"""The engine on small random networks, against transformers' eager attention and enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from pathshift.decoding.policy import Policy
from pathshift.models.hf import engine as engines
from pathshift.models.hf.attention import ROOM, Group, moved
from pathshift.models.hf.engine import Engine, read
from pathshift.models.hf.rows import Asked, Drawing, Row

VOCABULARY = 50
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3,
    "max_position_embeddings": 512, "initializer_range": 0.3,
}  # fmt: skip
PROMPTS = ([5, 9, 2, 40], [7], list(range(30)), [1, 1, 1, 8, 20, 3, 3])


def network(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(1)
    if kind == "gpt2":
        config = GPT2Config(
            vocab_size=VOCABULARY, n_embd=48, n_layer=3, n_head=4, n_positions=512,
            initializer_range=0.3, bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        made: Any = GPT2LMHeadModel(config)
    elif kind == "window":
        made = MistralForCausalLM(
            MistralConfig(**SMALL, num_attention_heads=6, num_key_value_heads=2, sliding_window=8)
        )
    else:
        heads = {"grouped": (6, 2), "multi": (4, 4), "one": (6, 1)}[kind]
        made = LlamaForCausalLM(
            LlamaConfig(**SMALL, num_attention_heads=heads[0], num_key_value_heads=heads[1])
        )
    return made.to(dtype).eval()


def ends(tokens: Sequence[int]) -> bool:
    """Some rows end early, some late."""
    return tokens[-1] % 7 == 0


def drawing(**policy: Any) -> Drawing:
    return Drawing(policy=Policy(**{"max_tokens": 12, **policy}), ends=ends, with_entropies=True)


def asked(counts: Sequence[int]) -> list[Asked]:
    return [
        Asked(prompt, range(100 * i, 100 * i + n))
        for i, (prompt, n) in enumerate(zip(PROMPTS, counts, strict=False))
    ]


def plain_logprobs(model: Any, prompt: Sequence[int], row: Row) -> torch.Tensor:
    """Log-probabilities (T, V) of a row's positions by one eager pass, fp64."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *row.tokens]])).logits[0, len(prompt) - 1 : -1]
    plain: torch.Tensor = logits.double().log_softmax(-1)
    return plain


@pytest.mark.parametrize("kind", ["grouped", "multi", "one", "gpt2", "window"])
def test_log_probabilities_are_those_of_eager_attention(kind: str) -> None:
    engine = Engine(network(kind), 32)
    eager = network(kind)
    eager.set_attn_implementation("eager")
    found = engine.sample(asked([40, 3, 17, 20]), drawing(temperature=0.8))
    assert engine._shares is (kind != "window")
    assert len({len(row.tokens) for rows in found for row in rows}) > 5
    for prompt, rows in zip(PROMPTS, found, strict=True):
        for row in rows:
            plain = plain_logprobs(eager, prompt, row)
            chosen = plain.gather(-1, torch.tensor(row.tokens)[:, None])[:, 0]
            assert row.logprobs == pytest.approx(chosen.tolist(), abs=1e-3)
            nats = -(plain.exp() * plain).sum(-1)
            assert row.entropies == pytest.approx(nats.tolist(), abs=1e-3)
            assert row.finish_reason == ("stop" if ends(row.tokens) else "length")


@pytest.mark.parametrize("kind", ["grouped", "one", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sample_is_the_same_to_the_last_bit_beside_other_prompts(
    kind: str, dtype: torch.dtype
) -> None:
    engine, counts = Engine(network(kind, dtype), 64), [70, 30, 45, 1]
    together = engine.sample(asked(counts), drawing(max_tokens=80))
    for i, one in enumerate(asked(counts)):
        assert engine.sample([one], drawing(max_tokens=80)) == [together[i]]
    few = [Asked(PROMPTS[2], [203]), Asked(PROMPTS[0], [61, 5])]
    ((third,), (last, sixth)) = Engine(network(kind, dtype), 64).sample(few, drawing(max_tokens=80))
    assert third == together[2][3]
    assert (last, sixth) == (together[0][61], together[0][5])


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(live rows, height) of every pass of the engine."""
    seen: list[tuple[int, int]] = []
    original = engines.forward

    def forward(net: Any, groups: Any, tokens: Any, height: int) -> torch.Tensor:
        seen.append((len(tokens), height))
        return original(net, groups, tokens, height)

    monkeypatch.setattr(engines, "forward", forward)
    return seen


def test_rows_of_the_next_prompt_fill_the_places_of_those_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(network("grouped"), 32)
    engine.sample(asked([1]), drawing())
    engine._same_bits |= {16: True}
    seen = watched(monkeypatch)
    found = engine.sample(asked([90, 60, 70, 80]), drawing(max_tokens=40))
    after_first = sum(len(row.tokens) - 1 for rows in found for row in rows)
    assert sum(live for live, _ in seen) == after_first
    assert {height for _, height in seen} == {16, 32}
    full = [live for live, height in seen if height == 32][:-8]
    assert min(full) > 32 - 32 // 8
    longest = sum(max(len(row.tokens) for row in rows) for rows in found)
    assert len(seen) < after_first / 32 + longest / 3


def test_a_lower_height_that_rounds_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_equal_at", lambda net, full, height: height != 32)
    engine = Engine(network("grouped"), 64)
    seen = watched(monkeypatch)
    engine.sample(asked([3]), drawing())
    assert {height for _, height in seen if height > 2} == {64}  # 2: the trial of the network


def test_a_prompt_is_read_once_and_held_once() -> None:
    model = network("grouped")
    lengths: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append((args[0] if args else kwargs["input_ids"]).shape[1]),
        with_kwargs=True,
    )
    engine = Engine(model, 32)
    engine.sample(asked([1]), drawing())
    lengths.clear()
    engine.sample([Asked(list(range(30)), range(200))], drawing())
    assert [length for length in lengths if length > 1] == [30]


def test_buffers_grow_with_what_was_drawn_and_not_with_the_prompt() -> None:
    group = Group(read(network("grouped"), [1] * 400), 64, 1000)
    for length in (0, 1, ROOM - 1, ROOM, ROOM + 1):
        group.length = length
        group.make_room()
        assert group.keys[0].shape[2] <= length + ROOM
    group.length = 3
    group.keep(range(20))
    assert len(group.values[0]) == 20


def test_kept_rows_move_into_the_gaps_with_their_keys() -> None:
    group = Group(read(network("grouped"), [1, 2]), 8, 4)
    group.make_room()
    group.length = 1
    for held in (*group.keys, *group.values):
        held[:, :, 0] = torch.arange(8.0)[:, None, None]
    group.keep([1, 2, 5, 6, 7])
    assert moved([1, 2, 5, 6, 7]) == [7, 1, 2, 6, 5]
    for held in (*group.keys, *group.values):
        assert held[:5, 0, 0, 0].tolist() == [7, 1, 2, 6, 5]


def test_sequences_are_drawn_with_their_exact_probabilities() -> None:
    torch.manual_seed(5)
    config = {**SMALL, "vocab_size": 5, "initializer_range": 0.2}
    model = LlamaForCausalLM(
        LlamaConfig(**config, num_attention_heads=6, num_key_value_heads=2)
    ).eval()
    every = list(itertools.product(range(5), repeat=3))
    ids = torch.tensor([[1, 2, *tokens] for tokens in every])
    with torch.inference_mode():
        logprobs = model(ids).logits[:, 1:-1].double().log_softmax(-1)
    exact = logprobs.gather(-1, ids[:, 2:, None])[..., 0].sum(-1).exp().numpy()
    n = 20_000
    free = Drawing(policy=Policy(max_tokens=3), ends=lambda tokens: False)
    (rows,) = Engine(model, 512).sample([Asked([1, 2], range(n))], free)
    counts = dict.fromkeys(every, 0)
    for row in rows:
        counts[tuple(row.tokens)] += 1
    seen, expected = np.array([counts[tokens] for tokens in every]), exact * n
    rare = expected < 5
    seen = np.append(seen[~rare], seen[rare].sum() + 1)
    expected = np.append(expected[~rare], expected[rare].sum() + 1)
    assert exact.sum() == pytest.approx(1)
    assert chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-4


def test_other_uses_of_the_network_are_transformers_own() -> None:
    shared, own = network("grouped"), network("grouped")
    engine = Engine(shared, 16)
    engine.sample(asked([1]), drawing())
    ids = torch.tensor([PROMPTS[2], PROMPTS[2][::-1]])
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    with torch.inference_mode():
        ours, theirs = (m(ids, attention_mask=mask).logits for m in (shared, own))
        assert torch.equal(ours[:, 5:], theirs[:, 5:])
        ours, theirs = (
            m.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=9, pad_token_id=0)
            for m in (shared, own)
        )
    assert torch.equal(ours, theirs)
