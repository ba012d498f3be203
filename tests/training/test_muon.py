"""Muon on the inner matrices: what it moves, how far, and that a resumed run is the same run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from pathshift.errors import ConfigError
from pathshift.training.checkpoints import Trained, resume, save_checkpoint
from pathshift.training.fitting import FitSettings
from pathshift.training.optimizer import Muon, OptimizerSettings, build_optimizers, update

SETTINGS = OptimizerSettings(
    learning_rate=1e-2, schedule="cosine", weight_decay=0.1, warmup_steps=2, max_norm=0
)


def network(seed: int = 0, *, tied: bool = True) -> Any:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def names_by_optimizer(model: Any) -> list[set[str]]:
    names = {id(weight): name for name, weight in model.named_parameters()}
    return [
        {names[id(weight)] for group in one.param_groups for weight in group["params"]}
        for one in build_optimizers(model, SETTINGS, Muon())
    ]


@pytest.mark.parametrize("head", [set(), {"lm_head.weight"}])
def test_the_ends_and_the_norms_are_left_to_adamw(head: set[str]) -> None:
    model = network(tied=not head)
    matrices, others = names_by_optimizer(model)
    norms = {name for name, _ in model.named_parameters() if "norm" in name}
    assert others == {*norms, "model.embed_tokens.weight", *head}
    assert len(matrices) == 2 * 7  # four of attention and three of the feed-forward part, a layer
    assert not matrices & others


def test_a_step_goes_along_the_singular_vectors_by_about_the_rate_in_each() -> None:
    """Jordan's quintic brings all singular values near 1; 0.5 to 1.5 is what it promises."""
    layer = nn.Linear(5, 5, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(5))
    gradient = torch.randn(5, 5, generator=torch.Generator().manual_seed(3))
    layer.weight.grad = gradient.clone()
    settings = OptimizerSettings(learning_rate=1e-3, weight_decay=0.5, max_norm=0)
    (optimizer,) = build_optimizers(layer, settings, Muon(rate=0.1))
    update([optimizer], settings, step=1, n_steps=1, problem_ids=[])
    moved = np.eye(5) * (1 - 0.1 * 0.5) - layer.weight.detach().numpy()
    left, _, right = np.linalg.svd(gradient.numpy())
    turned = left.T @ moved @ right.T / 0.1
    assert np.diag(turned) == pytest.approx(np.ones(5), abs=0.5)
    assert turned - np.diag(np.diag(turned)) == pytest.approx(np.zeros((5, 5)), abs=0.05)


def test_both_rates_follow_one_schedule() -> None:
    model = network()
    optimizers = build_optimizers(model, SETTINGS, Muon(rate=0.04))
    ids = torch.arange(40).reshape(4, 10)
    rates = []
    for step in range(1, 7):
        model(input_ids=ids, labels=ids).loss.backward()
        update(optimizers, SETTINGS, step=step, n_steps=6, problem_ids=[])
        rates.append([one.param_groups[0]["lr"] for one in optimizers])
    assert [matrix for matrix, _ in rates] == pytest.approx([4 * other for _, other in rates])
    assert rates[0] == pytest.approx([0.02, 0.005])
    assert rates[1] == pytest.approx([0.04, 0.01])
    assert all(after[0] < before[0] for before, after in pairwise(rates[2:]))


def test_the_gradient_of_all_weights_is_scaled_together() -> None:
    model = network()
    settings = OptimizerSettings(learning_rate=1e-2, max_norm=1.0)
    optimizers = build_optimizers(model, settings, Muon())
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    norm = update(optimizers, settings, step=1, n_steps=1, problem_ids=[])
    assert norm == pytest.approx(sum(w.numel() for w in model.parameters()) ** 0.5, rel=1e-5)


def test_a_run_that_goes_on_from_a_checkpoint_is_the_same_run_bit_for_bit(tmp_path: Path) -> None:
    ids = torch.arange(40).reshape(4, 10)

    def steps(model: Any, optimizers: Any, first: int, last: int) -> None:
        for step in range(first, last + 1):
            model(input_ids=ids, labels=ids).loss.backward()
            update(optimizers, SETTINGS, step=step, n_steps=6, problem_ids=[])

    whole = network()
    steps(whole, build_optimizers(whole, SETTINGS, Muon()), 1, 6)
    begun = network()
    optimizers = build_optimizers(begun, SETTINGS, Muon())
    steps(begun, optimizers, 1, 3)
    trained = Trained(modules={"model": begun}, optimizers=optimizers)
    save_checkpoint(tmp_path, trained, step=3, config={}, data={})
    other = network(seed=9)
    optimizers = build_optimizers(other, SETTINGS, Muon())
    found = resume(tmp_path, Trained(modules={"model": other}, optimizers=optimizers), config={})
    assert found is not None
    steps(other, optimizers, found.step + 1, 6)
    pairs = zip(whole.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(one, again) for one, again in pairs)


def test_without_muon_a_run_is_named_as_before_and_with_it_by_its_rate() -> None:
    plain, with_muon = FitSettings().config(), FitSettings(muon=Muon(rate=0.03)).config()
    assert not [name for name in plain if "muon" in name]
    assert {**plain, "muon_rate": 0.03, "muon_momentum": 0.95} == with_muon


def test_a_model_without_inner_matrices_is_refused() -> None:
    with pytest.raises(ConfigError, match="moves matrices and none is trained"):
        build_optimizers(nn.LayerNorm(3), SETTINGS, Muon())


@pytest.mark.parametrize(("field", "value"), [("rate", 0.0), ("momentum", 1.0)])
def test_a_setting_out_of_its_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be"):
        Muon(**{field: value})
