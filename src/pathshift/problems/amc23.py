"""AMC 2023: 40 problems of the American Mathematics Competitions 12A and 12B of 2023.

Not shipped (the contest's texts are not free): from a local file or a hub data set. Covers answers
that are whole numbers, with or without leading zeros; not the multiple-choice form.

Null policy: a uniform whole number from 0 to 999; 0 for the rare answer outside. Most answers
are far smaller than that, so a guesser who knows it does better.
"""

from __future__ import annotations

from dataclasses import dataclass

from pathshift.problems.contests import load_contest
from pathshift.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the rows are; see `pathshift.problems.unbundled` for the order.

    Attributes:
        path: A local file; empty for none.
        hub: A Hugging Face data set id, OWNER/NAME[@REVISION]; empty for none.
    """

    path: str = ""
    hub: str = "math-ai/amc23"


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in the order of the file; InputError if it is not to be had."""
    return load_contest("amc23", path=options.path, hub=options.hub, limit=limit)
