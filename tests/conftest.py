"""Settings of all tests: the same examples in every run, and no limit on time."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores; torch reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

LONGEST = (
    "rollout/test_kill.py",
    "store/test_load.py",
    "rollout/test_ray.py",
    "cli/test_watch.py",
    "cli/test_train_rl.py",
    "cli/test_train_sft.py",
    "verify/test_sandbox.py",
)
"""Files that take minutes: begun first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else in its order."""
    root = Path(__file__).parent
    first = {root / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))
