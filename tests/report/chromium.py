"""Opens a file in headless Chromium and tells what came of it: its document and its complaints.

Covers one page load from disk. Runs without a sandbox of its own, so it is for pages made by the
tests only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # So that a frame can be measured from the page around it, when both are files.
    "--allow-file-access-from-files",
    "--enable-logging=stderr", "--virtual-time-budget=10000",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The document after its scripts ran, and the lines its console got."""

    document: str
    console: list[str]


@dataclass(frozen=True)
class Browser:
    """A Chromium with an empty profile."""

    program: str
    profile: Path

    def open(self, page: Path) -> Seen:
        done = subprocess.run(
            [self.program, *QUIET, f"--user-data-dir={self.profile}", "--dump-dom", page.as_uri()],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )
        return Seen(done.stdout, re.findall(r".*CONSOLE.*", done.stderr))


def find() -> str | None:
    """The first Chromium on PATH."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)
