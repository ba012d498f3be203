"""Our own recipe in the words of the TRL bridge: what has an equal there is handed on, the rest is
refused by name.

Imports neither torch nor TRL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathshift.errors import ConfigError
from pathshift.training.bridges.trl_settings import TRL_NAMES, Recipe, recipe_of

if TYPE_CHECKING:
    from pathshift.training.recipes import RlRecipe


def trl_recipe(recipe: RlRecipe, out: Path, options: Mapping[str, Any]) -> Recipe:
    """The same training, for TRL.

    The held-out problems are no part of it: give `recipe.boundary` to `Looks`.

    Args:
        options: Settings by TRL's own names, which win over what our recipe leaves open.

    Raises:
        ConfigError: TRL has no equal of a setting that was changed, or of the algorithm.
    """
    settings = recipe.settings
    algorithm, optimizer = settings.algorithm, settings.optimizer
    if len(recipe.trackers) > 1:
        raise ConfigError(
            f"TRL is given one tracker, got {', '.join(recipe.trackers)}; leave the others out"
        )
    values: dict[str, Any] = {
        **_asked(recipe),
        "algorithm": algorithm.name, "out": out, "seed": settings.seed,
        "steps": settings.n_steps, "prompts_per_step": settings.n_prompts,
        "group_size": settings.n_samples, "epochs": algorithm.epochs,
        "kl": algorithm.kl_coefficient, "learning_rate": recipe.learning_rate,
        "schedule": optimizer.schedule, "warmup_steps": optimizer.warmup_steps,
        "weight_decay": optimizer.weight_decay, "max_grad_norm": optimizer.max_norm,
        "lora_rank": recipe.lora, "lora_alpha": recipe.lora_alpha,
        "save_every": settings.checkpoint_every, "dtype": recipe.load.dtype,
        "device": recipe.load.device, "threads": recipe.load.threads,
        "tracker": recipe.trackers[0] if recipe.trackers else None,
    }  # fmt: skip
    if algorithm.clip is not None:
        values |= {"clip_low": algorithm.clip.low, "clip_high": algorithm.clip.high}
    theirs: dict[str, Any] = {}
    ours = {name: mine for mine, name in TRL_NAMES.items()}
    for name, value in options.items():
        is_open = name in ours and values.get(ours[name]) is None
        (values if is_open else theirs)[ours[name] if is_open else name] = value
    return recipe_of({**values, "trl": theirs, **_without_equal(recipe)})


def option_value(text: str) -> Any:
    """What `NAME=TEXT` says: a JSON value, or else the text itself.

    >>> option_value("true"), option_value("8"), option_value("ds.json")
    (True, 8, 'ds.json')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _asked(recipe: RlRecipe) -> dict[str, Any]:
    """The problems and how they are asked."""
    asked = recipe.asked
    same = ("task", "task_options", "limit", "mode", "template", "system", "stop", "verifier",
            "temperature", "top_k", "top_p", "min_p", "max_tokens")  # fmt: skip
    return {"model": recipe.model, **{name: getattr(asked, name) for name in same}}


def _without_equal(recipe: RlRecipe) -> dict[str, Any]:
    """Settings that were changed and that TRL does not know, by our names."""
    from pathshift.training.algorithms import algorithm_named
    from pathshift.training.boundary import BoundarySettings

    settings, boundary = recipe.settings, recipe.boundary
    usual = type(settings)(algorithm=settings.algorithm, n_samples=settings.n_samples)
    found = _changed(settings, usual, {"algorithm", "n_steps", "n_prompts", "n_samples",
                                       "optimizer", "checkpoint_every", "seed"})  # fmt: skip
    found |= _changed(
        settings.optimizer, usual.optimizer,
        {"learning_rate", "schedule", "warmup_steps", "weight_decay", "max_norm"},
    )  # fmt: skip
    found |= _changed(
        settings.algorithm, algorithm_named(settings.algorithm.name),
        {"clip", "kl_coefficient", "epochs"},
    )  # fmt: skip
    found |= _changed(recipe.load, type(recipe.load)(), {"dtype", "device", "threads"})
    if boundary is not None:
        plain = BoundarySettings(asked=boundary.asked)
        found |= _changed(boundary, plain, {"asked", "every"})
    if recipe.drop_overlap:
        found["drop_overlap"] = True
    return found


def _changed(given: Any, usual: Any, known: set[str]) -> dict[str, Any]:
    """Fields that differ from the usual record's, but for those that have an equal."""
    names = [entry.name for entry in fields(given) if entry.name not in known]
    return {n: getattr(given, n) for n in names if getattr(given, n) != getattr(usual, n)}
