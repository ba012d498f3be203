"""Problems solved by both models, one or neither, and what chance alone would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.passk import FloatArray, IntArray, PairedTable, miss_table

BIN_LABELS = (
    "0", "(0,.1]", "(.1,.2]", "(.2,.3]", "(.3,.4]", "(.4,.5]",
    "(.5,.6]", "(.6,.7]", "(.7,.8]", "(.8,.9]", "(.9,1)", "1",
)  # fmt: skip
"""The twelve accuracy bins of Yue et al. (2025): none, ten of width .1, all."""


class CellCounts(NamedTuple):
    """Problems by who solved them at least once."""

    both: int
    base_only: int
    tuned_only: int
    neither: int


class ExpectedCells(NamedTuple):
    """Expected problems solved by one side only, in k fresh draws of each."""

    base_only: float
    tuned_only: float


def solved_cells(base: IntArray, tuned: IntArray, k: int, rng: np.random.Generator) -> CellCounts:
    """Count who solved each problem at least once in k draws.

    A problem with more than k samples is first cut to k of them by a random draw without
    replacement, because the exact test needs whole draws of equal size on both sides.

    Args:
        base: Columns n and c, shape (Q, 2).
        tuned: The same problems in the same order.
    """
    in_base, in_tuned = (_successes_in(k, counts, rng) > 0 for counts in (base, tuned))
    return CellCounts(
        int((in_base & in_tuned).sum()),
        int((in_base & ~in_tuned).sum()),
        int((~in_base & in_tuned).sum()),
        int((~in_base & ~in_tuned).sum()),
    )


def _successes_in(k: int, counts: IntArray, rng: np.random.Generator) -> IntArray:
    n, c = counts[:, 0], counts[:, 1]
    if (n == k).all():
        return c
    return rng.hypergeometric(c, n - c, k)


def expected_cells(table: PairedTable, column: int) -> ExpectedCells:
    """Problems expected to be solved by one side only at the table's k of that column."""
    base, tuned = table.base[:, column], table.tuned[:, column]
    return ExpectedCells(
        float(table.weight @ ((1 - base) * tuned)), float(table.weight @ (base * (1 - tuned)))
    )


def lost_to_itself(counts: IntArray, k: int) -> float:
    """Problems one half of a model's 2k samples solves and the other half misses, expected.

    The chance that a random half of k misses is q_k; both halves miss if none of 2k is right:
    the null that support cells must be read against. Uses the first 2k samples in expectation,
    so counts with n > 2k are welcome.

    Args:
        counts: Columns n and c, shape (Q, 2), each n >= 2k.
    """
    return lost_between_halves(miss_table(counts[:, 0], counts[:, 1], 2 * k))


def lost_between_halves(miss: FloatArray) -> float:
    """The same from miss probabilities at 1..2k, shape (Q, 2k), however they were estimated."""
    half = miss.shape[1] // 2
    return float((miss[:, half - 1] - miss[:, 2 * half - 1]).sum())


def accuracy_histogram(counts: IntArray) -> list[int]:
    """Problems in each of `BIN_LABELS` by c/n (Yue et al. 2025, fig. 5)."""
    n, c = counts[:, 0], counts[:, 1]
    # Whole-number ceiling, so that 30 of 100 falls into (.2,.3] and not above it by rounding.
    bins = -((-10 * c) // n)
    bins[c == n] = len(BIN_LABELS) - 1
    return [int(x) for x in np.bincount(bins, minlength=len(BIN_LABELS))]
