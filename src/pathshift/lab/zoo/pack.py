"""A trained model as the zoo keeps it: bf16 weights, tokenizer, what it was made from, a card.

    config.json, model.safetensors, tokenizer.json ...   what transformers reads
    made.json                                            recipe, parents, corpus, sizes, hashes
    measured.json                                        pass@k on the evaluation sets, if measured
    README.md                                            the card, written from the two

Hashes are SHA-256 of the files as they lie there, so `sha256sum` checks them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pathshift.errors import ConfigError, ModelError, RunError
from pathshift.lab.zoo.card import card
from pathshift.lab.zoo.corpus import ShareRow
from pathshift.lab.zoo.recipe import Recipe
from pathshift.lab.zoo.tokens import save_tokenizer
from pathshift.models.zoo import CARD
from pathshift.training.saved_model import save_model
from pathshift.training.sft import load_student
from pathshift.training.whole_folders import whole_folder

MADE, MEASURED = "made.json", "measured.json"
_WEIGHTS, _TOKENIZER, _CONFIG = "model.safetensors", "tokenizer.json", "config.json"
_KEPT = (_CONFIG, "generation_config.json", _WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a model was made from.

    Attributes:
        seeds: By section of the recipe.
        base, teacher: Name and weights hash of the models it was made from; None where there is
            none.
        corpus: A row a level; empty of a child.
        parameters: All weights, a shared matrix once.
        weights_hash, tokenizer_hash: Of model.safetensors and tokenizer.json.
        versions: Of what trained it.
    """

    recipe: str
    recipe_hash: str
    kind: str
    family: str
    about: str
    seeds: Mapping[str, int] = field(default_factory=dict)
    base: tuple[str, str] | None = None
    teacher: tuple[str, str] | None = None
    corpus: tuple[ShareRow, ...] = ()
    parameters: int = 0
    weights_hash: str = ""
    tokenizer_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def by(
        cls,
        recipe: Recipe,
        *,
        corpus: Sequence[ShareRow] = (),
        base: tuple[str, str] | None = None,
        teacher: tuple[str, str] | None = None,
    ) -> Self:
        """By a recipe; what the finished files say is filled in by `pack`."""
        seeds = {name: keys["seed"] for name, keys in recipe.sections.items() if "seed" in keys}
        return cls(
            recipe=recipe.name, recipe_hash=recipe.hash, kind=recipe.kind, family=recipe.family,
            about=recipe.about, seeds=seeds, base=base, teacher=teacher, corpus=tuple(corpus),
        )  # fmt: skip


def is_packed(folder: Path) -> bool:
    """Whether a packed model stands there; it appears whole or not at all."""
    return (folder / MADE).is_file()


def made_of(folder: Path) -> Made:
    """What a packed model was made from.

    Raises:
        RunError: made.json is not there, or not as `pack` writes it.
    """
    values = _read(folder / MADE)
    try:
        rows = tuple(ShareRow(*row) for row in values.pop("corpus"))
        base, teacher = (tuple(values.pop(name) or ()) or None for name in ("base", "teacher"))
        return Made(corpus=rows, base=base, teacher=teacher, **values)
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / MADE} is not as it was written ({error}); build anew") from error


def pack(trained: Path, recipe: Recipe, target: Path, made: Made) -> Path:
    """Write the packed folder of a trained model; what stood there is replaced.

    Args:
        trained: A transformers folder, such as a training folder's `model`.

    Raises:
        ModelError: it cannot be loaded.
        StorageError: the disk refused.
    """
    student = load_student(f"hf:{trained}")
    with whole_folder(target) as aside:
        bf16 = save_model(student.network, student.tokenizer, aside / "bf16", dtype="bf16")
        for name in _KEPT:
            if (bf16 / name).is_file():
                (bf16 / name).rename(aside / name)
        shutil.rmtree(bf16)
        # The tokenizer's files as the family writes them: transformers would add and reorder.
        save_tokenizer(recipe.family, aside)
        packages = ("pathshift", "torch", "transformers")
        whole = replace(
            made, parameters=int(student.network.num_parameters()),
            weights_hash=_hash(aside / _WEIGHTS), tokenizer_hash=_hash(aside / _TOKENIZER),
            versions={name: version(name) for name in packages},
        )  # fmt: skip
        _write(aside / MADE, asdict(whole))
        (aside / CARD).write_text(card(whole, None), encoding="utf-8")
    return target


def keep_measured(folder: Path, measured: Mapping[str, Any]) -> None:
    """Keep what was measured of a packed model, and write it into its card."""
    _write(folder / MEASURED, measured)
    (folder / CARD).write_text(card(made_of(folder), measured), encoding="utf-8")


def measured_of(folder: Path) -> dict[str, Any]:
    """What was measured of a packed model.

    Raises:
        RunError: nothing was, or the weights there are others.
    """
    if not (folder / MEASURED).is_file():
        raise RunError(f"{folder} was not measured yet; run `pathshift lab measure` on it first")
    found = _read(folder / MEASURED)
    if found.get("weights_hash") != _hash(folder / _WEIGHTS):
        raise RunError(f"{folder} holds other weights than were measured; measure it anew")
    return found


def bundle(packed: Path, name: str, into: Path) -> Path:
    """Copy a packed and measured model to where `zoo:NAME` is looked for.

    Raises:
        RunError: it is not packed or not measured, or its files are not those that were packed.
        ConfigError: the folder holds the model of another recipe.
    """
    made = made_of(packed)
    measured_of(packed)
    if made.recipe != name:
        raise ConfigError(f"{packed} holds {made.recipe}, not {name}")
    for file, expected in ((_WEIGHTS, made.weights_hash), (_TOKENIZER, made.tokenizer_hash)):
        if _hash(packed / file) != expected:
            raise RunError(f"{packed / file} is not the file that was packed; build it anew")
    target = into / name
    with whole_folder(target) as aside:
        for one in packed.iterdir():
            shutil.copyfile(one, aside / one.name)
    return target


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; build it anew") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}); build the model anew") from error


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
