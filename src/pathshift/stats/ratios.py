"""Means per token of sums kept by problem, with intervals over problems."""

from __future__ import annotations

import numpy as np

from pathshift.stats.passk import FloatArray
from pathshift.stats.quantiles import Estimate


def ratio_of_sums(
    top: FloatArray, bottom: FloatArray, weights: FloatArray, level: float
) -> Estimate:
    """Sum of `top` over sum of `bottom` over problems, and the quantiles under random weights.

    A problem's two sums stay together, so their dependence is in the interval. NaN where nothing
    stands below.

    Args:
        top, bottom: Sums by problem, shape (Q,).
        weights: Random problem weights, shape (B, Q); rows need not sum to 1.
    """
    total = bottom.sum()
    if not total > 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    below = weights @ bottom
    drawn = (weights @ top)[below > 0] / below[below > 0]
    return _around(float(top.sum() / total), drawn, level)


def ratio_of_means(
    over: tuple[FloatArray, FloatArray],
    under: tuple[FloatArray, FloatArray],
    weights: FloatArray,
    level: float,
) -> Estimate:
    """Ratio of two ratios of sums under the same weights.

    Args:
        over, under: Each the sums on top and the sums below by problem, as in `ratio_of_sums`.

    Returns:
        NaN where a sum that stands below is not above 0.
    """
    (a, b), (c, d) = over, under
    if min(b.sum(), c.sum(), d.sum()) <= 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    tops, bottoms = (weights @ a) * (weights @ d), (weights @ b) * (weights @ c)
    drawn = tops[bottoms > 0] / bottoms[bottoms > 0]
    return _around(float(a.sum() * d.sum() / (b.sum() * c.sum())), drawn, level)


def _around(value: float, drawn: FloatArray, level: float) -> Estimate:
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value))
