"""Countdown's second null policy: a guesser that keeps to whole numbers from 0 to 999.

It joins any two numbers by any operation whose result is such a number, each possible one (ordered
pair and sign) with the same chance, until one number is left. A player, and a model that was shown
worked solutions, never passes through fractions and negative numbers; leaving those out reaches a
usual target several times as often as a uniformly random legal expression does.

The chance is exact: the hands of cards on the way are remembered, since most ways meet again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

LARGEST = 999
"""Largest number on the way."""

_Hand = tuple[int, ...]


class _Move(NamedTuple):
    """Two numbers become `result`, in `ways` ordered pairs of cards."""

    left: int
    sign: str
    right: int
    result: int
    ways: int


class WholeNumbers:
    """The guesser on `numbers` with one target.

    >>> WholeNumbers([1, 2], 3).chance  # 1+2, 2+1 of 2-1, 1*2, 2*1, 2/1 besides
    0.3333333333333333
    """

    def __init__(self, numbers: Sequence[int], target: int) -> None:
        self._start: _Hand = tuple(sorted(numbers))
        self._target = target
        # A memory of this object alone, which goes with it.
        self._chance = lru_cache(maxsize=None)(self._chance_of)

    @property
    def chance(self) -> float:
        """Chance that the guesser ends at the target."""
        return self._chance(self._start)

    def _chance_of(self, hand: _Hand) -> float:
        if len(hand) == 1:
            return float(hand[0] == self._target)
        if len(hand) == 2:
            return _hits(*hand, self._target)
        total, n_ways = 0.0, 0
        for (i, low), (j, high) in combinations(enumerate(hand), 2):
            rest = hand[:i] + hand[i + 1 : j] + hand[j + 1 :]
            for move in _moves_of(low, high):
                total += move.ways * self._chance(tuple(sorted((*rest, move.result))))
                n_ways += move.ways
        return total / n_ways

    def solution(self) -> str:
        """One expression that equals the target, always the same, fully bracketed on the right.

        Reading it from the left, inner brackets first, passes through the guesser's numbers only.

        Raises:
            ValueError: There is none.
        """
        if not self.chance:
            raise ValueError(f"{self._start} do not reach {self._target} by whole numbers")
        hand = self._start
        terms = [_Term(value, str(value), 3) for value in hand]
        while len(hand) > 1:
            move = next(move for move in _moves(hand) if self._chance(_after(hand, move)))
            terms = _joined(terms, move)
            hand = _after(hand, move)
        return terms[0].text


class _Term(NamedTuple):
    """A part of an expression and how tightly it binds (1 sum, 2 product, 3 number)."""

    value: int
    text: str
    rank: int


def _moves(hand: _Hand) -> Iterator[_Move]:
    """Every legal move; equal numbers on different cards count as different cards."""
    for low, high in combinations(hand, 2):  # hands are in rising order
        yield from _moves_of(low, high)


@lru_cache(maxsize=2**17)
def _moves_of(low: int, high: int) -> tuple[_Move, ...]:
    either = 2 if low == high else 1
    moves = [_Move(high, "-", low, high - low, either)]
    if low + high <= LARGEST:
        moves.append(_Move(low, "+", high, low + high, 2))
    if low * high <= LARGEST:
        moves.append(_Move(low, "*", high, low * high, 2))
    if low and high % low == 0:
        moves.append(_Move(high, "/", low, high // low, either))
    elif high and low == 0:
        moves.append(_Move(low, "/", high, 0, 1))
    return tuple(moves)


def _hits(low: int, high: int, target: int) -> float:
    """Chance that the last move of two cards gives the target."""
    moves = _moves_of(low, high)
    hits = sum(move.ways for move in moves if move.result == target)
    return hits / sum(move.ways for move in moves)


def _after(hand: _Hand, move: _Move) -> _Hand:
    rest = list(hand)
    rest.remove(move.left)
    rest.remove(move.right)
    return tuple(sorted([*rest, move.result]))


def _joined(terms: list[_Term], move: _Move) -> list[_Term]:
    rest = list(terms)
    left = next(term for term in rest if term.value == move.left)
    rest.remove(left)
    right = next(term for term in rest if term.value == move.right)
    rest.remove(right)
    rank = 1 if move.sign in "+-" else 2
    before = left.text if left.rank >= rank else f"({left.text})"
    # The right operand keeps its brackets, so that reading gives these very operations again.
    behind = right.text if right.rank > rank else f"({right.text})"
    return [*rest, _Term(move.result, f"{before} {move.sign} {behind}", rank)]
