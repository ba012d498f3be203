"""Pairs of runs whose numbers are worked out by hand, and pairs drawn by fakes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.analysis.scored_runs import BASE, TUNED, Answer, Side, write_scored
from tests.commands import pathshift

from pathshift.analysis.scored import Bootstrapping
from pathshift.records import Outcome

QUICK = Bootstrapping(replicates=400)


def sampled(folder: Path, name: str, *more: object) -> Path:
    done = pathshift(
        "sample", "--model", f"fake:paths-{name}", "--tasks", "arithmetic", "--n", 16,
        "--limit", 20, "--out", folder / name, "-q", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / name


def drawn_pair(folder: Path) -> Path:
    """A folder with two runs with tokens and no scores; tests copy them."""
    for name in ("base", "tuned"):
        sampled(folder, name, "--store", "tokens")
    return folder


def copied(drawn: Path, to: Path) -> tuple[Path, Path]:
    for name in ("base", "tuned"):
        shutil.copytree(drawn / name, to / name)
    return to / "base", to / "tuned"


def known(path: Path, side: Side, texts: Mapping[str, tuple[bool, float, float, int]]) -> Path:
    """A run of 8 problems: by text whether it is right, ln p by base and tuned, and how often."""
    answers = [
        Answer(text=text, outcome=Outcome.CORRECT if is_right else Outcome.WRONG,
               own=base if side is BASE else tuned, other=tuned if side is BASE else base)
        for text, (is_right, base, tuned, count) in texts.items()
        for _ in range(count)
    ]  # fmt: skip
    return write_scored(path, side, {f"q{i}": answers for i in range(8)})


def halves(folder: Path) -> tuple[Path, Path]:
    """The tuned model is right half the time, by a text that the base gives an eighth.

    Four tokens each: the base's perplexity of the right text is 8 ** (1 / 4).
    """
    eighth, half = math.log(1 / 8), math.log(1 / 2)
    wrong = math.log(7 / 8)
    base = known(
        folder / "base", BASE, {"r": (True, eighth, half, 1), "w": (False, wrong, half, 7)}
    )
    tuned = known(
        folder / "tuned", TUNED, {"r": (True, eighth, half, 8), "w": (False, wrong, half, 8)}
    )
    return base, tuned
