"""Quantiles of samples that belong to problems, with intervals over problems.

Every problem counts the same, however many samples it has; what could have been drawn otherwise is
the problem, so the intervals come from random weights over problems (Rubin 1981).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.passk import FloatArray, IntArray

GRID = 1024
"""Most values that a bootstrapped distribution function is worked out at."""


class Estimate(NamedTuple):
    """A number with its interval."""

    value: float
    low: float
    high: float


def weighted_quantiles(values: FloatArray, weights: FloatArray, at: FloatArray) -> FloatArray:
    """Smallest value with at least the share `at` of the weight at or below it, shape (P,).

    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.5, 1.0])).tolist()
    [2.0, 3.0]
    """
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    # A rounding error of the sum must not push a quantile one value up.
    places = np.searchsorted(below, at * below[-1] * (1 - 1e-12))
    out: FloatArray = values[order][np.minimum(places, len(values) - 1)]
    return out


def grouped_quantiles(
    values: FloatArray, problem: IntArray, weights: FloatArray, at: FloatArray, level: float
) -> list[Estimate]:
    """Quantiles over samples, each problem with equal weight, and their bootstrap intervals.

    Args:
        values: Finite, one a sample, shape (S,).
        problem: Row of `weights` that each sample belongs to, shape (S,).
        weights: Random problem weights, shape (B, Q); rows need not sum to 1.
        at: Shares, shape (P,).

    Returns:
        P estimates; above `GRID` distinct values the interval's ends are rounded to that many
        quantiles of the samples.

    Raises:
        ValueError: no samples.
    """
    if not len(values):
        raise ValueError("quantiles need at least one sample")
    size = np.bincount(problem, minlength=weights.shape[1]).astype(float)
    share = 1 / size[problem]
    point = weighted_quantiles(values, share, at)
    edges = _edges(values)
    table = np.zeros((weights.shape[1], len(edges)))
    np.add.at(table, (problem, np.searchsorted(edges, values)), share)
    below = np.cumsum(weights @ table, axis=1)
    tail = (1 - level) / 2
    found = []
    for i, p in enumerate(at):
        reached = below >= p * below[:, -1:] * (1 - 1e-12)
        drawn = np.sort(edges[reached.argmax(axis=1)])
        low, high = (drawn[round(q * (len(drawn) - 1))] for q in (tail, 1 - tail))
        value = float(point[i])
        found.append(Estimate(value, min(float(low), value), max(float(high), value)))
    return found


def _edges(values: FloatArray) -> FloatArray:
    distinct = np.unique(values)
    if len(distinct) <= GRID:
        return distinct
    picked = np.quantile(values, np.arange(1, GRID + 1) / GRID, method="inverted_cdf")
    return np.unique(picked)


def problem_medians(values: FloatArray, problem: IntArray, n_problems: int) -> FloatArray:
    """Median of each problem's samples, shape (Q,); NaN for a problem without any."""
    out = np.full(n_problems, np.nan)
    order = np.argsort(problem, kind="stable")
    numbers, starts = np.unique(problem[order], return_index=True)
    for number, part in zip(numbers, np.split(values[order], starts[1:]), strict=True):
        out[number] = np.median(part)
    return out


def superiority(lower: FloatArray, higher: FloatArray) -> float:
    """Chance that a draw of `lower` lies below one of `higher`, ties as one half.

    The statistic of Mann and Whitney (1947) over the number of pairs.

    >>> superiority(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    ordered = np.sort(higher)
    above = len(ordered) - np.searchsorted(ordered, lower, side="right")
    ties = len(ordered) - above - np.searchsorted(ordered, lower, side="left")
    return float((above + ties / 2).mean() / len(ordered))
