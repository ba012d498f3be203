"""The reinforcement learning algorithms: one frozen record of settings and functions each.

Each stands in its paper's settings, but without a KL penalty, which is a setting of its own:
`dataclasses.replace(GRPO, kl_coefficient=0.04)`. What a record does to a batch: `objective.py`.

Shapes: G prompts, N samples of each, B = G * N rows in that order, T tokens of the completions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pathshift.errors import UnknownName
from pathshift.training import advantages, losses
from pathshift.training.losses import Clip
from pathshift.training.objective import Algorithm, Credit, Estimate, Part, Scored, given

__all__ = [
    "ALGORITHMS", "DAPO", "DR_GRPO", "GRPO", "PASS_AT_K", "PPO", "REINFORCE_PP", "REMAX", "RLOO",
    "Algorithm", "Clip", "Credit", "Part", "Scored", "algorithm_named",
]  # fmt: skip


def normalised_in_group(scored: Scored, algorithm: Algorithm) -> Estimate:
    """GRPO, DAPO: `advantages.group_normalised`."""
    rewards_GN = _shaped(scored, algorithm)
    return _spread(advantages.group_normalised(rewards_GN, scored.is_judged_GN), scored)


def centred_in_group(scored: Scored, algorithm: Algorithm) -> Estimate:
    """Dr. GRPO: `advantages.group_centred`."""
    rewards_GN = _shaped(scored, algorithm)
    return _spread(advantages.group_centred(rewards_GN, scored.is_judged_GN), scored)


def against_the_others(scored: Scored, algorithm: Algorithm) -> Estimate:
    """RLOO: `advantages.leave_one_out`."""
    rewards_GN = _shaped(scored, algorithm)
    return _spread(advantages.leave_one_out(rewards_GN, scored.is_judged_GN), scored)


def against_the_greedy(scored: Scored, algorithm: Algorithm) -> Estimate:
    """ReMax: `advantages.greedy_baseline`."""
    greedy_G = given(scored.greedy_G, "greedy_G")
    rewards_GN = _shaped(scored, algorithm)
    return _spread(advantages.greedy_baseline(rewards_GN, scored.is_judged_GN, greedy_G), scored)


def towards_best_of_k(scored: Scored, algorithm: Algorithm) -> Estimate:
    """Pass@k policy gradient: `advantages.pass_at_k_gradient`."""
    rewards_GN, k = _shaped(scored, algorithm), algorithm.k or 1
    return _spread(advantages.pass_at_k_gradient(rewards_GN, scored.is_judged_GN, k=k), scored)


def normalised_in_batch(scored: Scored, algorithm: Algorithm) -> Estimate:
    """REINFORCE++: `advantages.to_go` of the rewards a token, then `advantages.whitened`."""
    reward_BT = _token_rewards(scored, algorithm)
    sum_BT = advantages.to_go(reward_BT, scored.mask_BT, gamma=algorithm.gamma)
    return Estimate(advantages.whitened(sum_BT, scored.mask_BT), None)


def against_the_value(scored: Scored, algorithm: Algorithm) -> Estimate:
    """PPO: `advantages.generalised`, then `advantages.whitened`; the returns stay as they are."""
    found = advantages.generalised(
        _token_rewards(scored, algorithm), given(scored.value_BT, "value_BT"), scored.mask_BT,
        gamma=algorithm.gamma, lam=algorithm.lam,
    )  # fmt: skip
    return Estimate(advantages.whitened(found.advantage_BT, scored.mask_BT), found.return_BT)


def _shaped(scored: Scored, algorithm: Algorithm) -> Tensor:
    """Rewards of whole completions, with the penalty in them where that is its place."""
    if algorithm.kl_place == "loss" or not algorithm.kl_coefficient:
        return scored.rewards_GN
    return advantages.penalised_rewards(
        scored.rewards_GN, given(scored.kl_BT, "kl_BT"), scored.mask_BT,
        coefficient=algorithm.kl_coefficient,
    )  # fmt: skip


def _token_rewards(scored: Scored, algorithm: Algorithm) -> Tensor:
    in_reward = algorithm.kl_place == "reward" and algorithm.kl_coefficient
    return advantages.token_rewards(
        scored.rewards_GN, scored.kl_BT if in_reward else None, scored.mask_BT,
        coefficient=algorithm.kl_coefficient,
    )  # fmt: skip


def _spread(advantage_GN: Tensor, scored: Scored) -> Estimate:
    return Estimate(torch.where(scored.mask_BT, advantage_GN.reshape(-1, 1), 0.0), None)


# --- the table -----------------------------------------------------------------------------------

PPO = Algorithm(
    name="ppo",
    source="Schulman et al. 2017 (1707.06347); 1506.02438 for the advantages",
    estimate=against_the_value,
    aggregate=losses.token_mean,
    needs_value=True,
    kl_place="reward",
)
GRPO = Algorithm(
    name="grpo",
    source="Shao et al. 2024, DeepSeekMath (2402.03300), equation 3",
    estimate=normalised_in_group,
    aggregate=losses.sequence_mean,
)
DR_GRPO = Algorithm(
    name="dr-grpo",
    source="Liu et al. 2025 (2503.20783)",
    estimate=centred_in_group,
    aggregate=losses.constant_length,
)
REINFORCE_PP = Algorithm(
    name="reinforce++",
    source="Hu et al. 2025 (2501.03262)",
    estimate=normalised_in_batch,
    aggregate=losses.token_mean,
    kl_place="reward",
)
RLOO = Algorithm(
    name="rloo",
    source="Ahmadian et al. 2024 (2402.14740)",
    estimate=against_the_others,
    aggregate=losses.sequence_sum,
    clip=None,
    kl_place="reward",
)
REMAX = Algorithm(
    name="remax",
    source="Li et al. 2023 (2310.10505)",
    estimate=against_the_greedy,
    aggregate=losses.sequence_sum,
    clip=None,
    needs_greedy=True,
    kl_place="reward",
)
DAPO = Algorithm(
    name="dapo",
    source="Yu et al. 2025 (2503.14476), equation 8",
    estimate=normalised_in_group,
    aggregate=losses.token_mean,
    clip=Clip(0.2, 0.28),
    filters_groups=True,
)
PASS_AT_K = Algorithm(
    name="pass-at-k",
    source="Walder and Karkhanis 2025 (2505.15201), equation 33",
    estimate=towards_best_of_k,
    aggregate=losses.sequence_sum,
    clip=None,
    k=4,
)

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (PPO, GRPO, DR_GRPO, REINFORCE_PP, RLOO, REMAX, DAPO, PASS_AT_K)
}


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of that name, in its paper's settings and without a KL penalty.

    Raises:
        UnknownName: There is none; the message lists those there are.
    """
    if name not in ALGORITHMS:
        raise UnknownName(f"there is no algorithm {name!r:.80}; there are: {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]
