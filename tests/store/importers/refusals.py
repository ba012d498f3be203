"""How a bad log must be refused: one line that names it, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.open_files import is_open
from tests.store.importers.worlds import read

from pathshift.errors import PathshiftError
from pathshift.rollout.ingest import Source, import_logs
from pathshift.store.importers.logged import ReadOptions

Refuses = Callable[..., str]
"""(path, ..., says=pattern, score=...) -> the message."""


def refuser(folder: Path) -> Refuses:
    """Imports logs into an empty folder and checks that they are refused there."""

    def refuses(*paths: Path, says: str, **options: Any) -> str:
        with pytest.raises(PathshiftError, match=says) as caught:
            import_logs(paths, folder / "run", Source(read=ReadOptions(**options)))
        # While the error is still at hand: it keeps the frames of its readers alive.
        assert not any(is_open(path) for path in paths)
        message = str(caught.value)
        assert "\n" not in message
        assert any(str(path) in message for path in paths)
        assert len(message) < 700
        assert not list(folder.iterdir())
        return message

    return refuses


def crash(path: Path, **options: Any) -> str:
    """How reading fails other than by one line that names a file; empty if it does not."""
    try:
        assembly = read(path, **options)
        list(assembly.rows())
        if assembly.is_judged:
            assembly.counts("x")
    except PathshiftError as error:
        folder = path if path.is_dir() else path.parent
        return "" if str(folder) in str(error) and "\n" not in str(error) else str(error)
    except Exception as error:  # noqa: BLE001 - what is looked for
        return repr(error)[:90]
    return ""


def written(path: Path, content: bytes | str) -> Path:
    """A file of that content, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path
