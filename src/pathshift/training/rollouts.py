"""Groups of samples for one training step: problems, draws under the policy, verdicts, rewards.

The samples come from the very network that is being trained, through the project's engine, and
bring the log-probability of every token under the policy that drew it. Which problems a step asks
and every sample's seed are functions of (seed, step, attempt): no generator state, so that a
resumed run draws what an uninterrupted one would have drawn.

Shapes: G problems of a step, N samples of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.models.hf.rows import Row
from pathshift.models.protocol import Completion, Request
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.rollout.plan import Plan
from pathshift.training.lora import merged_for_sampling

SEEDS = 1
"""Version of how seeds are made here; a change gives other runs."""

Judging = Callable[[Iterable[tuple[Problem, Sample]]], list[Verdict]]
"""One verdict a sample, in order: `verify.judge.Judge.verdicts`, or a function of one's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """One sample of a step.

    Attributes:
        prompt_ids: The prompt's tokens.
        token_ids: Sampled tokens, the end token included; empty where the prompt did not fit.
        logps: ln p of each of them under the policy that drew it, when it drew it.
        finish_reason: "stop", "length" or "error".
        detail: Why, where the outcome is FAILED.
    """

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logps: tuple[float, ...]
    text: str
    finish_reason: str
    outcome: Outcome
    detail: str = ""

    @property
    def reward(self) -> float:
        """1 for a correct answer, else 0; of no meaning where the outcome is FAILED."""
        return float(self.outcome is Outcome.CORRECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledGroup:
    """The samples of one problem; `greedy` is its likeliest completion, where it was asked for."""

    problem: Problem
    samples: tuple[Rolled, ...]
    greedy: Rolled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What one attempt of a step drew.

    Attributes:
        seconds: Drawing and judging.
    """

    groups: tuple[RolledGroup, ...]
    seconds: float

    @property
    def samples(self) -> list[Rolled]:
        """All samples, group by group; the greedy ones are not among them."""
        return [sample for group in self.groups for sample in group.samples]

    @property
    def n_tokens(self) -> int:
        """Sampled tokens, those of the greedy samples included."""
        extra = [group.greedy for group in self.groups if group.greedy is not None]
        return sum(len(sample.token_ids) for sample in [*self.samples, *extra])


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """How much a step draws.

    Attributes:
        n_prompts: Problems a step (G).
        n_samples: Samples a problem (N).
        seed: Of the order of problems and of all draws.
        with_greedy: Draw each problem's likeliest completion too (ReMax).
    """

    n_prompts: int
    n_samples: int
    seed: int = 0
    with_greedy: bool = False

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        for name in ("n_prompts", "n_samples"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


class Rollouts:
    """Draws and judges the groups of any step.

    Args:
        plan: Problems with their prompts, and the policy; only its temperature may shape it, since
            the ratio of two policies is not defined where one of them excludes a token.
        model: Around the network that is trained.
        judging: Gives the verdicts.

    Raises:
        ConfigError: fewer problems than a step asks, or a policy that excludes tokens.
        ModelError: nothing would end a sample.
    """

    def __init__(
        self, plan: Plan, model: HfModel, judging: Judging, settings: RolloutSettings
    ) -> None:
        _check(plan, settings)
        self._plan, self._model, self._judging = plan, model, judging
        self._settings = settings

    def draw(self, step: int, attempt: int = 0) -> Rollout:
        """The groups of a step; a later attempt asks other problems (dynamic sampling)."""
        started = time.monotonic()
        places = places_of(len(self._plan.problems), step, self._settings, attempt=attempt)
        with torch.no_grad(), merged_for_sampling(self._model.network):
            drawn = self._drawn(places, step, attempt)
            greedy = self._greedy(places) if self._settings.with_greedy else [()] * len(places)
        groups = self._judged(places, [[*a, *b] for a, b in zip(drawn, greedy, strict=True)])
        return Rollout(groups=groups, seconds=time.monotonic() - started)

    def _drawn(self, places: Sequence[int], step: int, attempt: int) -> list[list[Rolled]]:
        requests = [self._request(place, self._seeds(place, step, attempt)) for place in places]
        return self._ask(requests, self._plan.policy)

    def _greedy(self, places: Sequence[int]) -> list[Sequence[Rolled]]:
        policy = replace(self._plan.policy, temperature=0.0)
        return list(self._ask([self._request(place, (0,)) for place in places], policy))

    def _request(self, place: int, seeds: tuple[int, ...]) -> Request:
        return Request(prompt=self._plan.prompts[place], seeds=seeds, is_chat=self._plan.is_chat)

    def _seeds(self, place: int, step: int, attempt: int) -> tuple[int, ...]:
        content = self._plan.problems[place].content_hash
        return tuple(
            seed_of("train", SEEDS, self._settings.seed, step, attempt, content, number)
            for number in range(self._settings.n_samples)
        )

    def _ask(self, requests: Sequence[Request], policy: Policy) -> list[list[Rolled]]:
        return [
            [
                _unjudged(drawn.prompt_ids, row, completion)
                for row, completion in zip(
                    drawn.rows or [Row(0)] * len(drawn.completions), drawn.completions, strict=True
                )
            ]
            for drawn in self._model.draw(requests, policy)
        ]

    def _judged(
        self, places: Sequence[int], drawn: Sequence[Sequence[Rolled]]
    ) -> tuple[RolledGroup, ...]:
        """Groups with their verdicts; all of a step are judged in one call."""
        problems = [self._plan.problems[place] for place in places]
        pairs = [
            (problem, _sample(problem, number, rolled))
            for problem, group in zip(problems, drawn, strict=True)
            for number, rolled in enumerate(group)
            if rolled.finish_reason != "error"
        ]
        verdicts = iter(judged_safely(self._judging, pairs))
        groups = []
        for problem, group in zip(problems, drawn, strict=True):
            done = tuple(
                rolled if rolled.finish_reason == "error" else _with_verdict(rolled, next(verdicts))
                for rolled in group
            )
            n = self._settings.n_samples
            groups.append(
                RolledGroup(problem=problem, samples=done[:n], greedy=(*done[n:], None)[0])
            )
        return tuple(groups)


def _check(plan: Plan, settings: RolloutSettings) -> None:
    policy, n = plan.policy, len(plan.problems)
    if n < settings.n_prompts:
        raise ConfigError(
            f"a step asks {settings.n_prompts} problems and the task has {n}; "
            f"use --prompts {n} or a task with more"
        )
    if policy.temperature == 0 or (policy.top_k, policy.top_p, policy.min_p) != (0, 1.0, 0.0):
        raise ConfigError(
            "training draws from the whole distribution: temperature above 0, and no top-k, top-p "
            "or min-p, because the ratio of two policies is undefined for a token one of them cuts"
        )


def places_of(
    n_problems: int, step: int, settings: RolloutSettings, *, attempt: int = 0
) -> list[int]:
    """Which problems a step asks, by place; every problem once before any comes again.

    A pure function of seed, step and attempt. A later attempt asks random problems.

    Args:
        step: From 1.

    >>> one = RolloutSettings(n_prompts=2, n_samples=4)
    >>> sorted(places_of(4, 1, one) + places_of(4, 2, one))
    [0, 1, 2, 3]
    """
    size = settings.n_prompts
    if attempt:
        return list(_order(n_problems, settings.seed, step, attempt)[:size])
    first = (step - 1) * size
    found: list[int] = []
    for number in range(first, first + size):
        epoch, at = divmod(number, n_problems)
        found.append(_order(n_problems, settings.seed, epoch, 0)[at])
    return found


@lru_cache(maxsize=4)
def _order(n_problems: int, seed: int, epoch: int, attempt: int) -> tuple[int, ...]:
    rng = np.random.default_rng(seed_of("train", SEEDS, seed, "order", epoch, attempt))
    return tuple(int(place) for place in rng.permutation(n_problems))


def judged_safely(judging: Judging, pairs: Sequence[tuple[Problem, Sample]]) -> list[Verdict]:
    """Verdicts, also where the verifier raises: what it raised on is FAILED, with its reason.

    A verifier that raises on many samples at once is asked for each of them alone.
    """
    try:
        return judging(pairs)
    except Exception as error:  # noqa: BLE001  # foreign code: a user's reward raises what it likes
        if len(pairs) > 1:
            return [verdict for pair in pairs for verdict in judged_safely(judging, [pair])]
        reason = f"the verifier raised {type(error).__name__}: {error}"[:200]
        return [
            Verdict(
                problem_id=sample.problem_id, sample_no=sample.sample_no,
                outcome=Outcome.FAILED, detail=reason,
            )
            for _, sample in pairs
        ]  # fmt: skip


def _unjudged(prompt_ids: tuple[int, ...], row: Row, completion: Completion) -> Rolled:
    return Rolled(
        prompt_ids=prompt_ids,
        token_ids=tuple(row.tokens),
        logps=tuple(row.sampling_logprobs),
        text=completion.text,
        finish_reason=completion.finish_reason,
        outcome=Outcome.FAILED,
        detail=completion.detail or "not judged",
    )


def _sample(problem: Problem, number: int, rolled: Rolled) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=number, seed=0, text=rolled.text,
        n_tokens=len(rolled.token_ids), finish_reason=rolled.finish_reason, detail=rolled.detail,
    )  # fmt: skip


def _with_verdict(rolled: Rolled, verdict: Verdict) -> Rolled:
    return replace(rolled, outcome=verdict.outcome, detail=verdict.detail)
