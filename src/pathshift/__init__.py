"""Did reinforcement learning teach a model something new, or only make it find more often what its
base could already do? Measured from samples, with intervals.

    import pathshift
    result = pathshift.compare("runs/base", "runs/tuned")
    print(result.verdict.sentence)

Names are loaded when first used, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathshift.analysis.comparison import compare
    from pathshift.analysis.result import Comparison
    from pathshift.analysis.settings import Settings
    from pathshift.errors import PathshiftError
    from pathshift.rollout.ingest import import_logs, read_table
    from pathshift.stats.passk import pass_at_k

__all__ = [
    "Comparison",
    "PathshiftError",
    "Settings",
    "compare",
    "import_logs",
    "pass_at_k",
    "read_table",
]

_HOMES = {
    "Comparison": "pathshift.analysis.result",
    "PathshiftError": "pathshift.errors",
    "Settings": "pathshift.analysis.settings",
    "compare": "pathshift.analysis.comparison",
    "import_logs": "pathshift.rollout.ingest",
    "pass_at_k": "pathshift.stats.passk",
    "read_table": "pathshift.rollout.ingest",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pathshift' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
