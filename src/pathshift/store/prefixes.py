"""What a run of a prefix intervention says of each of its problems: whose beginning was given.

The making side writes it into `Problem.data`, the reading side reads it back; nothing else is
needed, so the folder stays an ordinary run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pathshift.errors import RunError
from pathshift.records import Problem

KEY = "prefix"
"""Where it stands in `Problem.data`."""

TUNED_RIGHT, BASE_RIGHT, TUNED_WRONG = "tuned_right", "base_right", "tuned_wrong"
SOURCES = (TUNED_RIGHT, BASE_RIGHT, TUNED_WRONG)
"""Whose beginning: a correct sample of the tuned model; two controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixUse:
    """A sample cut after a length.

    Attributes:
        source: One of `SOURCES`.
        length: In the run's unit: tokens, words, or a share of the characters.
        sample_no: Number of the cut sample within its problem.
        left_out: Why it was not given to the model ("leak", "short"); empty where it was.
    """

    source: str
    length: float
    sample_no: int
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixNote:
    """One problem of the run.

    Attributes:
        problem: Id of the problem that was asked.
        text: The beginning of the answer that was given away; empty for the model alone.
        n_tokens: Its tokens; None where they are not known.
        uses: Samples that begin so; for the model alone those that were left out.
    """

    problem: str
    text: str
    n_tokens: int | None
    uses: tuple[PrefixUse, ...]

    def to_data(self) -> dict[str, Any]:
        """JSON values for `Problem.data`."""
        return {KEY: {**asdict(self), "uses": [asdict(use) for use in self.uses]}}


def note_of(problem: Problem) -> PrefixNote:
    """What `Problem.data` says.

    Raises:
        RunError: The problem is of no prefix intervention.
    """
    found = problem.data.get(KEY)
    try:
        if not isinstance(found, Mapping):
            raise TypeError("it says nothing of a prefix")
        return PrefixNote(**{**found, "uses": tuple(PrefixUse(**use) for use in found["uses"])})
    except (TypeError, KeyError) as error:
        raise RunError(
            f"problem {problem.id} is of no prefix intervention ({error}); make one with "
            "`pathshift intervene`"
        ) from error
