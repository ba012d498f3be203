"""MATH-500: 500 competition problems with free-form answers, in the split of PRM800K.

Not shipped (the contests' texts are not free): from a local file or a hub data set. Covers rows
with problem, answer and, where given, solution, subject, level and unique_id; the solution stands
in `data` for whoever needs a reference text.

Null policy: a uniform whole number from 0 to 999; 0 for answers that are no such number.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from pathshift.problems.fields import answer_of, present, question_of, text_of
from pathshift.problems.floors import blind_whole_number
from pathshift.problems.unbundled import rows_of
from pathshift.records import Problem
from pathshift.store.rowfiles import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the rows are; see `pathshift.problems.unbundled` for the order.

    Attributes:
        path: A local file; empty for none.
        hub: A Hugging Face data set id, OWNER/NAME[@REVISION]; empty for none.
    """

    path: str = ""
    hub: str = "HuggingFaceH4/MATH-500"


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in the order of the file; InputError if it is not to be had."""
    with closing(rows_of("math500", path=options.path, hub=options.hub)) as rows:
        return [_problem(row, number) for number, row in enumerate(islice(rows, limit))]


def _problem(row: Row, number: int) -> Problem:
    gold = answer_of(row)
    known = {name: present(row, name) for name in ("level", "solution")}
    return Problem(
        id=f"math500-{_own_id(row) or number}",
        task="math500",
        question=question_of(row),
        gold=gold,
        source=text_of(row, "subject") or "math500",
        floor=blind_whole_number(gold),
        data={name: value for name, value in known.items() if value is not None},
    )


def _own_id(row: Row) -> str | None:
    """`test/precalculus/807.json` names the problem 807 of precalculus in every copy."""
    unique = text_of(row, "unique_id")
    return unique.removeprefix("test/").removesuffix(".json") if unique else None
