"""From what a user asks to a training that is ready to run: model, problems, adapter, rates.

A recipe is plain data, kept with what came of it; `prepared` loads the model it names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.rollout.plan import Plan, SampleConfig, make_plan
from pathshift.store.parts import task_hash
from pathshift.training.boundary import BoundarySettings, without_overlap
from pathshift.training.lora import add_lora
from pathshift.training.rl_settings import RlSettings, RlSetup

_REFERENCE_RATE, _REFERENCE_SIZE = 3e-4, 1e6
_SIZE_POWER = -0.65
_LORA_FACTOR = 10.0
_LEAST_RATE, _MOST_RATE = 1e-6, 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class RlRecipe:
    """A reinforcement learning run, as it is asked for.

    Attributes:
        model: Model spec of a transformers model: `hf:PATH_OR_ID`, `smollm2`.
        asked: Training task, template and policy; its `n` is not looked at.
        settings: How it is trained.
        learning_rate: None for `usual_rate`.
        lora: Rank of an adapter; None to train all weights.
        lora_alpha: Its scale; None for twice the rank.
        boundary: Looks at held-out problems; None for none.
        drop_overlap: Leave held-out problems out of the training; otherwise they are an error.
        load: How the model is loaded.
        trackers: Names of `trackers.TRACKERS`.
    """

    model: str
    asked: SampleConfig
    settings: RlSettings = field(default_factory=RlSettings)
    learning_rate: float | None = None
    lora: int | None = None
    lora_alpha: float | None = None
    boundary: BoundarySettings | None = None
    drop_overlap: bool = False
    load: LoadOptions = field(default_factory=LoadOptions)
    trackers: tuple[str, ...] = ()


def prepared(recipe: RlRecipe) -> RlSetup:
    """The training a recipe asks for; the held-out problems are looked at before the model.

    Raises:
        ConfigError: a model that is no transformers model in this process, or an adapter on top of
            one.
        InputError: training and held-out problems overlap.
        PathshiftError: what `load_model` and `make_plan` raise.
    """
    if recipe.lora is not None and "+" in recipe.model:
        raise ConfigError(
            f"--lora on top of the adapter in {recipe.model}: a model spec names one adapter; "
            "leave --lora away to train all weights, or merge the adapter first"
        )
    held_out = recipe.boundary.problems() if recipe.boundary is not None else []
    model = load_model(recipe.model, recipe.load)
    if not isinstance(model, HfModel):
        raise ConfigError(
            f"{recipe.model} cannot be trained: it does not run in this process; "
            "use hf:PATH_OR_ID or smollm2"
        )
    plan = make_plan(recipe.asked, model)
    task = recipe.boundary.asked.task if recipe.boundary is not None else ""
    kept = without_overlap(plan.problems, held_out, drop=recipe.drop_overlap, task=task)
    wrapped = None
    if recipe.lora is not None:
        seed = seed_of("train", "adapter", recipe.settings.seed)
        wrapped = add_lora(model.network, rank=recipe.lora, alpha=recipe.lora_alpha, seed=seed)
    return RlSetup(
        model=model, plan=only(plan, {problem.id for problem in kept}),
        settings=with_rate(recipe, model), wrapped=wrapped, boundary=recipe.boundary,
        trackers=recipe.trackers,
    )  # fmt: skip


def only(plan: Plan, ids: set[str]) -> Plan:
    """A plan with some of its problems."""
    pairs = [
        (problem, prompt)
        for problem, prompt in zip(plan.problems, plan.prompts, strict=True)
        if problem.id in ids
    ]
    problems = tuple(problem for problem, _ in pairs)
    config = {**plan.manifest.config, "task_hash": task_hash(problems)}
    return replace(
        plan, problems=problems, prompts=tuple(prompt for _, prompt in pairs),
        manifest=replace(plan.manifest, config=config),
    )  # fmt: skip


def with_rate(recipe: RlRecipe, model: HfModel) -> RlSettings:
    """The settings with the recipe's learning rate, or the usual one."""
    rate = recipe.learning_rate
    if rate is None:
        rate = usual_rate(int(model.info.details["parameters"]), is_lora=recipe.lora is not None)
    optimizer = replace(recipe.settings.optimizer, learning_rate=rate)
    return replace(recipe.settings, optimizer=optimizer)


def usual_rate(n_parameters: int, *, is_lora: bool) -> float:
    """A learning rate to begin with, one digit: 3e-4 at a million weights, 1e-6 at 7 billion.

    An adapter takes ten times as much. A rule of thumb through what is used at either end, not
    a result: tune it where it matters.

    >>> usual_rate(1_000_000, is_lora=False), usual_rate(7_000_000_000, is_lora=False)
    (0.0003, 1e-06)
    """
    rate: float = _REFERENCE_RATE * (max(1, n_parameters) / _REFERENCE_SIZE) ** _SIZE_POWER
    rate *= _LORA_FACTOR if is_lora else 1.0
    rate = min(max(rate, _LEAST_RATE), _MOST_RATE)
    digits = -math.floor(math.log10(rate))
    return round(rate, digits)
