"""One problem's draws: which are there, which come next, and where a stopping rule ends them.

A rule looks at the draws in the order of their numbers, and nothing beyond the draw it ends at is
kept: what was drawn further within one unit is thrown away before it reaches the disk. A run then
holds the same samples whatever the size of a unit and wherever it was interrupted, and every count
is a stopping point, so that the estimate by path counting is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pathshift.records import Outcome
from pathshift.stats.stopping import StoppingRule

UNIT_SAMPLES = 32
"""Samples of one problem drawn in one call: what a kill can lose besides the open shard."""
STOPPED_UNIT = 16
"""The same after the pilot of a stopping rule. A pass of the engine has 16 rows at least, so that
fewer would cost as much; more would be thrown away more often."""


class Course:
    """The draws of one problem.

    Args:
        n: Draws asked for; the cap under a rule.
        rule: When to stop earlier; None for never.
        known: Outcomes on disk by sample number.
    """

    def __init__(self, n: int, rule: StoppingRule | None, known: Mapping[int, Outcome]) -> None:
        self._n, self._rule = n, rule
        self._known = dict(known)
        self._at = self._judged = self._right = 0
        self._walk()

    @property
    def left(self) -> int:
        """Draws still to be made, at most."""
        return 0 if self._is_over() else self._n - self._at - self._known_ahead()

    def next_numbers(self) -> tuple[int, ...]:
        """Numbers of the draws to make together; empty at the end."""
        if self._is_over():
            return ()
        missing: list[int] = []
        number, size = self._at, self._unit()
        while number < self._n and len(missing) < size:
            if number not in self._known:
                missing.append(number)
            number += 1
        return tuple(missing)

    def take(self, outcomes: Mapping[int, Outcome]) -> set[int]:
        """Go on with what was drawn; return the numbers to keep.

        Without a rule all are kept; with one, those up to where it stops.
        """
        self._known |= outcomes
        self._walk()
        if not self._is_over():
            return set(outcomes)
        return {number for number in outcomes if number < self._at}

    def _walk(self) -> None:
        """Up to the first draw that is missing, or to the end."""
        while not self._is_over() and self._at in self._known:
            outcome = self._known.pop(self._at)
            self._judged += outcome is not Outcome.FAILED
            self._right += outcome is Outcome.CORRECT
            self._at += 1

    def _is_over(self) -> bool:
        if self._at >= self._n:
            return True
        failed = self._at - self._judged
        return self._rule is not None and self._rule.stop_at(self._right, self._judged, failed)

    def _unit(self) -> int:
        if self._rule is None:
            return UNIT_SAMPLES
        to_pilot = self._rule.pilot - self._judged
        return min(to_pilot, UNIT_SAMPLES) if to_pilot > 0 else STOPPED_UNIT

    def _known_ahead(self) -> int:
        return sum(number < self._n for number in self._known)


class Ended(NamedTuple):
    """Where a rule ends a problem's draws."""

    n: int
    c: int
    failed: int


def ended(outcomes: Mapping[int, Outcome], rule: StoppingRule) -> Ended | None:
    """Counts at the draw where a rule stops; None if a draw before it is missing."""
    judged = right = number = 0
    while number == 0 or not rule.stop_at(right, judged, number - judged):
        outcome = outcomes.get(number)
        if outcome is None:
            return None
        number += 1
        judged += outcome is not Outcome.FAILED
        right += outcome is Outcome.CORRECT
    return Ended(judged, right, number - judged)
