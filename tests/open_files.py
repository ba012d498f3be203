"""Which files this process holds open; told on Linux only."""

from __future__ import annotations

from pathlib import Path


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        return False
    wanted = path.resolve()
    return any(_target(handle) == str(wanted) for handle in handles.iterdir())


def _target(handle: Path) -> str | None:
    try:
        return str(handle.readlink())
    except FileNotFoundError:  # the listing's own
        return None
