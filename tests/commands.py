"""Running the real command line as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = [sys.executable, "-c", "from pathshift.cli.main import main; main()"]


def environment() -> dict[str, str]:
    """This one's, with one thread, so that two tests beside each other do not fight."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def pathshift(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment(), timeout=600, check=False,
    )  # fmt: skip


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a command and return at once; its progress lines come on stderr.

    Ctrl-C works in it, also where the tests run in the background of a shell that switches it off.
    """
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
