"""Folders that are whole or absent: written aside, synced, renamed; a kill keeps the one before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pathshift.errors import StorageError
from pathshift.store.shards import sync_folder

_ASIDE, _OLD = ".tmp", ".old"


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into that takes its name, and another's place, when all is synced.

    Raises:
        StorageError: the disk refused; what stood under the name is untouched.
    """
    aside = path.with_name(path.name + _ASIDE)
    try:
        with _disk(path):
            remove_folder(aside)
            aside.mkdir(parents=True)
            yield aside
            for file in aside.rglob("*"):
                _sync(file)
            sync_folder(aside)
            if path.exists():
                _renamed_away(path)
            aside.rename(path)
            sync_folder(path.parent)
            remove_folder(path.with_name(path.name + _OLD))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there; half of one never stands under the name."""
    if path.exists():
        is_named = not path.name.endswith((_ASIDE, _OLD))
        shutil.rmtree(_renamed_away(path) if is_named else path)


def leftovers(folder: Path) -> list[Path]:
    """What kills have left in a folder of such folders."""
    return [path for path in folder.iterdir() if path.name.endswith((_ASIDE, _OLD))]


def _renamed_away(path: Path) -> Path:
    old = path.with_name(path.name + _OLD)
    if old.exists():
        shutil.rmtree(old)
    return path.rename(old)


def _sync(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn an unwilling disk into one line that says what is safe."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        code = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(code) if code else " ".join(str(error).split())[:160]
        raise StorageError(
            f"cannot write {path}: {reason}; what was written before it is safe, "
            "mend it and run the same command again"
        ) from error
