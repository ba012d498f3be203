from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import save_tiny
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    PreTrainedConfig,
)

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError
from pathshift.models.hf.model import load_hf, load_parts
from pathshift.models.protocol import Request
from pathshift.training.chosen import chosen_logprob
from pathshift.training.network_parts import split_of
from pathshift.training.sequences import (
    Batch,
    Transcript,
    end_id_of,
    last_hidden,
    micro_batches,
    pad_batch,
    token_logprobs,
    unfit,
)

V = 257


def network_of(config: PreTrainedConfig, scale: float = 1.0) -> Any:
    """A random network whose logits are `scale` times as far apart as at its beginning."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(scale if weight.ndim > 1 else 1.0)
    return network


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_tiny(tmp_path_factory.mktemp("tiny"))
    return load_parts("tiny", str(folder), revision=None, dtype="fp32", device="cpu")[0]


def sequence(prompt: int, completion: int, *, seed: int, old: bool = False) -> Transcript:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, V, (prompt + completion,), generator=generator).tolist()
    return Transcript(
        prompt_ids=tuple(ids[:prompt]),
        completion_ids=tuple(ids[prompt:]),
        old_logprobs=tuple(-0.1 * i for i in range(completion)) if old else None,
    )


def mixed(*, old: bool = False) -> list[Transcript]:
    lengths = [(5, 7), (3, 2), (9, 1), (1, 12), (0, 4)]
    return [sequence(p, c, seed=i, old=old) for i, (p, c) in enumerate(lengths)]


def plainly(network: Any, one: Transcript, temperature: float) -> tuple[Tensor, Tensor]:
    """ln p and entropy of a completion's tokens, the row alone, from all logits at once."""
    ids = torch.tensor([one.prompt_ids + one.completion_ids])
    logits_TV = network(input_ids=ids).logits[0].float() / temperature
    first = max(1, len(one.prompt_ids))
    logp_NV = logits_TV[first - 1 : -1].log_softmax(-1)
    logp_N = logp_NV.gather(-1, ids[0, first:, None]).squeeze(-1)
    return logp_N, -(logp_NV.exp() * logp_NV).sum(-1)


SMALL = {"vocab_size": V, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
FOUR = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES: dict[str, tuple[PreTrainedConfig, bool]] = {
    "gpt2": (GPT2Config(n_embd=32, n_layer=2, n_head=4, **SMALL), True),
    "no position ids": (BloomConfig(hidden_size=32, n_layer=2, n_head=4, **SMALL), True),
    "tied": (LlamaConfig(**FOUR, intermediate_size=64, tie_word_embeddings=True, **SMALL), True),
    "capped logits, sliding window": (
        Gemma2Config(
            **FOUR, intermediate_size=64, num_key_value_heads=2, head_dim=8, sliding_window=4,
            final_logit_softcapping=2.0, **SMALL,
        ),
        False,
    ),
    "scaled logits": (
        CohereConfig(**FOUR, intermediate_size=64, num_key_value_heads=4, **SMALL), False
    ),
    "no attention": (MambaConfig(hidden_size=32, num_hidden_layers=2, **SMALL), True),
}  # fmt: skip


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_batch_gives_what_each_row_gives_alone(family: str, temperature: float) -> None:
    config, is_split = FAMILIES[family]
    network = network_of(config, scale=4.0)
    assert (split_of(network) is not None) == is_split
    rows = mixed()
    batch = pad_batch(rows)
    found = token_logprobs(network, batch, temperature=temperature, with_entropy=True)
    for i, one in enumerate(rows):
        logp_N, entropy_N = plainly(network, one, temperature)
        mask_T = batch.mask_BT[i]
        torch.testing.assert_close(found.logp_BT[i][mask_T], logp_N, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.entropy_BT[i][mask_T], entropy_N, atol=1e-5, rtol=0)
    assert not found.logp_BT[~batch.mask_BT].any()
    assert not found.entropy_BT[~batch.mask_BT].any()


def test_a_cap_is_seen_where_logits_are_still_far_below_it() -> None:
    config = Gemma2Config(
        **FOUR, intermediate_size=64, num_key_value_heads=2, head_dim=8,
        final_logit_softcapping=30.0, **SMALL,
    )  # fmt: skip
    network = network_of(config, scale=0.1)
    with torch.no_grad():
        assert network(input_ids=torch.tensor([[0, 1]])).logits.abs().max() < 0.1
    assert split_of(network) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft calls what transformers renames
def test_a_lora_network_is_scored_with_its_adapter(llama: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    base = AutoModelForCausalLM.from_pretrained(save_tiny(tmp_path)).eval()
    wrapped = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj", "down_proj"]))
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(1))
    rows = mixed()
    batch = pad_batch(rows)
    found = token_logprobs(wrapped.eval(), batch).logp_BT
    assert split_of(wrapped) is not None
    for i, one in enumerate(rows):
        want_N = plainly(wrapped, one, 1.0)[0]
        torch.testing.assert_close(found[i][batch.mask_BT[i]], want_N, atol=1e-5, rtol=0)
    assert (found - token_logprobs(llama, batch).logp_BT).abs().max() > 0.1


@pytest.mark.parametrize("family", ["tied", "capped logits, sliding window"])
def test_pieces_of_the_logits_change_neither_values_nor_gradients(family: str) -> None:
    network = network_of(FAMILIES[family][0], scale=4.0)
    batch = pad_batch(mixed())
    weight_BT = torch.randn(batch.mask_BT.shape, generator=torch.Generator().manual_seed(0))

    def values_and_gradients(most_logits: int) -> list[Tensor]:
        network.zero_grad()
        found = token_logprobs(network, batch, with_entropy=True, most_logits=most_logits)
        ((found.logp_BT + 0.3 * found.entropy_BT) * weight_BT).sum().backward()  # type: ignore[no-untyped-call]
        grads = [weight.grad.clone() for weight in network.parameters()]
        return [found.logp_BT.detach(), found.entropy_BT.detach(), *grads]

    for whole, pieces in zip(values_and_gradients(2**25), values_and_gradients(3 * V), strict=True):
        torch.testing.assert_close(pieces, whole, atol=2e-5, rtol=1e-4)


def test_no_more_logits_than_allowed_are_held_at_once(llama: Any) -> None:
    batch = pad_batch(mixed())
    assert split_of(llama) is not None
    seen: list[int] = []
    hook = llama.get_output_embeddings().register_forward_hook(
        lambda _module, _inputs, out: seen.append(out.numel())
    )
    try:
        found = token_logprobs(llama, batch, most_logits=4 * V)
        found.logp_BT.sum().backward()  # type: ignore[no-untyped-call]
    finally:
        hook.remove()
    llama.zero_grad()
    assert max(seen) == 4 * V
    assert sum(seen) == 2 * batch.n_predicted * V, "once forth, once on the way back"


def test_gradients_of_logprob_and_entropy_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NV = torch.randn(4, 7, generator=generator, dtype=torch.float64) * 3
    target_N = torch.tensor([0, 6, 3, 3])

    def both(logits_NV: Tensor) -> tuple[Tensor, Tensor]:
        return chosen_logprob(logits_NV, target_N, with_entropy=True)

    assert torch.autograd.gradcheck(both, logits_NV.requires_grad_())


def test_a_token_ruled_out_makes_no_number_nan() -> None:
    logits_NV = torch.tensor([[0.0, 0.0, -torch.inf]], requires_grad=True)
    logp_N, entropy_N = chosen_logprob(logits_NV, torch.tensor([0]), with_entropy=True)
    (logp_N + entropy_N).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(logp_N, torch.tensor([0.5]).log())
    torch.testing.assert_close(entropy_N, torch.tensor([2.0]).log())
    torch.testing.assert_close(logits_NV.grad, torch.tensor([[0.5, -0.5, 0.0]]))


def test_entropy_is_nan_where_it_was_not_asked_for(llama: Any) -> None:
    batch = pad_batch(mixed())
    with torch.no_grad():
        assert token_logprobs(llama, batch).entropy_BT[batch.mask_BT].isnan().all()


def test_a_batch_says_which_tokens_are_predicted_and_from_where() -> None:
    batch = pad_batch(
        [
            Transcript(prompt_ids=(5, 6), completion_ids=(7,), old_logprobs=(-0.5,)),
            Transcript(prompt_ids=(), completion_ids=(1, 2, 3, 4), old_logprobs=(-1, -2, -3, -4)),
        ]
    )
    assert batch.ids_BT.tolist() == [[5, 6, 7, 0], [1, 2, 3, 4]]
    assert batch.mask_BT.int().tolist() == [[0, 0, 1, 0], [0, 1, 1, 1]]
    assert batch.old_logp_BT is not None
    assert batch.old_logp_BT.tolist() == [[0, 0, -0.5, 0], [0, -2, -3, -4]]
    assert batch.length_B.tolist() == [3, 4]
    assert batch.n_predicted == 4


@pytest.mark.parametrize("most_tokens", [1, 13, 26, 40, 10_000])
def test_gradients_of_micro_batches_add_up_to_the_whole_batchs(
    llama: Any, most_tokens: int
) -> None:
    batch = pad_batch(mixed(old=True))
    advantage_B = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    row_weight_BT = torch.randn(batch.mask_BT.shape, generator=torch.Generator().manual_seed(2))
    n_tokens = batch.n_predicted

    def loss_of(part: Batch) -> Tensor:
        assert part.old_logp_BT is not None
        ratio_BT = (token_logprobs(llama, part).logp_BT - part.old_logp_BT).clamp(-3, 3).exp()
        weight_BT = part.part(advantage_B)[:, None] * part.part(row_weight_BT)
        return -(ratio_BT * weight_BT * part.mask_BT).sum() / n_tokens

    def gradients(parts: list[Batch]) -> list[Tensor]:
        llama.zero_grad()
        for part in parts:
            loss_of(part).backward()  # type: ignore[no-untyped-call]
        return [weight.grad.clone() for weight in llama.parameters()]

    pieces = micro_batches(batch, most_tokens)
    assert sum(piece.n_predicted for piece in pieces) == n_tokens
    assert len(pieces) == {1: 5, 13: 4, 26: 3, 40: 2, 10_000: 1}[most_tokens]
    for whole, added in zip(gradients([batch]), gradients(pieces), strict=True):
        torch.testing.assert_close(added, whole, atol=1e-6, rtol=1e-4)
    llama.zero_grad()


def test_micro_batches_keep_to_the_budget_and_every_row_once() -> None:
    rows = [sequence(2, c, seed=c) for c in (3, 30, 1, 8, 8, 2, 19)]
    pieces = micro_batches(pad_batch(rows), 34)
    assert sorted(int(row) for piece in pieces for row in piece.rows_B) == list(range(7))
    for piece in pieces:
        assert piece.ids_BT.numel() <= 34
        for row, ids_T, length in zip(piece.rows_B, piece.ids_BT, piece.length_B, strict=True):
            one = rows[int(row)]
            assert tuple(ids_T[:length].tolist()) == one.prompt_ids + one.completion_ids


def test_rows_of_rows_are_still_numbered_in_the_first_batch() -> None:
    batch = pad_batch(mixed())
    twice = batch.take([3, 1, 0]).take([2, 1])
    assert twice.rows_B.tolist() == [0, 1]
    assert twice.part(torch.arange(5)).tolist() == [0, 1]
    assert twice.ids_BT.shape == (2, 12)


def test_rows_of_several_texts_are_scored_as_the_texts_alone(llama: Any) -> None:
    first, second = sequence(3, 4, seed=0), sequence(2, 5, seed=1)
    packed = Batch(
        ids_BT=torch.tensor(
            [[*first.prompt_ids, *first.completion_ids, *second.prompt_ids, *second.completion_ids]]
        ),
        mask_BT=torch.tensor([[0] * 3 + [1] * 4 + [0] * 2 + [1] * 5]).bool(),
        length_B=torch.tensor([14]),
        rows_B=torch.tensor([0]),
        positions_BT=torch.tensor([[*range(7), *range(7)]]),
    )
    found_N = token_logprobs(llama, packed).logp_BT[packed.mask_BT]
    want_N = torch.cat([plainly(llama, one, 1.0)[0] for one in (first, second)])
    torch.testing.assert_close(found_N, want_N, atol=1e-5, rtol=0)


def test_hidden_states_are_those_that_logits_are_made_of(llama: Any) -> None:
    batch = pad_batch(mixed())
    with torch.no_grad():
        logits_BTV = llama.get_output_embeddings()(last_hidden(llama, batch))
        torch.testing.assert_close(logits_BTV, llama(input_ids=batch.ids_BT).logits)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_engines_own_samples_have_a_ratio_of_one(tmp_path: Path, temperature: float) -> None:
    model = load_hf("tiny", str(save_tiny(tmp_path)))
    policy = Policy(temperature=temperature, max_tokens=20)
    requests = [Request(prompt=text, seeds=tuple(range(5))) for text in ("ab", "a longer prompt")]
    sequences = [
        Transcript(
            prompt_ids=drawn.prompt_ids,
            completion_ids=tuple(row.tokens),
            old_logprobs=tuple(row.sampling_logprobs),
        )
        for drawn in model.draw(requests, policy)
        for row in drawn.rows
    ]
    batch = pad_batch(sequences)
    found = token_logprobs(model.network, batch, temperature=temperature)
    assert batch.old_logp_BT is not None
    ratio_N = (found.logp_BT - batch.old_logp_BT).exp()[batch.mask_BT]
    torch.testing.assert_close(ratio_N, torch.ones_like(ratio_N), atol=1e-4, rtol=0)
    found.logp_BT.sum().backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in model.network.parameters())


def test_trying_a_network_out_leaves_each_modules_mode(tmp_path: Path) -> None:
    network = network_of(FAMILIES["gpt2"][0])
    network.train()
    network.transformer.drop.eval()
    assert split_of(network) is not None
    assert network.training
    assert network.transformer.h[0].training
    assert not network.transformer.drop.training


def test_a_temperature_without_a_gradient_is_refused(llama: Any) -> None:
    with pytest.raises(ConfigError, match="temperature must be above 0 to train with, got 0"):
        token_logprobs(llama, pad_batch(mixed()), temperature=0.0)


@pytest.mark.parametrize(
    ("prompt", "completion", "old", "reason"),
    [
        ((1, 2), (), None, "nothing to predict"),
        ((), (1,), None, "nothing to predict"),
        ((1,), (2, 3), (-1.0,), "1 log-probabilities for 2 tokens"),
    ],
)
def test_a_sequence_that_teaches_nothing_is_refused(
    prompt: tuple[int, ...],
    completion: tuple[int, ...],
    old: tuple[float, ...] | None,
    reason: str,
) -> None:
    with pytest.raises(ValueError, match=reason):
        Transcript(prompt_ids=prompt, completion_ids=completion, old_logprobs=old)


def test_batches_without_rows_or_with_half_of_the_logprobs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sequence"):
        pad_batch([])
    with pytest.raises(ValueError, match="only 1 of 2 sequences have log-probabilities"):
        pad_batch([sequence(2, 2, seed=0, old=True), sequence(2, 2, seed=1)])
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        micro_batches(pad_batch(mixed()), 0)


def test_the_end_token_is_the_tokenizers_else_the_models_else_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    network, tokenizer = load_parts("tiny", str(folder), revision=None, dtype="fp32", device="cpu")
    assert end_id_of(network, tokenizer) == tokenizer.eos_token_id
    settings = folder / "tokenizer_config.json"
    without = json.loads(settings.read_text(encoding="utf-8"))
    without.pop("eos_token")
    settings.write_text(json.dumps(without), encoding="utf-8")
    network, tokenizer = load_parts("tiny", str(folder), revision=None, dtype="fp32", device="cpu")
    assert tokenizer.eos_token_id is None
    assert tokenizer.pad_token_id is None
    network.generation_config.eos_token_id = [7, 8]
    assert end_id_of(network, tokenizer) == 7
    network.generation_config.eos_token_id = None
    with pytest.raises(ModelError, match=r"names no end token .* set eos_token in its") as refusal:
        end_id_of(network, tokenizer)
    assert "\n" not in str(refusal.value)


def test_what_a_network_cannot_read_is_said_beforehand(llama: Any) -> None:
    assert unfit(llama, sequence(3, 4, seed=0)) == ""
    long = Transcript(prompt_ids=(1,) * 2000, completion_ids=(1,) * 49)
    assert unfit(llama, long) == "2049 tokens exceed the context of 2048"
    strange = Transcript(prompt_ids=(1,), completion_ids=(V,))
    assert unfit(llama, strange) == "a token number the model does not have"
