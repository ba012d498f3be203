"""Seconds of the way from samples to where they come from, on SmolLM2-135M under two policies.

    python benchmarks/paths_chain.py [FOLDER]

Two runs of 12 sums and products of two-digit numbers x 16 samples, T=1 and T=.6, token by token;
both scored under both policies; perplexity, reach, shift and diversity with their report; the base
given first tokens of the other's answers. One model stands for two: what it finds is a control.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = [sys.executable, "-c", "from pathshift.cli.main import main; main()"]
ASKED = (
    "--model", "smollm2", "--tasks", "arithmetic", "-T", "digits=2", "--limit", "12", "--n", "16",
    "--max-tokens", "64", "--store", "tokens",
)  # fmt: skip


def steps(folder: Path) -> dict[str, list[str]]:
    """The commands, by what they do."""
    base, tuned = str(folder / "base"), str(folder / "tuned")
    return {
        "sample at T=1": ["sample", *ASKED, "--out", base],
        "sample at T=.6": ["sample", *ASKED, "--temperature", "0.6", "--out", tuned],
        "score and paths": [
            "paths", base, tuned, "--score", "--report", str(folder / "paths.html"),
        ],
        "intervene": [
            "intervene", tuned, "--model", "smollm2", "--base", base, "--problems", "all",
            "--limit", "4", "--at", "2,4,8", "--n", "8", "--out", str(folder / "prefixes"),
        ],
        "compare": ["compare", base, tuned],
    }  # fmt: skip


def main(folder: Path) -> None:
    """Run them one after the other; a step that fails ends it."""
    total = 0.0
    for name, arguments in steps(folder).items():
        started = time.perf_counter()
        subprocess.run([*PROGRAM, *arguments, "-q"], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        total += seconds
        print(f"{name:<16} {seconds:6.1f} s", flush=True)
    print(f"{'in all':<16} {total:6.1f} s")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
