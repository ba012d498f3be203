"""Evaluation problems kept in the package, because drawing them takes minutes.

    python -m pathshift.lab.zoo.stored    draws them anew, into held_out/NAME.jsonl

A stored set equals a fresh draw; a test compares its first problems. Others are drawn when asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from pathshift.lab.zoo.evaluation import SETS, evaluation_set
from pathshift.records import Problem

STORED = ("countdown-5", "countdown-6")
_FOLDER = Path(__file__).with_name("held_out")


def set_problems(name: str) -> list[Problem]:
    """The problems of an evaluation set, from the package where they are kept there.

    Raises:
        UnknownName: no set has this name.
    """
    if name not in STORED:
        return evaluation_set(name).problems()
    content = files("pathshift.lab.zoo").joinpath("held_out", f"{name}.jsonl").read_bytes()
    return [Problem(**json.loads(line)) for line in content.decode("utf-8").splitlines()]


def held_out(family: str) -> list[Problem]:
    """Every problem of every set of a family: what no corpus and no training may hold."""
    return [
        problem
        for name, found in SETS.items()
        if found.task == family
        for problem in set_problems(name)
    ]


def store(folder: Path = _FOLDER) -> None:
    """Draw the kept sets and write them; minutes."""
    folder.mkdir(exist_ok=True)
    for name in STORED:
        lines = (json.dumps(asdict(one), sort_keys=True) for one in SETS[name].problems())
        (folder / f"{name}.jsonl").write_bytes("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    store()
