"""Tuned samples counted in base samples: tuned@k = base@k', solved for k'.

"Reinforcement learning is a sampling amplifier" as a number: at k=1, how many base samples one
tuned sample is worth. Nothing here reaches beyond the base's samples: a tuned value above the
base's last one has no k' and is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import Weights
from pathshift.stats.passk import FloatArray, IntArray, PairedTable


class Worth(NamedTuple):
    """k' by column with its interval, each of shape (K,); NaN above the base's largest k."""

    base_k: FloatArray
    low: FloatArray
    high: FloatArray


def equivalent_k(base: FloatArray, k: IntArray, target: FloatArray) -> FloatArray:
    """Number of base samples at which the base's curve reaches the targets; NaN if it does not.

    The smallest such number where the curve is level. Linear between whole k, and through (0, 0):
    no samples solve nothing. NaN as well if the base solves nothing at all.

    Args:
        base: pass@k of the base, not decreasing, shape (K,).
        k: Its k, shape (K,).
        target: Values to reach, any shape.
    """
    curve, samples = np.concatenate([[0.0], base]), np.concatenate([[0], k])
    after = np.searchsorted(curve, target, side="left").clip(1, len(base))
    rise = curve[after] - curve[after - 1]
    share = (target - curve[after - 1]) / np.where(rise > 0, rise, np.inf)
    found = samples[after - 1] + share * (samples[after] - samples[after - 1])
    return np.where((target > base[-1]) | (base[-1] == 0), np.nan, found)


def worth(table: PairedTable, weights: Weights, k: IntArray, level: float) -> Worth:
    """k' for every k with its pointwise interval.

    The interval reweights problems (Bayesian bootstrap), the same weights for both models, and
    solves each replicate. End atoms are left out: they would add successes that neither has.
    A replicate beyond the base's largest k counts as infinite, so `high` is NaN where more than
    the upper tail of them is.
    """
    rows = weights.rows / weights.rows.sum(axis=1, keepdims=True)
    base = 1 - rows @ table.base
    tuned = 1 - rows @ table.tuned
    draws = np.stack([equivalent_k(b, k, t) for b, t in zip(base, tuned, strict=True)])
    draws[np.isnan(draws)] = np.inf
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0, method="inverted_cdf")
    point = equivalent_k(1 - table.mean(table.base), k, 1 - table.mean(table.tuned))
    return Worth(point, *(np.where(np.isinf(edge), np.nan, edge) for edge in (low, high)))
