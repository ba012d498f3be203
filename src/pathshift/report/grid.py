"""The grid of all problems: one small square each, base over tuned, ordered by the base's rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pathshift.analysis.result import ProblemRow
from pathshift.report.samples import shortened

LEVELS = 10
"""Shades besides the one for "never correct"; the style sheet holds one rule for each."""
ID_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One problem: a shade for each model, 0 (never) to 10 (above nine tenths), and its text."""

    base: int
    tuned: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All squares in order; `size` is the style sheet's name for how large they can be."""

    squares: tuple[Square, ...]
    size: str
    label: str


def problem_grid(problems: Iterable[ProblemRow]) -> Grid:
    """Squares from the problem the base finds hardest to the easiest, ties by the tuned model."""
    ordered = sorted(problems, key=_rank)
    return Grid(
        squares=tuple(_square(row) for row in ordered),
        size=_size(len(ordered)),
        label=f"Grid of {len(ordered):,} problems, ordered by the base's share of correct samples",
    )


def shade(correct: int, n: int) -> int:
    """0 for never, else the tenth the share falls into, counted from 1.

    >>> shade(0, 32), shade(1, 32), shade(3, 10), shade(32, 32)
    (0, 1, 3, 10)
    """
    return -((-LEVELS * correct) // n) if n else 0


def _square(row: ProblemRow) -> Square:
    return Square(
        base=shade(row.c_base, row.n_base),
        tuned=shade(row.c_tuned, row.n_tuned),
        title=(
            f"{shortened(row.id, ID_LENGTH)}: base {row.c_base}/{row.n_base},"
            f" tuned {row.c_tuned}/{row.n_tuned}"
        ),
    )


def _rank(row: ProblemRow) -> tuple[float, float, str]:
    return _rate(row.c_base, row.n_base), _rate(row.c_tuned, row.n_tuned), row.id


def _rate(correct: int, n: int) -> float:
    return correct / n if n else 0.0


def _size(n_problems: int) -> str:
    if n_problems <= 64:
        return "large"
    return "medium" if n_problems <= 400 else "small"
