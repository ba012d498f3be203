"""Problems of one mathematics contest with whole-number answers: what AIME and AMC share.

Problems of one contest paper are clustered: they were set, and leaked into training data, together.
"""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice

from pathshift.problems.fields import answer_of, present, question_of, text_of, whole_number
from pathshift.problems.floors import blind_whole_number
from pathshift.problems.unbundled import rows_of
from pathshift.records import Problem
from pathshift.store.rowfiles import Row

_IN_URL = re.compile(r"/(\d{4}_\w+)_Problems(?:/|$)")
_IN_ID = re.compile(r"(\d{4})-(I{1,2})-\d+")


def load_contest(name: str, *, path: str, hub: str, limit: int | None) -> list[Problem]:
    """The contest's problems in the order of the file; InputError if it is not to be had."""
    with closing(rows_of(name, path=path, hub=hub)) as rows:
        return [_problem(name, row, number) for number, row in enumerate(islice(rows, limit))]


def _problem(name: str, row: Row, number: int) -> Problem:
    gold = whole_number(answer_of(row))
    solution = present(row, "solution")
    return Problem(
        id=f"{name}-{text_of(row, 'id') or number}",
        task=name,
        question=question_of(row),
        gold=gold,
        source=name,
        cluster=contest_of(row),
        floor=blind_whole_number(gold),
        data={} if solution is None else {"solution": solution},
    )


def contest_of(row: Row) -> str | None:
    """The paper a problem stood in, from its page's address or an id like 2024-II-4."""
    in_url = _IN_URL.search(text_of(row, "url") or "")
    if in_url:
        return in_url[1]
    in_id = _IN_ID.fullmatch(text_of(row, "id") or "")
    return f"{in_id[1]}_AIME_{in_id[2]}" if in_id else None
