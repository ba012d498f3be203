"""What a reinforcement learning run is: its settings, what it needs, whom it tells, what it gives.

Records only; the loop is in `rl.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.rollout.plan import Plan
from pathshift.rollout.sampling import Progress as DrawProgress
from pathshift.training.algorithms import GRPO, Algorithm, normalised_in_batch
from pathshift.training.boundary import BoundarySettings, Look
from pathshift.training.demonstrations import Demonstrations
from pathshift.training.gathering import REWARDS, Reward
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.progress import Progress
from pathshift.training.rollouts import Judging


@dataclass(frozen=True, slots=True, kw_only=True)
class RlSettings:
    """How a model is trained.

    Attributes:
        algorithm: One of `algorithms.ALGORITHMS`, or one of its settings replaced.
        n_steps: Rollouts in all.
        n_prompts: Problems a step.
        n_samples: Samples a problem.
        n_updates: Optimizer steps on each batch; above 1 the later ones are off-policy.
        value_learning_rate: Of the value head, where there is one.
        reward: "verifier", or a control: "random" (a fair coin) or "wrong-sign".
        redraws: Further attempts at groups that tell something, where the algorithm filters them.
        micro_tokens: Tokens that go through the network at once.
        measure_kl: Log the divergence from the start also where nothing penalises it.
        checkpoint_every: Steps between two checkpoints.
        patience: Steps in a row without a right answer after which the run says so.
    """

    algorithm: Algorithm = GRPO
    n_steps: int = 100
    n_prompts: int = 16
    n_samples: int = 16
    n_updates: int = 1
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    value_learning_rate: float = 1e-3
    reward: Reward = "verifier"
    redraws: int = 4
    micro_tokens: int = 8192
    measure_kl: bool = False
    checkpoint_every: int = 25
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        for name in ("n_steps", "n_prompts", "n_samples", "n_updates", "micro_tokens",
                     "checkpoint_every", "patience"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.redraws < 0:
            raise ConfigError(f"redraws must be 0 or more, got {self.redraws}")
        if self.reward not in REWARDS:
            raise ConfigError(
                f"reward {self.reward!r} is not known; use one of {', '.join(REWARDS)}"
            )
        _check_group(self.algorithm, self.n_samples)
        if self.n_updates > 1 and self.algorithm.clip is None:
            raise ConfigError(
                f"{self.algorithm.name} has no ratio, so each batch serves one update; "
                f"use 1 in place of {self.n_updates}"
            )

    def config(self) -> dict[str, Any]:
        """What a resumed run must share, flat; the number of steps only where the rate needs it."""
        algorithm = {f"algorithm.{k}": v for k, v in self.algorithm.settings().items()}
        names = ("n_prompts", "n_samples", "n_updates", "value_learning_rate", "reward", "redraws",
                 "micro_tokens", "measure_kl", "seed")  # fmt: skip
        rate = self.optimizer
        optimizer = {f"optimizer.{n}": getattr(rate, n) for n in rate.__dataclass_fields__}
        steps = {} if rate.schedule == "constant" else {"n_steps": self.n_steps}
        return {**{n: getattr(self, n) for n in names}, **algorithm, **optimizer, **steps}


def _check_group(algorithm: Algorithm, n_samples: int) -> None:
    """Whether a group of this size tells the algorithm anything."""
    is_alone = (
        algorithm.needs_value or algorithm.needs_greedy or algorithm.estimate is normalised_in_batch
    )
    least = algorithm.k or (1 if is_alone else 2)
    if n_samples < least:
        raise ConfigError(
            f"{algorithm.name} compares the samples of a problem and needs at least {least} of "
            f"them, got {n_samples}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RlSetup:
    """A training, ready to run.

    Attributes:
        model: Around the network that is trained; its adapter, if there is one, is in it.
        plan: The problems that are trained on, their prompts, and the policy.
        wrapped: peft's wrapper of the network, where only an adapter is trained.
        boundary: Looks at held-out problems; None for none.
        judging: Gives the verdicts in place of the plan's verifier.
        trackers: Names of `progress.TRACKERS`.
        demonstrations: Right solutions to imitate beside the rollouts; None for none.
    """

    model: HfModel
    plan: Plan
    settings: RlSettings
    wrapped: Any | None = None
    boundary: BoundarySettings | None = None
    judging: Judging | None = None
    trackers: tuple[str, ...] = ()
    demonstrations: Demonstrations | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What makes two trainings the same one; flat, JSON values."""
        left_out = ("stream", "stopping", "store", "seed", "limit")
        asked = {k: v for k, v in self.plan.manifest.config.items() if k not in left_out}
        adapter = None
        if self.wrapped is not None:
            lora = self.wrapped.peft_config["default"]
            adapter = {"rank": lora.r, "alpha": lora.lora_alpha}
        hashes = sorted(problem.content_hash for problem in self.plan.problems)
        problems = seed_of("problems", *hashes)
        shown = {} if self.demonstrations is None else self.demonstrations.config()
        return {**asked, **self.settings.config(), "lora": adapter, "problems": problems, **shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Who is told what while a run goes on."""

    on_step: Callable[[Progress], None] = lambda progress: None
    on_note: Callable[[str], None] = lambda line: None
    on_look: Callable[[DrawProgress], None] = lambda progress: None


@dataclass(frozen=True, slots=True, kw_only=True)
class RlResult:
    """What a run did.

    Attributes:
        first_step: Steps that stood before this call.
        step: Steps done.
        path: The final model's folder, or its adapter's.
        stopped: Why before the last step; empty if it was not.
        looks: Folders of the looks of this call, in order.
        last: Metrics of the last step; empty if there was nothing to do.
    """

    first_step: int
    step: int
    path: Path
    stopped: str
    looks: tuple[Look, ...]
    last: Mapping[str, Any]
