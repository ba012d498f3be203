"""Units of several problems under way at once, for a model that is the faster for it.

A problem's next unit depends on its last one alone (a stopping rule may end it), so problems go on
beside each other and each at its own pace: one long sample holds up its own problem only. Judging
and storing stay with the caller's thread. Threads are daemons: an interrupt ends the process
without waiting for what is under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import NamedTuple

from pathshift.errors import ModelLost
from pathshift.records import Problem, Sample
from pathshift.rollout.course import UNIT_SAMPLES, Course

Asked = tuple[Problem, str, Course]
"""A problem, its prompt and what is left to draw of it."""
Draw = Callable[[Problem, str, tuple[int, ...]], list[Sample]]
Keep = Callable[[Asked, Sequence[Sample]], None]
_AHEAD = 4
"""Samples asked for, as a multiple of those the model draws at once: its slots stay filled while
some problems wait for their longest sample."""


class _Fed(NamedTuple):
    """A unit that came back."""

    asked: Asked
    samples: list[Sample]
    error: Exception | None


def draw_together(courses: Sequence[Asked], draw: Draw, keep: Keep, *, at_once: int) -> None:
    """Draw all courses to their ends.

    Args:
        at_once: Samples that the model draws beside each other.
        draw: Called from several threads at once.
        keep: Called from this one with what was drawn, in the order it comes.

    Raises:
        ModelLost: the model went away; all that it had drawn was kept.
    """
    feeder = _Feeder(draw, most=-(-_AHEAD * at_once // UNIT_SAMPLES))
    waiting = iter(courses)
    lost: ModelLost | None = None
    feeder.fill(waiting)
    while feeder.under_way:
        fed = feeder.next()
        if fed.error is not None and not isinstance(fed.error, ModelLost):
            raise fed.error
        lost = lost or fed.error
        keep(fed.asked, fed.samples)
        if lost is None:
            feeder.give(fed.asked)
            feeder.fill(waiting)
    if lost is not None:
        raise lost


@dataclass(slots=True)
class _Feeder:
    """Starts units and hands back whichever ends first."""

    draw: Draw
    most: int
    under_way: int = 0
    done: SimpleQueue[_Fed] = field(default_factory=SimpleQueue)

    def fill(self, waiting: Iterator[Asked]) -> None:
        """Start on further problems while there is room."""
        while self.under_way < self.most and (asked := next(waiting, None)) is not None:
            self.give(asked)

    def give(self, asked: Asked) -> None:
        """Start the next unit of a problem, unless its course is over."""
        numbers = asked[2].next_numbers()
        if numbers:
            self.under_way += 1
            threading.Thread(target=self._run, args=(asked, numbers), daemon=True).start()

    def next(self) -> _Fed:
        """Wait for the next that ends."""
        fed = self.done.get()
        self.under_way -= 1
        return fed

    def _run(self, asked: Asked, numbers: tuple[int, ...]) -> None:
        problem, prompt, _ = asked
        try:
            self.done.put(_Fed(asked, self.draw(problem, prompt, numbers), None))
        except ModelLost as lost:
            self.done.put(_Fed(asked, [s for unit in lost.drawn for s in unit], lost))
        except Exception as error:  # noqa: BLE001  # handed on to the thread that waits
            self.done.put(_Fed(asked, [], error))
