"""Coverage at tokens: the chance that drawing until B tokens are spent brings a correct sample.

pass@k counts draws, which favours the model that writes longer answers. Here both models may spend
the same number of tokens on a problem; a sample that B cuts off brings nothing. Samples of one
problem are taken as independent draws; what a prompt costs is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pathshift.stats.passk import FloatArray, IntArray, miss_table

ORDERS = 32
"""Random orders of the wrong samples that are averaged."""

ENOUGH = 0.95
"""Share of the problems whose samples must be able to spend a budget for it to be reported."""


class Spent(NamedTuple):
    """The samples of one problem.

    Attributes:
        tokens: Sampled tokens of each, at least 1, shape (n,).
        correct: Whether it was right, shape (n,).
    """

    tokens: IntArray
    correct: npt.NDArray[np.bool_]


def coverage_at_tokens(
    problems: Sequence[Spent], budgets: IntArray, rng: np.random.Generator, *, orders: int = ORDERS
) -> FloatArray:
    """Chance that samples drawn one after another hold a correct one within B tokens.

    The mean, over orders of the samples, of whether a correct one ends within the first B tokens.
    An order of independent draws is itself a sequence of independent draws, so this is unbiased
    for every B that the problem's samples can spend; beyond that it is a lower bound. The place of
    the first correct sample and its length are averaged exactly (m wrong ones come first with
    chance q_m - q_{m+1}, q_m = C(n-c, m) / C(n, m)), the order of the wrong ones over `orders`
    random ones. With samples of equal length t it is pass@(B // t), exactly.

    Args:
        problems: Q problems; none without samples.
        budgets: Increasing, tokens a problem, shape (B,).

    Returns:
        Shape (Q, B).

    Raises:
        ValueError: a problem has no samples, or one of less than one token.
    """
    return np.array([_covered(spent, budgets, rng, orders) for spent in problems])


def _covered(spent: Spent, budgets: IntArray, rng: np.random.Generator, orders: int) -> FloatArray:
    n, c = len(spent.tokens), int(spent.correct.sum())
    if n == 0 or int(spent.tokens.min()) < 1:
        raise ValueError("coverage at tokens needs samples of at least one token in every problem")
    if c == 0:
        return np.zeros(len(budgets))
    miss = np.concatenate([[1.0], miss_table(np.array([n]), np.array([c]), n)[0]])
    first_at = (miss[:-1] - miss[1:])[: n - c + 1]
    wrong = np.tile(spent.tokens[~spent.correct], (orders, 1))
    before = np.cumsum(rng.permuted(wrong, axis=1), axis=1)
    before = np.concatenate([np.zeros((orders, 1), dtype=np.int64), before], axis=1)
    right = np.sort(spent.tokens[spent.correct])
    left = budgets[:, None, None] - before
    fits = np.searchsorted(right, left, side="right") / c
    covered: FloatArray = fits.mean(axis=1) @ first_at
    return covered


def largest_budget(problems: Sequence[Spent], *, share: float = ENOUGH) -> int:
    """Largest B that the samples of at least `share` of the problems can spend."""
    totals = np.sort([int(spent.tokens.sum()) for spent in problems])
    return int(totals[int((1 - share) * len(totals) + 1e-9)])


def budget_grid(smallest: int, largest: int, points: int = 24) -> IntArray:
    """Whole budgets evenly spread over log B, both ends included, shape (at most `points`,).

    Raises:
        ValueError: not 1 <= smallest <= largest.
    """
    if not 1 <= smallest <= largest:
        raise ValueError(f"budgets need 1 <= smallest <= largest, got {smallest} and {largest}")
    grid = np.geomspace(smallest, largest, points).round().astype(np.int64)
    grid[0], grid[-1] = smallest, largest
    return np.unique(grid)


def halved_samples(
    problems: Sequence[Spent], rng: np.random.Generator
) -> tuple[list[Spent], list[Spent]]:
    """Split every problem's samples into halves at random, for choosing on one of them."""
    first, second = [], []
    for spent in problems:
        order = rng.permutation(len(spent.tokens))
        middle = len(order) // 2
        first.append(Spent(spent.tokens[order[:middle]], spent.correct[order[:middle]]))
        second.append(Spent(spent.tokens[order[middle:]], spent.correct[order[middle:]]))
    return first, second
