"""passk-inference loads our counts, and its pass@k is ours. Runs in the tools' environment.

python check_passk.py FOLDER     as make_exports.py made it
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from passk_inference import compare_files, load_counts
from passk_inference.core import pass_at_k

DIGITS = 1e-12


def expected(folder: Path) -> Any:
    """What make_exports.py wrote beside the exports."""
    return json.loads((folder / "expected.json").read_bytes())


def check_source(folder: Path) -> int:
    """One source; how many numbers were held against each other."""
    wanted = expected(folder)
    found = load_counts(folder / "passk.jsonl")
    pairs = {name: [row["c"], row["n"]] for name, row in found.items()}
    assert pairs == wanted["counts"], folder
    correct, drawn = ([pair[i] for pair in pairs.values()] for i in (0, 1))
    for k, value in wanted["pass_at_k"].items():
        theirs = float(pass_at_k(correct, drawn, int(k)).mean())
        assert abs(theirs - value) < DIGITS, (folder, k, theirs, value)
    return len(wanted["pass_at_k"])


def check_pair(folder: Path) -> None:
    """Its whole comparison of two exported runs states our two curves."""
    result = compare_files(folder / "base" / "passk.jsonl", folder / "tuned" / "passk.jsonl")
    for side, key in (("base", "base_pass_at_k"), ("tuned", "rl_pass_at_k")):
        ours = list(expected(folder / side)["pass_at_k"].values())
        assert len(result[key]) == len(ours)
        assert all(abs(a - b) < DIGITS for a, b in zip(result[key], ours, strict=True)), side


def main() -> None:
    """All sources in the folder."""
    folder = Path(sys.argv[1])
    sources = sorted(path.parent for path in folder.glob("*/passk.jsonl"))
    assert sources, folder
    numbers = sum(map(check_source, sources))
    check_pair(folder)
    sys.stdout.write(f"passk-inference: {len(sources)} files, {numbers} pass@k, one comparison\n")


if __name__ == "__main__":
    main()
