"""Files that are there whole or not at all, and never in place of another.

They are written into a folder of their own beside their place, synced, and renamed into it. A kill
in between can leave that folder, whose name begins with `.pathshift-`, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pathshift.errors import InputError, StorageError


@contextmanager
def room(folder: Path) -> Iterator[Path]:
    """An empty folder inside `folder` to write in; gone in the end, as is `folder` if it was made.

    Raises:
        StorageError: the disk refused.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    aside: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".pathshift-", dir=folder))
        yield aside
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(
            f"cannot write into {folder}: {reason}; nothing was left there, mend it and run the "
            "same command again"
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty: the files are in it


def refuse_existing(path: Path) -> None:
    """Raise InputError if there is anything at the path."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} is there already; give another --out, or move it away")


def settle(moves: Mapping[Path, Path]) -> None:
    """Sync written files and rename each into its place, in order; all of them or none.

    Raises:
        InputError: something is in one of the places.
    """
    for target in moves.values():
        refuse_existing(target)
    done: list[Path] = []
    try:
        for source, target in moves.items():
            _sync(source)
            source.replace(target)
            done.append(target)
    except OSError:
        for target in done:
            target.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
