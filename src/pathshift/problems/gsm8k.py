"""GSM8K: the 1,319 grade-school word problems of the test split, shipped with this package.

Covers the test split in its published order; `data` holds the worked solution as published. Not the
training split. Known to have leaked into pre-training corpora: read high scores with that in mind.

Null policy: a uniform whole number from 0 to 999; 0 for the answers outside. Drawing from the true
distribution of answers does better, in .01/.08/.59 of cases within 1/8/128 tries: an upper reading
of blind guessing, which presumes what the guesser should not know, and so not the default.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib import resources
from itertools import islice

from pathshift.problems.floors import blind_whole_number
from pathshift.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Nothing to choose; `limit` takes the first ones."""


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in their published order."""
    del options  # every family is called alike
    lines = _bundled().splitlines()
    return [_problem(line, number) for number, line in enumerate(islice(lines, limit))]


def _bundled() -> str:
    packed = resources.files("pathshift.problems").joinpath("data", "gsm8k_test.jsonl.gz")
    # JSON lines end in \n alone; str.splitlines is safe since other separators are escaped.
    return gzip.decompress(packed.read_bytes()).decode("ascii")


def _problem(line: str, number: int) -> Problem:
    row = json.loads(line)
    gold = row["answer"].rpartition("####")[2].strip().replace(",", "")
    return Problem(
        id=f"gsm8k-{number}",
        task="gsm8k",
        question=row["question"],
        gold=gold,
        source="gsm8k",
        floor=blind_whole_number(gold),
        data={"solution": row["answer"]},
    )
