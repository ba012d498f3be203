"""From rollouts to the batch of a step: rewards, their controls, and dynamic sampling.

Shapes: G groups, N samples of each, B = G * N rows in that order, T tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pathshift.decoding.uniforms import seed_of
from pathshift.records import Outcome
from pathshift.training.advantages import (
    has_spread,
    random_rewards,
    wrong_sign_rewards,
    zero_variance_share,
)
from pathshift.training.rollouts import SEEDS, Rolled, RolledGroup, Rollouts
from pathshift.training.sequences import Transcript

Reward = Literal["verifier", "random", "wrong-sign"]
"""What pays: the verdict, or as a control a fair coin, or the verdict's opposite."""
REWARDS: tuple[Reward, ...] = ("verifier", "random", "wrong-sign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a step drew in all, also what does not enter its batch.

    Attributes:
        correct: Share of the judged samples that are right; None if none was judged.
        unparsed, failed, truncated: Shares of all samples.
        zero_variance: Share of the groups whose judged rewards are all equal; None as above.
        mean_length: Tokens a sample.
        seconds: Drawing and judging.
        redraws: Attempts after the first.
        failure: Of a failed verdict, what it says; empty if none failed.
    """

    n_samples: int
    n_tokens: int
    correct: float | None
    unparsed: float
    failed: float
    truncated: float
    zero_variance: float | None
    mean_length: float
    seconds: float
    redraws: int
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The batch of a step; without groups there is nothing to learn from.

    Attributes:
        rewards_GN: What pays, fp32.
        is_judged_GN: False where a verdict failed: neither reward nor penalty.
        greedy_G: Rewards of the greedy completions; NaN where the verdict failed; None where none
            were drawn.
    """

    groups: tuple[RolledGroup, ...]
    rewards_GN: Tensor
    is_judged_GN: Tensor
    greedy_G: Tensor | None
    drawn: Drawn

    @property
    def problem_ids(self) -> list[str]:
        """Ids of the problems, in the order of the groups."""
        return [group.problem.id for group in self.groups]

    def sequences(self) -> list[Transcript]:
        """The rows of the batch."""
        return [
            Transcript(
                prompt_ids=sample.prompt_ids,
                completion_ids=sample.token_ids,
                old_logprobs=sample.logps,
            )
            for group in self.groups
            for sample in group.samples
        ]


def gather(
    rollouts: Rollouts,
    step: int,
    *,
    reward: Reward,
    seed: int,
    filters_groups: bool = False,
    most_redraws: int = 0,
) -> Gathered:
    """Draw the groups of a step; where groups are filtered, draw on until enough tell something.

    After `most_redraws` further attempts the step goes on with the groups it has (dynamic sampling,
    Yu et al. 2025, DAPO, 2503.14476, section 3.2; there without a bound).
    """
    tries: list[_Try] = []
    n_kept = n_wanted = 0
    for attempt in range(1 + (most_redraws if filters_groups else 0)):
        rollout = rollouts.draw(step, attempt)
        found = _tried(rollout.groups, rollout.seconds, reward, _coin(seed, step, attempt))
        tries.append(found)
        n_wanted = len(tries[0].groups)
        n_kept += int(has_spread(found.rewards_GN, found.is_judged_GN).sum())
        if n_kept >= n_wanted:
            break
    return _joined(tries, n_wanted, filters_groups=filters_groups)


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt's groups and what they are paid."""

    groups: tuple[RolledGroup, ...]
    rewards_GN: Tensor
    is_judged_GN: Tensor
    seconds: float


def _coin(seed: int, step: int, attempt: int) -> int:
    return seed_of("train", SEEDS, seed, "reward", step, attempt)


def _tried(groups: tuple[RolledGroup, ...], seconds: float, reward: Reward, coin: int) -> _Try:
    rewards_GN = torch.tensor([[s.reward for s in group.samples] for group in groups])
    judged = [[s.outcome is not Outcome.FAILED for s in group.samples] for group in groups]
    if reward == "random":
        rewards_GN = random_rewards(rewards_GN, seed=coin)
    elif reward == "wrong-sign":
        rewards_GN = wrong_sign_rewards(rewards_GN)
    return _Try(groups, rewards_GN, torch.tensor(judged), seconds)


def _joined(tries: Sequence[_Try], n_wanted: int, *, filters_groups: bool) -> Gathered:
    groups = [group for one in tries for group in one.groups]
    rewards_GN = torch.cat([one.rewards_GN for one in tries])
    is_judged_GN = torch.cat([one.is_judged_GN for one in tries])
    tells_G = has_spread(rewards_GN, is_judged_GN)
    kept = [
        place
        for place, group in enumerate(groups)
        if all(sample.token_ids for sample in group.samples)
        and (not filters_groups or bool(tells_G[place]))
    ][:n_wanted]
    at_G = torch.tensor(kept, dtype=torch.long)
    return Gathered(
        groups=tuple(groups[place] for place in kept),
        rewards_GN=rewards_GN[at_G],
        is_judged_GN=is_judged_GN[at_G],
        greedy_G=_greedy([groups[place] for place in kept]),
        drawn=_summed(groups, zero_variance_share(rewards_GN, is_judged_GN), tries),
    )


def _greedy(groups: Sequence[RolledGroup]) -> Tensor | None:
    greedy = [group.greedy for group in groups]
    if None in greedy or not greedy:
        return None
    return torch.tensor([math.nan if g is None else _or_nan(g) for g in greedy])


def _or_nan(rolled: Rolled) -> float:
    return math.nan if rolled.outcome is Outcome.FAILED else rolled.reward


def _summed(
    groups: Sequence[RolledGroup], zero_variance: float | None, tries: Sequence[_Try]
) -> Drawn:
    samples = [sample for group in groups for sample in group.samples]
    extra = [group.greedy for group in groups if group.greedy is not None]
    n = len(samples)
    failures = [s.detail for s in samples if s.outcome is Outcome.FAILED]
    judged = n - len(failures)
    return Drawn(
        n_samples=n,
        n_tokens=sum(len(s.token_ids) for s in [*samples, *extra]),
        correct=sum(s.reward for s in samples) / judged if judged else None,
        unparsed=sum(s.outcome is Outcome.UNPARSED for s in samples) / n,
        failed=len(failures) / n,
        truncated=sum(s.finish_reason == "length" for s in samples) / n,
        zero_variance=zero_variance,
        mean_length=sum(len(s.token_ids) for s in samples) / n,
        seconds=sum(one.seconds for one in tries),
        redraws=len(tries) - 1,
        failure=failures[0] if failures else "",
    )
