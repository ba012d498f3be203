"""The boundary while training: pass@k of fixed held-out problems with the weights of the moment.

Every look is an ordinary run folder, OUT/runs/step-000100, drawn by the usual loop, which
`pathshift watch` and `pathshift compare` read as any other. A look that a kill cut short goes on
where it ended, because the weights of its step come back bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pathshift.analysis.watching import StepTable, Watched, WatchSettings, watch_steps
from pathshift.errors import ConfigError, InputError
from pathshift.models.hf.model import HfModel
from pathshift.problems.families import load_problems
from pathshift.records import CountTable, Problem
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import Progress, draw_samples
from pathshift.store.counts import run_counts
from pathshift.store.manifest import is_run
from pathshift.training.lora import merged_for_sampling

RUNS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySettings:
    """What is looked at, and how often.

    Attributes:
        asked: The held-out task and how it is sampled; with `stop_at` a look draws only where it
            tells something (`stats.stopping`).
        every: Steps between two looks; the first is at step 0, the last at the end.
        stops_on_loss: End the training when a loss of coverage is certified: pass@k below that of
            step 0 at some k above 1, by bands that hold over all planned looks together
            (`analysis.watching`).
        level: Chance that all those bands hold.
    """

    asked: SampleConfig
    every: int = 50
    stops_on_loss: bool = False
    level: float = 0.95

    def __post_init__(self) -> None:
        """Check what no other part checks."""
        if self.every < 1:
            raise ConfigError(f"steps between two looks must be at least 1, got {self.every}")

    def problems(self) -> list[Problem]:
        """The held-out problems."""
        asked = self.asked
        return load_problems(asked.task, asked.task_options, limit=asked.limit)

    def is_due(self, step: int, n_steps: int) -> bool:
        """Whether this step is looked at."""
        return step % self.every == 0 or step == n_steps

    def n_looks(self, n_steps: int) -> int:
        """Looks after the one at step 0."""
        return -(-n_steps // self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found.

    Attributes:
        watched: All looks so far against that of step 0.
        is_lost: A loss of coverage is certified at this step.
    """

    step: int
    path: Path
    watched: Watched
    is_lost: bool

    @property
    def line(self) -> str:
        """The look in one line: pass@1 and pass@k of the largest k, then and now.

        k is the largest that both runs reach.
        """
        base, now = self.watched.base, (self.watched.steps or [self.watched.base])[-1]
        k = max(set(base.k) & set(now.k))
        told = [
            f"pass@{one} {base.curve[base.k.index(one)]:.3f} -> {now.curve[now.k.index(one)]:.3f}"
            for one in dict.fromkeys((1, k))
        ]
        if not self.watched.steps:
            told = [f"pass@{one} {base.curve[base.k.index(one)]:.3f}" for one in {1: 0, k: 0}]
        certified = f" ({now.certified} certified)" if now.certified else ""
        return f"held-out at step {self.step}: {', '.join(told)}{certified}"


class Boundary:
    """Takes the looks of one training run.

    Args:
        model: Around the network that is trained.
        out: The training folder.
        n_steps: Of the whole run, by which the error is shared among the looks.
        on_progress: Told while a look is drawn.
    """

    def __init__(
        self,
        settings: BoundarySettings,
        model: HfModel,
        out: Path,
        *,
        n_steps: int,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.settings = settings
        self._model, self._folder = model, out / RUNS
        self._n_steps, self._on_progress = n_steps, on_progress
        self._tables: dict[int, CountTable] = {}

    def look(self, step: int) -> Look:
        """Draw what is missing of a step's run with the weights as they are, and set it against
        step 0.

        Raises:
            RunError: The folder holds a run of another configuration.
            InputError: There is no look at step 0 to compare with.
        """
        path = self._path(step)
        named = self._model if step == 0 else at_step(self._model, step)
        with merged_for_sampling(self._model.network):
            plan = make_plan(self.settings.asked, named)
            draw_samples(plan, named, path, on_progress=self._on_progress)
        watched = watch_steps(
            self._step(0), [self._step(one) for one in self._taken(step)], self._watching()
        )
        is_lost = step > 0 and watched.loss_since is not None
        return Look(step=step, path=path, watched=watched, is_lost=is_lost)

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:06d}"

    def _watching(self) -> WatchSettings:
        looks = max(1, self.settings.n_looks(self._n_steps))
        return WatchSettings(level=self.settings.level, looks=min(looks, 1000))

    def _taken(self, upto: int) -> list[int]:
        """Steps after 0 that were looked at, up to this one."""
        return [
            step
            for step in range(1, upto + 1)
            if self.settings.is_due(step, self._n_steps) and is_run(self._path(step))
        ]

    def _step(self, step: int) -> StepTable:
        if step not in self._tables:
            path = self._path(step)
            if not is_run(path):
                raise InputError(
                    f"{path} is gone, and with it what later steps are compared with; "
                    "use another --out, or leave --held-out away"
                )
            self._tables[step] = run_counts(path)
        return StepTable(step=step, table=self._tables[step])


def at_step(model: HfModel, step: int) -> HfModel:
    """The model under a name of its own, with a hash of the weights as they are now."""
    base = model.info.weights_hash
    found = hashlib.sha256(base.encode())
    for name, weight in sorted(trained_weights(model.network).items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return model.renamed(f"{model.info.spec} after {step} steps", found.hexdigest())


def trained_weights(network: Any) -> Mapping[str, torch.Tensor]:
    """Weights that are trained, by name."""
    return {name: w for name, w in network.named_parameters() if w.requires_grad}


def without_overlap(
    problems: Sequence[Problem], held_out: Sequence[Problem], *, drop: bool, task: str
) -> tuple[Problem, ...]:
    """Training problems, none of which is held out: compared by content, not by id.

    Args:
        drop: Leave the common ones out of the training; otherwise they are an error.
        task: What to call the held-out problems.

    Raises:
        InputError: Some are common to both, or nothing is left.
    """
    held = {problem.content_hash: problem.id for problem in held_out}
    common = [problem for problem in problems if problem.content_hash in held]
    if common and not drop:
        first = common[0]
        raise InputError(
            f"{len(common)} of {len(problems)} training problems are among the {len(held_out)} "
            f"held out from {task} (such as {first.id}, there {held[first.content_hash]}); use "
            "other problems (-T seed=...), or --drop-overlap to train without them"
        )
    kept = tuple(problem for problem in problems if problem.content_hash not in held)
    if not kept:
        raise InputError(f"all {len(problems)} training problems are held out; use another task")
    return kept
