from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pathshift.training import advantages

Grouped = Callable[[Tensor, Tensor], Tensor]


def _pass_at_2(rewards_GN: Tensor, is_judged_GN: Tensor) -> Tensor:
    return advantages.pass_at_k_gradient(rewards_GN, is_judged_GN, k=2)


GROUPED = [
    advantages.group_normalised,
    advantages.group_centred,
    advantages.leave_one_out,
    _pass_at_2,
]


def _all(rewards_GN: Tensor) -> Tensor:
    return torch.ones_like(rewards_GN, dtype=torch.bool)


def _close(found: Tensor, wanted: list[list[float]]) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-6, atol=1e-7)


def test_grpo_divides_by_the_standard_deviation_of_the_group() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
    # Group 1: mean 1/2, variance 4/4 / 3. Group 2: mean 1/2, variance (3/4 + 9/4) / 3 = 1.
    half = 0.5 / (math.sqrt(1 / 3) + 1e-4)
    small, large = -0.5 / 1.0001, 1.5 / 1.0001
    _close(
        advantages.group_normalised(rewards_GN, _all(rewards_GN)),
        [[half, -half, -half, half], [small, small, small, large]],
    )


def test_dr_grpo_takes_the_mean_away_and_no_more() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    _close(
        advantages.group_centred(rewards_GN, _all(rewards_GN)),
        [[0.5, -0.5, -0.5, 0.5], [-0.25, -0.25, -0.25, 0.75]],
    )


def test_rloo_takes_the_mean_of_the_others_away() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0, 0.0, 1.0], [3.0, 0.0, 0.0, 1.0]])
    _close(
        advantages.leave_one_out(rewards_GN, _all(rewards_GN)),
        [[2 / 3, -2 / 3, -2 / 3, 2 / 3], [3 - 1 / 3, -4 / 3, -4 / 3, 0.0]],
    )


def test_remax_takes_the_greedy_reward_away_where_there_is_one() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    greedy_G = torch.tensor([1.0, 0.0, math.nan])
    is_judged_GN = torch.tensor([[True, True], [True, False], [True, True]])
    found = advantages.greedy_baseline(rewards_GN, is_judged_GN, greedy_G)
    _close(found, [[0.0, -1.0], [1.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("grouped", GROUPED)
@pytest.mark.parametrize("unseen", [0.0, 1.0, 1e9, math.nan, math.inf])
def test_an_unjudged_sample_is_as_if_it_had_not_been_drawn(grouped: Grouped, unseen: float) -> None:
    drawn = torch.tensor([[1.0, 0.0, 0.5, 0.0, 1.0]])
    expected = grouped(drawn, _all(drawn))
    with_unseen = torch.tensor([[1.0, 0.0, unseen, 0.5, 0.0, unseen, 1.0]])
    is_judged = torch.tensor([[True, True, False, True, True, False, True]])
    found = grouped(with_unseen, is_judged)
    torch.testing.assert_close(found[is_judged][None], expected)
    assert found[~is_judged].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("grouped", GROUPED)
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, 1 / 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_group_of_equal_rewards_gives_exactly_nothing(
    grouped: Grouped, reward: float, dtype: torch.dtype
) -> None:
    rewards_GN = torch.full((1, 7), reward, dtype=dtype)
    assert grouped(rewards_GN, _all(rewards_GN)).tolist() == [[0.0] * 7]


@pytest.mark.parametrize("grouped", GROUPED)
@pytest.mark.parametrize("n_judged", [0, 1])
def test_fewer_than_two_judged_samples_give_nothing(grouped: Grouped, n_judged: int) -> None:
    is_judged_GN = torch.arange(4)[None] < n_judged
    assert grouped(torch.tensor([[1.0, 0.0, 1.0, 0.0]]), is_judged_GN).tolist() == [[0.0] * 4]


def _by_sets(rewards: list[float], k: int) -> list[float]:
    """Equation 33 of 2505.15201 (29 for k = 1) as it stands there, set by set; times n."""
    n = len(rewards)
    found = []
    for i in range(n):
        others = [rewards[j] for j in range(n) if j != i]
        if k == 1:
            found.append(rewards[i] - sum(others) / (n - 1))
            continue
        raised = [
            max(rewards[i], *rest) - max(rest) for rest in itertools.combinations(others, k - 1)
        ]
        found.append(n * sum(raised) / math.comb(n, k))
    return found


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize(
    "rewards",
    [
        [1.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, 0.0],
        [0.3, -1.5, 0.3, 2.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
    ],
)
def test_pass_at_k_is_the_sum_over_all_sets(rewards: list[float], k: int) -> None:
    rewards_GN = torch.tensor([rewards])
    found = advantages.pass_at_k_gradient(rewards_GN, _all(rewards_GN), k=k)
    _close(found, [_by_sets(rewards, k)])


def test_pass_at_k_has_its_closed_form_for_right_and_wrong_in_large_groups() -> None:
    n, k = 256, 32
    for c in (1, 3, 100, 224, 225, 256):
        rewards_GN = (torch.arange(n)[None] < c).float()
        found = advantages.pass_at_k_gradient(rewards_GN, _all(rewards_GN), k=k)
        expected = n * math.comb(n - c, k - 1) / math.comb(n, k)
        torch.testing.assert_close(found, expected * rewards_GN, rtol=1e-6, atol=1e-9)


def test_pass_at_k_needs_k_judged_samples() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    is_judged_GN = torch.tensor([[True, True, False], [True, True, True]])
    found = advantages.pass_at_k_gradient(rewards_GN, is_judged_GN, k=3)
    _close(found, [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="pass@4 needs groups of at least 4"):
        advantages.pass_at_k_gradient(rewards_GN, is_judged_GN, k=4)


def test_groups_with_spread_are_neither_all_right_nor_all_wrong_among_the_judged() -> None:
    rewards_GN = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    is_judged_GN = torch.tensor([[True] * 3, [True, True, False], [True] * 3, [False] * 3])
    assert advantages.has_spread(rewards_GN, is_judged_GN).tolist() == [True, False, False, False]
    # The last group was not judged at all: 2 of 3 groups are flat.
    assert advantages.zero_variance_share(rewards_GN, is_judged_GN) == pytest.approx(2 / 3)


def test_the_share_of_flat_groups_is_undefined_where_nothing_was_judged() -> None:
    assert advantages.zero_variance_share(torch.ones(2, 3), torch.zeros(2, 3).bool()) is None


# --- tokens ------------------------------------------------------------------------------------


def test_the_reward_stands_at_the_last_token_and_k1_at_every_token() -> None:
    mask_BT = torch.tensor([[True, True, True, False], [False, True, True, True]])
    kl_BT = torch.tensor([[0.1, 0.2, -0.3, math.nan], [math.inf, 1.0, 2.0, 3.0]])
    rewards_GN = torch.tensor([[1.0, 5.0]])
    plain = advantages.token_rewards(rewards_GN, None, mask_BT, coefficient=0.5)
    _close(plain, [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 5.0]])
    found = advantages.token_rewards(rewards_GN, kl_BT, mask_BT, coefficient=0.5)
    _close(found, [[-0.05, -0.1, 1.15, 0.0], [0.0, -0.5, -1.0, 3.5]])
    whole = advantages.penalised_rewards(rewards_GN, kl_BT, mask_BT, coefficient=0.5)
    _close(whole, [[1.0, 2.0]])


def test_a_completion_without_a_token_has_no_reward_a_token() -> None:
    found = advantages.token_rewards(
        torch.ones(1, 1), None, torch.zeros(1, 3).bool(), coefficient=0.0
    )
    assert found.tolist() == [[0.0, 0.0, 0.0]]


def _ragged(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    reward_BT = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    value_BT = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    start_B1, end_B1 = torch.tensor([[0], [0], [2], [3]]), torch.tensor([[6], [4], [6], [4]])
    place_T = torch.arange(6)
    return reward_BT, value_BT, (place_T >= start_B1) & (place_T < end_B1)


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (0.9, 0.7), (1.0, 0.0), (0.5, 1.0)])
def test_gae_is_the_explicit_sum(gamma: float, lam: float) -> None:
    reward_BT, value_BT, mask_BT = _ragged(1)
    found = advantages.generalised(reward_BT, value_BT, mask_BT, gamma=gamma, lam=lam)
    for row, mask_T in enumerate(mask_BT):
        places = mask_T.nonzero()[:, 0].tolist()
        r, v = reward_BT[row, places].tolist(), value_BT[row, places].tolist()
        delta = [r[t] + gamma * (v[t + 1] if t + 1 < len(v) else 0) - v[t] for t in range(len(v))]
        wanted = [
            sum((gamma * lam) ** step * delta[t + step] for step in range(len(v) - t))
            for t in range(len(v))
        ]
        assert found.advantage_BT[row, places].tolist() == pytest.approx(wanted)
        returns = [a + b for a, b in zip(wanted, v, strict=True)]
        assert found.return_BT[row, places].tolist() == pytest.approx(returns)
    assert not found.advantage_BT[~mask_BT].any()
    assert not found.return_BT[~mask_BT].any()


def test_gae_by_hand() -> None:
    found = advantages.generalised(
        torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25, 0.5]]),
        torch.ones(1, 3).bool(), gamma=0.5, lam=0.5,
    )  # fmt: skip
    # Deltas: .5 * .25 - .5 = -.375; .5 * .5 - .25 = 0; 1 - .5 = .5.
    _close(found.advantage_BT, [[-0.375 + 0.5 / 16, 0.125, 0.5]])
    _close(found.return_BT, [[0.15625, 0.375, 1.0]])


def test_a_completion_with_a_gap_is_refused() -> None:
    gap_BT = torch.tensor([[True, True, False], [True, False, True]])
    with pytest.raises(ValueError, match="row 1 must stand in one piece"):
        advantages.generalised(torch.ones(2, 3), torch.ones(2, 3), gap_BT, gamma=1.0, lam=1.0)
    with pytest.raises(ValueError, match="row 1 must stand in one piece"):
        advantages.to_go(torch.ones(2, 3), gap_BT, gamma=1.0)


def test_the_reward_to_go_by_hand() -> None:
    mask_BT = torch.tensor([[True, True, True], [False, True, True], [True, True, False]])
    reward_BT = torch.tensor([[1.0, 2.0, 4.0], [8.0, 1.0, 1.0], [0.0, 1.0, 9.0]])
    _close(
        advantages.to_go(reward_BT, mask_BT, gamma=0.5),
        [[3.0, 4.0, 4.0], [0.0, 1.5, 1.0], [0.5, 1.0, 0.0]],
    )


def test_whitening_is_over_the_tokens_of_the_whole_batch() -> None:
    mask_BT = torch.tensor([[True, True, True], [True, False, False]])
    found = advantages.whitened(torch.tensor([[1.0, 1.0, 1.0], [-3.0, math.nan, 7.0]]), mask_BT)
    # Mean 0, variance 12 / 3 with n - 1.
    _close(found, [[0.5, 0.5, 0.5], [-1.5, 0.0, 0.0]])


@pytest.mark.parametrize("mask", [[True, True, True], [True, False, False], [False] * 3])
def test_whitening_leaves_nothing_of_tokens_that_do_not_differ(mask: list[bool]) -> None:
    found = advantages.whitened(torch.full((1, 3), 0.1), torch.tensor([mask]))
    assert found.tolist() == [[0.0, 0.0, 0.0]]


# --- controls ----------------------------------------------------------------------------------


def test_a_random_reward_depends_on_the_seed_and_not_on_the_answer() -> None:
    right, wrong = torch.ones(500, 8), torch.zeros(500, 8)
    drawn = advantages.random_rewards(right, seed=3)
    assert torch.equal(drawn, advantages.random_rewards(wrong, seed=3))
    assert not torch.equal(drawn, advantages.random_rewards(wrong, seed=4))
    assert set(drawn.flatten().tolist()) == {0.0, 1.0}
    assert abs(float(drawn.mean()) - 0.5) < 4 * 0.5 / math.sqrt(4000)


def test_a_wrong_sign_turns_every_advantage_round() -> None:
    rewards_GN = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0]])
    turned = advantages.wrong_sign_rewards(rewards_GN)
    for grouped in (advantages.group_normalised, advantages.group_centred):
        found = grouped(turned, _all(turned))
        torch.testing.assert_close(found, -grouped(rewards_GN, _all(rewards_GN)))
        assert found.abs().sum() > 1
