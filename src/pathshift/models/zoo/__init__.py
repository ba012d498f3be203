"""The bundled tiny models: which are there, and where `zoo:NAME` finds one.

Each is a folder beside this file: `config.json`, `model.safetensors` in bf16, the tokenizer's
files, and the card `README.md`, which says what it was trained on, by which recipe and seeds, and
what was measured. Does not cover loading: that is `pathshift.models.load`. Loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path

from pathshift.errors import UnknownName

CARD = "README.md"
_NEEDED = ("config.json", "model.safetensors", "tokenizer.json", CARD)
FOLDER = Path(__file__).parent


def zoo_names(folder: Path = FOLDER) -> list[str]:
    """Names of the complete models in `folder`, sorted.

    A folder that lacks one of the needed files is none: a model without its card is not handed out.
    """
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _is_complete(path))


def zoo_location(name: str, folder: Path = FOLDER) -> Path:
    """The folder of the model `name`.

    Raises:
        UnknownName: No complete model has this name; lists those that do.
    """
    names = zoo_names(folder)
    if name not in names:
        there = f"there are: {', '.join(names)}" if names else "none is bundled yet"
        raise UnknownName(f"no zoo model {name!r}; {there}")
    return folder / name


def _is_complete(path: Path) -> bool:
    return path.is_dir() and all((path / needed).is_file() for needed in _NEEDED)
