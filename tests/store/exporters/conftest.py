"""A run of this package's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.exporters.exports import run_command


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "native"
    done = run_command(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 8, "--limit", 6,
        "--out", out, "--quiet",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return out
