"""One job of the study, done in this process: a training, or the samples of one model.

Everything is an ordinary training or run folder: a job that was cut short goes on where it ended.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pathshift.lab.algorithms.jobs import Job, best_rate, finish
from pathshift.lab.algorithms.plan import Arm, Family, Plan
from pathshift.lab.algorithms.problem_files import problem_file
from pathshift.models.load import LoadOptions, load_model
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.rollout.tasks import task_named
from pathshift.training.algorithms import algorithm_named
from pathshift.training.boundary import BoundarySettings
from pathshift.training.gathering import Reward
from pathshift.training.progress import read_metrics
from pathshift.training.recipes import RlRecipe, prepared
from pathshift.training.rl import train
from pathshift.training.rl_settings import Hearing, RlSettings

ROWS = 128
"""Samples drawn in one pass of the last measurement."""
TIMED_STEPS, TIMED_SAMPLES, TIMED_PROBLEMS = 2, 128, 4
Tell = Callable[[float], None]
"""Told the share of the job that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A plan and the folder it is run in."""

    plan: Plan
    root: Path


def perform(study: Study, job: Job, tell: Tell = lambda share: None) -> dict[str, Any]:
    """Do a job and say that it is finished; returns what came of it."""
    began = time.monotonic()
    doing = {"time": _timed, "tune": _tuned, "train": _trained, "final": _measured}[job.kind]
    outcome = doing(study, job, tell)
    outcome = {"seconds": round(time.monotonic() - began, 2), **outcome}
    finish(study.root, job.name, outcome)
    return outcome


def model_path(study: Study, job: Job) -> Path:
    """The folder of the model that a training job made."""
    return study.root / job.family / "train" / job.label / "model"


def _tuned(study: Study, job: Job, tell: Tell) -> dict[str, Any]:
    plan, arm = study.plan, study.plan.arm(job.arm)
    recipe = _recipe(study, job, arm, rate=job.rate or 0.0, n_steps=plan.tune_steps, use="tune")
    return {"rate": job.rate, "reward": _run(study, job, recipe, tell, last=plan.tune_last)}


def _trained(study: Study, job: Job, tell: Tell) -> dict[str, Any]:
    plan, arm = study.plan, study.plan.arm(job.arm)
    tuned = plan.arm(arm.rate_of) if arm.rate_of else arm
    rate = best_rate(study.root, plan, job.family, tuned)
    n_steps = plan.steps_of(arm)
    recipe = _recipe(study, job, arm, rate=rate, n_steps=n_steps, use="train")
    recipe = replace(recipe, boundary=_looks(study, plan.family(job.family)))
    return {"rate": rate, "reward": _run(study, job, recipe, tell, last=plan.tune_last)}


def _run(study: Study, job: Job, recipe: RlRecipe, tell: Tell, *, last: int) -> float:
    """Train, or go on; mean reward over the last steps (a step without one counts as 0)."""
    out = study.root / job.name
    n_steps = recipe.settings.n_steps
    train(
        prepared(recipe), out,
        Hearing(on_step=lambda progress: tell(progress.step / n_steps)),
    )  # fmt: skip
    rewards = [line["reward"] or 0.0 for line in read_metrics(out / "metrics.jsonl")][-last:]
    return float(sum(rewards) / len(rewards))


def _recipe(study: Study, job: Job, arm: Arm, *, rate: float, n_steps: int, use: str) -> RlRecipe:
    plan, family = study.plan, study.plan.family(job.family)
    algorithm = replace(algorithm_named(arm.algorithm), kl_coefficient=arm.kl)
    reward: Reward = arm.reward  # type: ignore[assignment]  # checked by RlSettings
    return RlRecipe(
        model=family.base, asked=_asked(study, family, use, n=plan.n_samples), learning_rate=rate,
        drop_overlap=True, load=LoadOptions(threads=1),
        settings=RlSettings(
            algorithm=algorithm, n_steps=n_steps, n_prompts=plan.n_prompts,
            n_samples=plan.n_samples, redraws=plan.redraws, reward=reward, measure_kl=True,
            checkpoint_every=plan.look_every, seed=job.seed,
        ),
    )  # fmt: skip


def _asked(study: Study, family: Family, use: str, *, n: int) -> SampleConfig:
    """The family's way of asking, at the problems that stand in the study's own file."""
    task = task_named(family.name)
    is_chat = family.mode == "chat"
    return SampleConfig(
        task=f"jsonl:{problem_file(study.root, family.name, use)}", n=n, mode=family.mode,
        template=task.template.chat if is_chat else task.template.completion,
        stop=() if is_chat else task.template.stop,
        verifier=task.verifier, max_tokens=family.max_tokens,
    )  # fmt: skip


def _looks(study: Study, family: Family) -> BoundarySettings:
    plan = study.plan
    asked = replace(
        _asked(study, family, "inside", n=plan.look_n), limit=plan.look_problems, seed=1
    )
    return BoundarySettings(asked=asked, every=plan.look_every, level=plan.level)


def _measured(study: Study, job: Job, tell: Tell) -> dict[str, Any]:
    """Draw the last samples of one model, in and out of domain."""
    family = study.plan.family(job.family)
    spec = job.spec or f"hf:{model_path(study, job)}"
    model = load_model(spec, LoadOptions(threads=1, rows=ROWS))
    out = study.root / job.name
    weights = {use: n for use, (_, n) in family.sets.items()}
    total, done = sum(weights.values()), 0.0
    for use, n_problems in weights.items():
        plan = make_plan(_asked(study, family, use, n=study.plan.final_n), model)
        share, before = n_problems / total, done

        def told(progress: Any, share: float = share, before: float = before) -> None:
            tell(before + share * progress.drawn / max(1, progress.wanted))

        draw_samples(plan, model, out / use, on_progress=told)
        done += share
    return {"model": spec, "weights_hash": model.info.weights_hash}


def _timed(study: Study, job: Job, tell: Tell) -> dict[str, Any]:
    """Seconds of a step and of a sample on this machine, while the other workers are busy too."""
    out = study.root / job.name
    shutil.rmtree(out, ignore_errors=True)
    arm, family = study.plan.arm(job.arm), study.plan.family(job.family)
    recipe = _recipe(study, job, arm, rate=1e-6, n_steps=TIMED_STEPS, use="tune")
    train(prepared(recipe), out / "train", Hearing(on_step=lambda p: tell(p.step / 4)))
    last = read_metrics(out / "train" / "metrics.jsonl")[-1]
    model = load_model(family.base, LoadOptions(threads=1, rows=ROWS))
    asked = replace(_asked(study, family, "inside", n=TIMED_SAMPLES), limit=TIMED_PROBLEMS)
    plan = make_plan(asked, model)
    began = time.monotonic()
    progress = draw_samples(plan, model, out / "run")
    per_sample = (time.monotonic() - began) / max(1, progress.drawn)
    shutil.rmtree(out, ignore_errors=True)
    return {
        "drawing": float(last["seconds_drawing"]), "learning": float(last["seconds_learning"]),
        "sample": per_sample,
    }  # fmt: skip
