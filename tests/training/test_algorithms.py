from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pathshift.errors import ConfigError, UnknownName
from pathshift.training import losses
from pathshift.training.algorithms import (
    ALGORITHMS,
    DAPO,
    DR_GRPO,
    GRPO,
    PASS_AT_K,
    PPO,
    REINFORCE_PP,
    REMAX,
    RLOO,
    Algorithm,
    Clip,
    Part,
    Scored,
    algorithm_named,
)

MOST_TOKENS = 6


def test_every_algorithm_is_found_by_its_name() -> None:
    assert sorted(ALGORITHMS) == [
        "dapo", "dr-grpo", "grpo", "pass-at-k", "ppo", "reinforce++", "remax", "rloo"
    ]  # fmt: skip
    assert all(algorithm_named(name).name == name for name in ALGORITHMS)


def test_an_unknown_name_is_answered_with_the_list() -> None:
    with pytest.raises(UnknownName, match=r"no algorithm 'gpro'; there are: ppo, grpo, dr-grpo"):
        algorithm_named("gpro")


def test_none_has_a_kl_penalty_by_default() -> None:
    assert not any(a.needs_reference for a in ALGORITHMS.values())
    assert replace(GRPO, kl_coefficient=0.1).needs_reference


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_settings_are_plain_values(algorithm: Algorithm) -> None:
    settings = json.loads(json.dumps(algorithm.settings()))
    assert settings["name"] == algorithm.name
    assert settings["aggregate"] == algorithm.aggregate.__name__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"kl_coefficient": -0.1}, "kl_coefficient must be 0 or more, got -0.1"),
        ({"kl_coefficient": math.nan}, "kl_coefficient must be 0 or more, got nan"),
        ({"entropy_coefficient": math.inf}, "entropy_coefficient must be finite"),
        ({"gamma": 0.0}, r"gamma must be in \(0, 1\]"),
        ({"lam": 1.5}, r"lam must be in \[0, 1\]"),
        ({"k": 0}, "k must be at least 1"),
        ({"value_clip": 0.0}, "value_clip must be above 0"),
        ({"value_coefficient": 0.0}, "value_coefficient must be above 0"),
        ({"clip": Clip(0.0, 0.2)}, r"clip.low must be in \(0, 1\]"),
        ({"clip": Clip(0.2, -0.2)}, "clip.high must be above 0"),
        ({"clip": None, "epochs": 2}, "2 epochs need a ratio"),
    ],
)
def test_a_setting_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"grpo: {message}"):
        replace(GRPO, **change)


# --- credit ------------------------------------------------------------------------------------


def _scored() -> Scored:
    """Three prompts of four: one with a failed verdict, one all right, one mixed."""
    generator = torch.Generator().manual_seed(0)
    length_B1 = torch.randint(1, MOST_TOKENS + 1, (12, 1), generator=generator)
    return Scored(
        rewards_GN=torch.tensor([[1.0, 0, 0, math.nan], [1, 1, 1, 1], [0, 0, 1, 0]]),
        is_judged_GN=torch.tensor([[True, True, True, False], [True] * 4, [True] * 4]),
        mask_BT=torch.arange(MOST_TOKENS) < length_B1,
        greedy_G=torch.tensor([0.0, 1.0, 0.0]),
        kl_BT=torch.randn(12, MOST_TOKENS, generator=generator) / 10,
        value_BT=torch.rand(12, MOST_TOKENS, generator=generator),
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
@pytest.mark.parametrize("kl_coefficient", [0.0, 0.3])
def test_a_failed_verdict_counts_nowhere(algorithm: Algorithm, kl_coefficient: float) -> None:
    algorithm = replace(algorithm, kl_coefficient=kl_coefficient)
    credit = algorithm.credit(_scored())
    assert not credit.mask_BT[3].any()
    assert not credit.advantage_BT[3].any()
    assert not credit.advantage_BT.isnan().any()
    another = replace(_scored(), rewards_GN=_scored().rewards_GN.nan_to_num(nan=1e6))
    torch.testing.assert_close(algorithm.credit(another).advantage_BT, credit.advantage_BT)
    weight_BT = algorithm.weights(credit.mask_BT, MOST_TOKENS)
    assert not weight_BT[3].any()


def test_dapo_leaves_groups_without_spread_out_and_grpo_does_not() -> None:
    credit = DAPO.credit(_scored())
    assert credit.is_kept_G.tolist() == [True, False, True]
    assert not credit.mask_BT[4:8].any()
    assert GRPO.credit(_scored()).is_kept_G.all()
    assert torch.equal(GRPO.credit(_scored()).mask_BT[4:8], _scored().mask_BT[4:8])


def test_reinforce_plus_plus_normalises_over_all_judged_tokens() -> None:
    scored = _scored()
    credit = REINFORCE_PP.credit(scored)
    reward_B = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0])
    tokens = reward_B[:, None].expand(-1, MOST_TOKENS)[credit.mask_BT]
    wanted = (tokens - tokens.mean()) / tokens.std()
    torch.testing.assert_close(credit.advantage_BT[credit.mask_BT], wanted)


def test_a_penalty_in_the_reward_reaches_the_tokens_before_it() -> None:
    scored = Scored(
        rewards_GN=torch.tensor([[1.0, 0.0]]), is_judged_GN=torch.ones(1, 2).bool(),
        mask_BT=torch.tensor([[True, True], [True, False]]),
        kl_BT=torch.tensor([[0.5, 1.0], [2.0, math.nan]]),
    )  # fmt: skip
    token_wise = replace(REINFORCE_PP, kl_coefficient=0.1).credit(scored).advantage_BT
    # To go: 1 - .15 and 1 - .1; -.2.
    to_go = torch.tensor([0.85, 0.9, -0.2])
    wanted = (to_go - to_go.mean()) / to_go.std()
    torch.testing.assert_close(token_wise[scored.mask_BT], wanted)
    whole = replace(RLOO, kl_coefficient=0.1).credit(scored).advantage_BT
    # Rewards .85 and -.2: each against the other.
    torch.testing.assert_close(whole, torch.tensor([[1.05, 1.05], [-1.05, 0.0]]))


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_penalty_in_the_loss_changes_no_credit(algorithm: Algorithm) -> None:
    found = replace(algorithm, kl_place="loss", kl_coefficient=0.3).credit(_scored())
    torch.testing.assert_close(found.advantage_BT, algorithm.credit(_scored()).advantage_BT)


def test_ppo_gives_returns_for_the_value_head_and_whitens_the_advantages_only() -> None:
    credit = PPO.credit(_scored())
    inside = credit.advantage_BT[credit.mask_BT]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-6)
    assert float(inside.var()) == pytest.approx(1, rel=1e-5)
    assert credit.return_BT is not None
    # With gamma and lambda 1 the return of every token is the reward of the completion.
    reward_B = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0])
    wanted_BT = reward_B[:, None] * credit.mask_BT
    torch.testing.assert_close(credit.return_BT, wanted_BT)
    assert RLOO.credit(_scored()).return_BT is None


def _without(field: str) -> Scored:
    lacking: dict[str, Any] = {field: None}
    return replace(_scored(), **lacking)


@pytest.mark.parametrize(
    ("algorithm", "field"),
    [
        (PPO, "value_BT"),
        (REMAX, "greedy_G"),
        (replace(RLOO, kl_coefficient=0.1), "kl_BT"),
    ],
)
def test_what_an_algorithm_needs_must_be_given(algorithm: Algorithm, field: str) -> None:
    with pytest.raises(ValueError, match=f"needs {field}"):
        algorithm.credit(_without(field))


# --- the loss ----------------------------------------------------------------------------------


def _parts(
    algorithm: Algorithm, logp_BT: Tensor, rows: list[slice], **given: Tensor
) -> Iterator[Part]:
    credit = algorithm.credit(_scored())
    weight_BT = algorithm.weights(credit.mask_BT, MOST_TOKENS)
    generator = torch.Generator().manual_seed(7)
    old_BT = logp_BT.detach() + 0.3 * torch.randn(logp_BT.shape, generator=generator)
    for some in rows:
        yield Part(
            logp_BT=logp_BT[some], old_logp_BT=old_BT[some],
            advantage_BT=credit.advantage_BT[some], mask_BT=credit.mask_BT[some],
            weight_BT=weight_BT[some],
            **{name: value[some] for name, value in given.items()},
        )  # fmt: skip


def _logp() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return -torch.rand(12, MOST_TOKENS, generator=generator).mul(3).requires_grad_()


def _leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_()


def _changed(algorithm: Algorithm) -> Algorithm:
    return replace(algorithm, kl_coefficient=0.2, entropy_coefficient=0.1)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_the_losses_of_parts_add_up_to_that_of_the_batch(algorithm: Algorithm) -> None:
    algorithm = _changed(algorithm)
    results = []
    for rows in ([slice(12)], [slice(1), slice(1, 4), slice(4, 12)]):
        logp_BT = _leaf(_logp())
        given = {"reference_logp_BT": _logp().detach() - 0.1, "entropy_BT": logp_BT.square()}
        found = [algorithm.policy_loss(p) for p in _parts(algorithm, logp_BT, rows, **given)]
        total = torch.stack([one.loss for one in found]).sum()
        (gradient_BT,) = torch.autograd.grad(total, logp_BT)
        results.append((total, gradient_BT, losses.together([one.diagnostics for one in found])))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    assert results[0][2] == pytest.approx(results[1][2])


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_what_stands_outside_the_mask_changes_neither_loss_nor_gradient(
    algorithm: Algorithm,
) -> None:
    algorithm = _changed(algorithm)
    mask_BT = algorithm.credit(_scored()).mask_BT
    found = []
    for outside in (0.0, -math.inf, math.nan):
        logp_BT = _leaf(torch.where(mask_BT, _logp(), outside))
        given = {
            "reference_logp_BT": torch.where(mask_BT, _logp().detach() - 0.1, outside),
            "entropy_BT": torch.where(mask_BT, 1.0, outside),
        }
        (part,) = _parts(algorithm, logp_BT, [slice(12)], **given)
        loss = algorithm.policy_loss(part).loss
        (gradient_BT,) = torch.autograd.grad(loss, logp_BT)
        assert not gradient_BT[~mask_BT].any()
        found.append((loss.item(), gradient_BT.tolist()))
    assert found[0] == found[1] == found[2]


def test_kl_and_entropy_are_added_with_the_algorithms_own_weights() -> None:
    given = {"reference_logp_BT": _logp().detach() - 0.1, "entropy_BT": _logp().detach().square()}
    losses_by_setting = []
    for algorithm in (DR_GRPO, _changed(DR_GRPO)):
        (part,) = _parts(algorithm, _logp(), [slice(12)], **given)
        losses_by_setting.append(algorithm.policy_loss(part).loss.item())
    mask_BT = DR_GRPO.credit(_scored()).mask_BT
    # ln(reference / p) = -.1 everywhere.
    k3 = math.exp(-0.1) - 1 + 0.1
    added_BT = 0.2 * k3 - 0.1 * given["entropy_BT"]
    wanted = float(added_BT[mask_BT].sum()) / (11 * MOST_TOKENS)
    assert losses_by_setting[1] - losses_by_setting[0] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "field"),
    [({"kl_coefficient": 0.1}, "reference_logp_BT"), ({"entropy_coefficient": 0.1}, "entropy_BT")],
)
def test_a_loss_without_what_it_needs_is_refused(setting: dict[str, Any], field: str) -> None:
    algorithm = replace(GRPO, **setting)
    (part,) = _parts(algorithm, _logp(), [slice(12)])
    with pytest.raises(ValueError, match=f"needs {field}"):
        algorithm.policy_loss(part)


def test_the_value_loss_carries_its_coefficient() -> None:
    weight_BT = torch.tensor([[0.5, 0.5]])
    found = replace(PPO, value_coefficient=0.4).value_loss(
        torch.tensor([[0.1, 1.0]]), torch.zeros(1, 2), torch.ones(1, 2), weight_BT
    )
    # .4 * (.405 + .32) / 2, the second held at .2.
    assert float(found) == pytest.approx(0.145)


# --- unbiased: against the gradient of the objective itself --------------------------------------

# A policy over five texts: the first token ends the text (a) or goes on with one of four (b).
REWARDS = (1.0, 0.0, 0.0, 1.0, 0.0)
GREEDY_REWARD = 1.0
REAL_REWARDS = (0.3, -1.0, 2.0, 0.3, 0.0)


def _logits() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(6, generator=generator, dtype=torch.float64).requires_grad_()


def _token_logprobs(logits: Tensor, text: int) -> Tensor:
    """ln p of the two tokens of a text; the first text has one, and its second does not count."""
    first = logits[:2].log_softmax(-1)
    if text == 0:
        return torch.stack([first[0], torch.zeros_like(first[0])])
    return torch.stack([first[1], logits[2:].log_softmax(-1)[text - 1]])


def _expected_gradient(algorithm: Algorithm, n: int, rewards: tuple[float, ...]) -> Tensor:
    """The mean of minus the loss's gradient over every tuple of n texts, by its probability."""
    total = torch.zeros(6, dtype=torch.float64)
    for texts in itertools.product(range(5), repeat=n):
        logits = _logits()
        logp_BT = torch.stack([_token_logprobs(logits, text) for text in texts])
        mask_BT = torch.tensor([[True, text > 0] for text in texts])
        credit = algorithm.credit(
            Scored(
                rewards_GN=torch.tensor([[rewards[text] for text in texts]]),
                is_judged_GN=torch.ones(1, n).bool(),
                mask_BT=mask_BT,
                greedy_G=torch.tensor([GREEDY_REWARD]),
            )
        )
        part = Part(
            logp_BT=logp_BT, old_logp_BT=logp_BT.detach(), advantage_BT=credit.advantage_BT,
            mask_BT=mask_BT, weight_BT=algorithm.weights(mask_BT, 2),
        )  # fmt: skip
        (gradient,) = torch.autograd.grad(algorithm.policy_loss(part).loss, logits)
        total -= gradient * logp_BT.detach().sum().exp()
    return total


def _gradient(objective: Callable[[Tensor], Tensor]) -> Tensor:
    logits = _logits()
    probability = torch.stack([_token_logprobs(logits, text).sum() for text in range(5)]).exp()
    (gradient,) = torch.autograd.grad(objective(probability), logits)
    return gradient


def _best_of(k: int, rewards: tuple[float, ...]) -> Callable[[Tensor], Tensor]:
    """The expected best reward of k texts, by enumeration; for 0 and 1 it is pass@k."""

    def objective(probability: Tensor) -> Tensor:
        terms = [
            probability[list(texts)].prod() * max(rewards[text] for text in texts)
            for texts in itertools.product(range(5), repeat=k)
        ]
        return torch.stack(terms).sum()

    return objective


@pytest.mark.parametrize("rewards", [REWARDS, REAL_REWARDS])
@pytest.mark.parametrize("algorithm", [RLOO, REMAX], ids=["rloo", "remax"])
def test_the_gradient_is_that_of_the_expected_reward(
    algorithm: Algorithm, rewards: tuple[float, ...]
) -> None:
    found = _expected_gradient(algorithm, 3, rewards)
    torch.testing.assert_close(found, _gradient(_best_of(1, rewards)), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rewards", [REWARDS, REAL_REWARDS])
@pytest.mark.parametrize(("n", "k"), [(3, 1), (3, 2), (3, 3), (4, 3)])
def test_the_gradient_is_that_of_pass_at_k(n: int, k: int, rewards: tuple[float, ...]) -> None:
    found = _expected_gradient(replace(PASS_AT_K, k=k), n, rewards)
    wanted = _gradient(_best_of(k, rewards))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)
    # The objectives differ, or the test could not fail.
    assert k == 1 or (wanted - _gradient(_best_of(1, rewards))).abs().max() > 1e-3


def test_pass_at_k_climbs_one_less_the_product_of_failing() -> None:
    wanted = _gradient(lambda p: 1 - (p[1] + p[2] + p[4]) ** 3)
    torch.testing.assert_close(wanted, _gradient(_best_of(3, REWARDS)))


def test_the_mean_of_the_whole_group_shrinks_the_gradient_by_one_in_n() -> None:
    summed = replace(DR_GRPO, aggregate=losses.sequence_sum)
    found = _expected_gradient(summed, 3, REWARDS)
    torch.testing.assert_close(found, 2 / 3 * _gradient(_best_of(1, REWARDS)), rtol=1e-6, atol=1e-8)


def _kl_gradient(*, corrects: bool) -> Tensor:
    """The mean, over every text by its probability, of the gradient of the penalty alone."""
    algorithm = replace(
        DR_GRPO, kl_coefficient=1.0, corrects_kl=corrects, aggregate=losses.sequence_sum
    )
    total = torch.zeros(6, dtype=torch.float64)
    for text in range(5):
        logits = _logits()
        logp_BT = _token_logprobs(logits, text)[None]
        part = Part(
            logp_BT=logp_BT, old_logp_BT=logp_BT.detach(), advantage_BT=torch.zeros(1, 2),
            mask_BT=torch.tensor([[True, text > 0]]), weight_BT=torch.tensor([[1.0, text > 0]]),
            reference_logp_BT=_token_logprobs(_reference_logits(), text)[None].detach(),
        )  # fmt: skip
        (gradient,) = torch.autograd.grad(algorithm.policy_loss(part).loss, logits)
        total += gradient * logp_BT.detach().sum().exp()
    return total


def _reference_logits() -> Tensor:
    return torch.linspace(-1, 1, 6, dtype=torch.float64)


def _kl_of_first_tokens(*, reverse: bool) -> Tensor:
    """The gradient, for the first token's logits, of KL between the two policies' first tokens."""
    logits = _logits()
    logp, reference = logits[:2].log_softmax(-1), _reference_logits()[:2].log_softmax(-1)
    kl = (reference.exp() * (reference - logp)) if reverse else (logp.exp() * (logp - reference))
    (gradient,) = torch.autograd.grad(kl.sum(), logits)
    return gradient[:2]


def test_k3_climbs_down_the_reversed_kl_and_corrected_the_kl_itself() -> None:
    # The logits of the first token are moved by the penalty of the first token alone.
    plain, corrected = _kl_gradient(corrects=False)[:2], _kl_gradient(corrects=True)[:2]
    torch.testing.assert_close(plain, _kl_of_first_tokens(reverse=True), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(corrected, _kl_of_first_tokens(reverse=False), rtol=1e-6, atol=1e-8)
    assert (plain - corrected).abs().max() > 0.01
