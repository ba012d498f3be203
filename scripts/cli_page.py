"""Write docs/cli.md from the commands' own help; `python scripts/cli_page.py` runs it.

A test holds the page against what this prints.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = "88"

from typer.testing import CliRunner

from pathshift.cli.main import COMMANDS, build

GROUPS = {
    "train": ("rl", "sft", "distill", "rft", "pretrain"),
    "models": ("list", "get"),
    "lab": ("run", "build", "measure", "check", "bundle", "exposures", "show"),
}

HEAD = """# The command line

Made by `python scripts/cli_page.py` from the commands' own help.

Every command takes `--json FILE` (`--json -` prints JSON and nothing else) and `--quiet`. Every
flag can be set by an environment variable, named in brackets. Exit codes: 0 done, 1 what
`--fail-on` names came true, 2 bad input (one line on stderr with value, rule and way out), 130
interrupted after the open shard was closed; the same command then goes on from there. Progress goes
to stderr.
"""


def page() -> str:
    """The whole page."""
    commands = [
        [name, *rest]
        for name in COMMANDS
        for rest in ([], *[[sub] for sub in GROUPS.get(name, ())])
    ]
    return "\n".join([HEAD, *(section(command) for command in commands)])


def section(command: list[str]) -> str:
    """One command's help under its own heading."""
    told = CliRunner().invoke(build(), [*command, "--help"], prog_name="pathshift")
    text = "\n".join(line.rstrip() for line in told.stdout.strip().splitlines())
    return f"## {' '.join(command)}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "docs" / "cli.md"
    target.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{target.name} written\n")
