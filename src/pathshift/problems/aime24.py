"""AIME 2024: the 30 problems of the American Invitational Mathematics Examinations I and II.

Not shipped (the contest's texts are not free): from a local file or a hub data set. Answers are
whole numbers, with or without leading zeros.

Null policy: a uniform whole number from 0 to 999, which is every answer the contest's rules allow.
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
    hub: str = "Maxwell-Jia/AIME_2024"


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in the order of the file; InputError if it is not to be had."""
    return load_contest("aime24", path=options.path, hub=options.hub, limit=limit)
