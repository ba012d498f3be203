"""The same recipe with other people's trainers: TRL runs it here, verl gets its data and reward.

Names are loaded when they are asked for: torch, TRL and pyarrow are imported by the modules that
use them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pathshift.errors import MissingExtra

if TYPE_CHECKING:
    from pathshift.training.bridges.same_recipe import trl_recipe
    from pathshift.training.bridges.trl import Looks, Trained, make_trainer, train
    from pathshift.training.bridges.trl_callback import BoundaryCallback
    from pathshift.training.bridges.trl_settings import Recipe, recipe_of
    from pathshift.training.bridges.verl import VerlTask, export_task

_HOMES = {
    "BoundaryCallback": "trl_callback",
    "Looks": "trl",
    "Recipe": "trl_settings",
    "Trained": "trl",
    "make_trainer": "trl",
    "recipe_of": "trl_settings",
    "train": "trl",
    "trl_recipe": "same_recipe",
    "VerlTask": "verl",
    "export_task": "verl",
}

__all__ = ["BoundaryCallback", "Looks", "Recipe", "Trained", "VerlTask", "export_task",
           "make_trainer", "recipe_of", "train", "trl_recipe"]  # fmt: skip


def __getattr__(name: str) -> Any:
    """A name's module is imported with its first use.

    Raises:
        MissingExtra: TRL, or what it needs, is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "trl", "train") from error
