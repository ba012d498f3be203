"""Where downloaded weights are kept on a user's machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$PATHSHIFT_CACHE, or `pathshift` in $XDG_CACHE_HOME, or in ~/.cache. Not created."""
    if own := os.environ.get("PATHSHIFT_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "pathshift"
    return Path.home() / ".cache" / "pathshift"
