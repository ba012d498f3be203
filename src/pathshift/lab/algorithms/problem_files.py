"""The study's problems as files, drawn once: hard ones take long to look for.

Training and tuning problems hold none of the measured ones, by content.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from pathshift.errors import InputError
from pathshift.lab.algorithms.plan import Family, Plan
from pathshift.lab.zoo.evaluation import evaluation_set
from pathshift.problems.families import load_problems
from pathshift.records import Problem
from pathshift.store.shards import whole_or_absent

USES = ("train", "tune", "inside", "outside")


def problem_file(root: Path, family: str, use: str) -> Path:
    """Where the problems of one use are."""
    return root / "problems" / f"{family}-{use}.jsonl"


def write_problems(root: Path, plan: Plan) -> None:
    """Write what is not there yet."""
    for family in plan.families:
        if all(problem_file(root, family.name, use).is_file() for use in USES):
            continue
        measured = {use: _measured(family, use) for use in ("inside", "outside")}
        held = {problem.content_hash for found in measured.values() for problem in found}
        drawn = {
            "train": _drawn(family, family.seed, held),
            "tune": _drawn(family, family.seed + 1, held),
        }
        both = {problem.content_hash for problem in drawn["train"]}
        drawn["tune"] = [one for one in drawn["tune"] if one.content_hash not in both]
        for use, problems in (drawn | measured).items():
            _write(problem_file(root, family.name, use), problems)


def _measured(family: Family, use: str) -> list[Problem]:
    name, n = family.sets[use]
    return evaluation_set(name).problems(limit=n)


def _drawn(family: Family, seed: int, held: Collection[str]) -> list[Problem]:
    options = {**family.options, "seed": str(seed), "n": str(family.n_train)}
    found = load_problems(family.name, options)
    kept = [problem for problem in found if problem.content_hash not in held]
    if not kept:
        raise InputError(f"all {len(found)} training problems of {family.name} are measured on")
    return kept


def _write(path: Path, problems: Sequence[Problem]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_row(problem), ensure_ascii=False) for problem in problems]
    with whole_or_absent(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _row(problem: Problem) -> dict[str, object]:
    return {
        "id": problem.id, "question": problem.question, "answer": problem.gold,
        "source": problem.source, "floor": problem.floor, "data": dict(problem.data),
    }  # fmt: skip
