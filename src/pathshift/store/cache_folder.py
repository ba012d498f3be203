"""Where what can be made or fetched again is kept on a user's machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """$PATHSHIFT_CACHE, or `pathshift` in $XDG_CACHE_HOME, or in ~/.cache. Not created.

    None for a user without a home. A relative XDG path is passed over, as its specification says.
    """
    if own := os.environ.get("PATHSHIFT_CACHE"):
        return Path(own).absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if shared.is_absolute():
        return shared / "pathshift"
    try:
        return Path.home() / ".cache" / "pathshift"
    except RuntimeError:
        return None
