"""The recipes of the zoo: one TOML file a model, read and checked key by key.

A recipe says everything its model hangs on: corpus, shape, optimizer and seeds of one that is
pre-trained; base, task, algorithm and seeds of a child. Nothing has a default, so a file can be
read without this package. Reading loads nothing heavy; `building` does what a recipe says.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError, UnknownName
from pathshift.lab.zoo.corpus import FAMILIES, CorpusPlan
from pathshift.lab.zoo.evaluation import evaluation_set

Keys = Mapping[str, type]

_TASK: Keys = {"options": dict, "max_tokens": int}
_DRAW: Keys = {"samples": int, "temperature": float, "seed": int}
_TUNING: Keys = {
    "per_problem": int, "epochs": float, "batch": int, "length": int, "micro_tokens": int,
    "learning_rate": float, "weight_decay": float, "warmup": float, "seed": int,
}  # fmt: skip
_SHAPE: Keys = {
    "width": int, "inner": int, "layers": int, "heads": int, "context": int, "init": float,
    "rope_theta": float,
}  # fmt: skip
_PRETRAINING: Keys = {
    "steps": int, "batch": int, "length": int, "micro_tokens": int, "learning_rate": float,
    "matrix_rate": float, "beta2": float, "weight_decay": float, "final_share": float,
    "warmup": float, "seed": int,
}  # fmt: skip
_RL: Keys = {
    "algorithm": str, "steps": int, "prompts": int, "samples": int, "learning_rate": float,
    "reward": str, "micro_tokens": int, "seed": int,
}  # fmt: skip
_CORPUS: Keys = {"documents": int, "shares": list, "noise": float, "seed": int}
_MEASURE: Keys = {"sets": list, "samples": int, "max_tokens": int, "seed": int}

_SECTIONS: Mapping[str, Mapping[str, Keys]] = {
    "pretrain": {"corpus": _CORPUS, "shape": _SHAPE, "training": _PRETRAINING},
    "rl": {"task": _TASK, "training": _RL},
    "rft": {"task": _TASK, "draw": _DRAW, "training": _TUNING},
    "distill": {"task": _TASK, "draw": _DRAW, "training": _TUNING},
}
_TOP: Mapping[str, Keys] = {
    "pretrain": {},
    "rl": {"base": str},
    "rft": {"base": str},
    "distill": {"base": str, "teacher": str},
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one model is made.

    Attributes:
        kind: "pretrain", "rl", "rft" (its own correct samples) or "distill" (a teacher's).
        about: A sentence for the card.
        base: Recipe of the model it starts from; None where it is pre-trained.
        teacher: Recipe of the model that is sampled; None where there is none.
        sections: Keys and values of each section.
        hash: SHA-256 of the file, in 64 hexadecimal digits.
    """

    name: str
    kind: str
    family: str
    about: str
    base: str | None
    teacher: str | None
    sections: Mapping[str, Mapping[str, Any]]
    hash: str

    def __getitem__(self, section: str) -> Mapping[str, Any]:
        """A section of the file."""
        return self.sections[section]

    @property
    def corpus_plan(self) -> CorpusPlan:
        """What a pre-training corpus holds."""
        given = dict(self["corpus"])
        return CorpusPlan(
            family=self.family, n_documents=given["documents"], noise=given["noise"],
            seed=given["seed"], shares=tuple((level, share) for level, share in given["shares"]),
        )  # fmt: skip


def recipe_names() -> list[str]:
    """Names of the committed recipes, sorted."""
    found = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def read_recipe(name: str, path: Path | None = None) -> Recipe:
    """The committed recipe of that name, or the one that a file holds.

    Raises:
        UnknownName: there is none; lists those there are.
        ConfigError: the file cannot be read, or breaks a rule; names file, key and value.
    """
    if path is None and name not in recipe_names():
        raise UnknownName(f"no recipe {name!r}; there are: {', '.join(recipe_names())}")
    source = _folder().joinpath(f"{name}.toml") if path is None else path
    where = f"{name}.toml" if path is None else str(path)
    try:
        content = source.read_bytes()
        table = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"cannot read {where}: {reason}; give a TOML file") from error
    except ValueError as error:  # both TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{where} is not TOML in UTF-8: {error}; mend that place") from error
    return _checked(name, table, hashlib.sha256(content).hexdigest(), where)


def _folder() -> Traversable:
    return files("pathshift.lab.zoo").joinpath("recipes")


def _checked(name: str, table: Mapping[str, Any], content_hash: str, where: str) -> Recipe:
    kind = str(table.get("kind"))
    if kind not in _SECTIONS:
        raise ConfigError(f"{where}: kind {kind!r} is not known; use one of {', '.join(_SECTIONS)}")
    forms = {**_SECTIONS[kind], "measure": _MEASURE}
    top: Keys = {
        "kind": str,
        "family": str,
        "about": str,
        **_TOP[kind],
        **dict.fromkeys(forms, dict),
    }
    _check_keys(table, top, where)
    for section, keys in forms.items():
        _check_keys(table[section], keys, f"{where} [{section}]")
    if table["family"] not in FAMILIES:
        raise ConfigError(
            f"{where}: family {table['family']!r} is not known; use one of {', '.join(FAMILIES)}"
        )
    found = Recipe(
        name=name, kind=kind, family=table["family"], about=" ".join(table["about"].split()),
        base=table.get("base"), teacher=table.get("teacher"), hash=content_hash,
        sections={section: table[section] for section in forms},
    )  # fmt: skip
    _check_values(found, where)
    return found


def _check_keys(table: Mapping[str, Any], keys: Keys, where: str) -> None:
    """Every key there, none besides, each of its type; a whole number may stand for a float."""
    for key in table:
        if key not in keys:
            raise ConfigError(f"{where}: unknown key {key!r}; use only {', '.join(keys)}")
    for key, kind in keys.items():
        if key not in table:
            raise ConfigError(f"{where}: key {key!r} is missing; a recipe names everything, add it")
        value = table[key]
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{where}: {key} must be {_SAID[kind]}, got {value!r}")


_SAID = {int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a table"}


def _check_values(recipe: Recipe, where: str) -> None:
    """What the types leave open and no later part checks before work is done."""
    for name in (recipe.name, recipe.base or "a", recipe.teacher or "a"):
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: a model's name must be like-this-one, got {name!r}")
    for name in recipe["measure"]["sets"]:
        if not isinstance(name, str):
            raise ConfigError(f"{where}: sets must hold names of evaluation sets, got {name!r}")
        if evaluation_set(name).task != recipe.family:
            raise ConfigError(f"{where}: {name} is no set of the family {recipe.family}")
    if recipe.kind == "pretrain":
        shares = recipe["corpus"]["shares"]
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in shares):
            raise ConfigError(f"{where}: shares must be like [[1, 0.4], [2, 0.6]], got {shares!r}")
        _ = recipe.corpus_plan
        return
    options = recipe["task"]["options"]
    if not all(isinstance(value, str) for value in options.values()):
        raise ConfigError(f"{where}: task options are texts, as -T takes them, got {options!r}")
