"""Units of several problems drawn in one call, for an engine that fills its passes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pathshift.rollout.feeding import Asked

PASSES = 2
"""Rows a call is given for each row of a pass: while the last rows of one problem are drawn to
their ends, those of the next fill the pass. More would lose more to a kill."""


def waves(courses: Sequence[Asked], most: int) -> Iterator[list[tuple[Asked, tuple[int, ...]]]]:
    """The next unit of each of the first courses that are not over, up to `most` samples.

    A unit that would not fit goes into the next wave; a wave has one at least. What was drawn must
    reach its course before the next wave is asked for.
    """
    ahead = list(courses)
    while ahead:
        wave: list[tuple[Asked, tuple[int, ...]]] = []
        over, room = 0, most
        for asked in ahead:
            numbers = asked[2].next_numbers()
            if wave and len(numbers) > room:
                break
            if numbers:
                wave.append((asked, numbers))
                room -= len(numbers)
            elif not wave:
                over += 1
        del ahead[:over]
        if not wave:
            return
        yield wave
