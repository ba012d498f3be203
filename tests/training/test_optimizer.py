from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from pathshift.errors import ConfigError, NonFinite
from pathshift.training.optimizer import (
    OptimizerSettings,
    build_optimizer,
    check_finite,
    learning_rate,
    parameter_groups,
    update,
)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=True,
        attention_bias=True,
    )  # fmt: skip
    made: nn.Module = LlamaForCausalLM(config)
    return made


def one_weight(value: float, gradient: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(value)
    layer.weight.grad = torch.full((1, 1), gradient)
    return layer


def rates(n_steps: int, **settings: Any) -> list[float]:
    made = OptimizerSettings(learning_rate=0.1, **settings)
    return [learning_rate(made, step, n_steps) for step in range(1, n_steps + 1)]


def test_a_constant_rate_rises_in_equal_parts_and_stays() -> None:
    assert rates(6, warmup_steps=4) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    assert rates(2) == [0.1, 0.1]


def test_a_cosine_falls_from_the_whole_rate_by_half_a_wave() -> None:
    found = rates(10, schedule="cosine", warmup_steps=2, final_share=0.2)
    down = [0.1 * (0.2 + 0.8 * math.cos(math.pi * i / 16) ** 2) for i in range(8)]
    assert found == pytest.approx([0.05, 0.1, *down])  # (1 + cos 2x) / 2 = cos(x) ** 2


def test_a_run_that_is_all_warm_up_or_goes_on_past_its_end_has_a_rate() -> None:
    assert rates(3, schedule="cosine", warmup_steps=3)[-1] == pytest.approx(0.1)
    settings = OptimizerSettings(learning_rate=0.1, schedule="cosine", final_share=0.5)
    assert learning_rate(settings, 99, 10) == pytest.approx(0.05)


def test_steps_count_from_one() -> None:
    with pytest.raises(ValueError, match="steps count from 1, got 0"):
        learning_rate(OptimizerSettings(), 0, 10)


def test_the_rate_of_a_step_hangs_on_nothing_but_its_number() -> None:
    settings = OptimizerSettings(schedule="cosine", warmup_steps=3)
    forward = [learning_rate(settings, step, 20) for step in range(1, 21)]
    backward = [learning_rate(settings, step, 20) for step in range(20, 0, -1)]
    assert forward == backward[::-1]


def test_norms_and_biases_do_not_decay_and_a_tied_matrix_stands_once() -> None:
    model = network()
    decaying, others = parameter_groups([model, model], 0.1)
    by_id = {id(weight): name for name, weight in model.named_parameters()}
    assert decaying["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    names = sorted(by_id[id(weight)] for weight in others["params"])
    assert names == sorted(n for n in by_id.values() if "norm" in n or n.endswith("bias"))
    assert len(decaying["params"]) + len(others["params"]) == len(by_id)


def test_frozen_weights_are_not_trained() -> None:
    model = network()
    for name, weight in model.named_parameters():
        weight.requires_grad_("q_proj.weight" in name)
    (group,) = parameter_groups([model], 0.1)
    assert len(group["params"]) == 2
    model.requires_grad_(requires_grad=False)
    with pytest.raises(ConfigError, match="no weight that is trained"):
        build_optimizer([model], OptimizerSettings())


def test_weights_of_16_bits_are_refused_unless_they_are_frozen() -> None:
    model = network().bfloat16()
    with pytest.raises(ConfigError, match=r"weights of type bfloat16 cannot be trained.*fp32"):
        build_optimizer([model], OptimizerSettings())
    model.requires_grad_(requires_grad=False)
    build_optimizer([model, nn.Linear(2, 2)], OptimizerSettings())


def test_two_steps_are_adamw_worked_by_hand() -> None:
    layer = one_weight(2.0, 0.5)
    settings = OptimizerSettings(
        learning_rate=0.1, weight_decay=0.2, beta1=0.9, beta2=0.99, epsilon=1e-8, max_norm=0
    )
    optimizer = build_optimizer([layer], settings)
    weight, first, second = 2.0, 0.0, 0.0
    for step, gradient in enumerate([0.5, -0.25], start=1):
        layer.weight.grad = torch.full((1, 1), gradient)
        update(optimizer, settings, step=step, n_steps=2, problem_ids=[])
        weight -= 0.1 * 0.2 * weight
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        at = first / (1 - 0.9**step), second / (1 - 0.99**step)
        weight -= 0.1 * at[0] / (math.sqrt(at[1]) + 1e-8)
        assert layer.weight.item() == pytest.approx(weight, rel=1e-6)
        assert layer.weight.grad is None


def test_a_gradient_is_scaled_to_the_bound_and_its_norm_told() -> None:
    layers = [one_weight(0.0, 3.0), one_weight(0.0, 4.0)]
    settings = OptimizerSettings(max_norm=1.0)
    optimizer = build_optimizer(layers, settings)
    norm = update(optimizer, settings, step=1, n_steps=1, problem_ids=[])
    assert norm == 5.0
    moments = [float(optimizer.state[layer.weight]["exp_avg"]) for layer in layers]
    assert moments == pytest.approx([0.1 * 3 / 5, 0.1 * 4 / 5], rel=1e-5)


def test_a_small_gradient_and_one_without_a_bound_are_left() -> None:
    for max_norm, gradient in ((1.0, 0.5), (0.0, 50.0)):
        layer = one_weight(0.0, gradient)
        settings = OptimizerSettings(max_norm=max_norm)
        optimizer = build_optimizer([layer], settings)
        assert update(optimizer, settings, step=1, n_steps=1, problem_ids=[]) == gradient
        moment = float(optimizer.state[layer.weight]["exp_avg"])
        assert moment == pytest.approx(0.1 * gradient)


@pytest.mark.parametrize("gradient", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_touches_no_weight(gradient: float) -> None:
    layers = [one_weight(1.0, 0.1), one_weight(2.0, gradient)]
    settings = OptimizerSettings()
    optimizer = build_optimizer(layers, settings)
    ids = [f"p{i}" for i in range(7)] * 2
    with pytest.raises(NonFinite) as stop:
        update(optimizer, settings, step=12, n_steps=20, problem_ids=ids)
    assert str(stop.value).startswith(
        f"step 12: the gradient's norm is {gradient} (problems p0, p1, p2, p3, p4 and 2 more); "
    )
    assert "last checkpoint is kept" in str(stop.value)
    assert "\n" not in str(stop.value)
    assert [layer.weight.item() for layer in layers] == [1.0, 2.0]
    assert not optimizer.state


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops_with_its_problems(value: float) -> None:
    check_finite(torch.tensor(1e30), 1, [])
    with pytest.raises(NonFinite, match=rf"step 3: the loss is {value} \(problems a, b\)"):
        check_finite(torch.tensor(value, requires_grad=True), 3, ["a", "b"])
    with pytest.raises(NonFinite, match=rf"step 3: the loss is {value}; the run has stopped"):
        check_finite(torch.tensor(value), 3, [])


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("learning_rate", 0.0, "learning rate must be above 0, got 0.0"),
        ("learning_rate", math.nan, "learning rate must be above 0, got nan"),
        ("schedule", "linear", "'linear' is not known; use one of constant, cosine"),
        ("warmup_steps", -1, "warm-up steps must be 0 or more, got -1"),
        ("final_share", 1.5, "final share must be 0 to 1, got 1.5"),
        ("weight_decay", -0.1, "weight decay must be 0 or more"),
        ("beta1", 1.0, "beta1 must be 0 to below 1"),
        ("beta2", -0.1, "beta2 must be 0 to below 1"),
        ("epsilon", 0.0, "epsilon must be above 0"),
        ("max_norm", -1.0, "max norm must be 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(field: str, value: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        OptimizerSettings(**{field: value})


def test_the_same_steps_give_the_same_bits() -> None:
    def trained() -> list[torch.Tensor]:
        model = network()
        settings = OptimizerSettings(schedule="cosine", learning_rate=1e-2, weight_decay=0.1)
        optimizer = build_optimizer([model], settings)
        ids = torch.arange(40).reshape(4, 10)
        for step in range(1, 4):
            model(input_ids=ids, labels=ids).loss.backward()
            update(optimizer, settings, step=step, n_steps=3, problem_ids=[])
        return [weight.detach() for weight in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(trained(), trained(), strict=True))
