"""Dense k by some of them: a band is made at knots and holds between them too.

A difference of two pass@k curves is a mixture of (1-q)^k - (1-p)^k. In x = ln k each term has a
second derivative of e^-y (y^2 - y) with y = k ln(1/(1-p)): between -.162 and .309. So the curve
leaves the straight line between two knots, h apart in ln k, by less than .48 h^2 / 8. A band that
is widened by that between the knots holds there whenever it holds at them.
"""

from __future__ import annotations

import numpy as np

from pathshift.stats.bands import Band
from pathshift.stats.passk import IntArray

DENSE_TO = 64
"""Every k up to this one is a knot."""
STEP = 2 ** (1 / 16)
"""Largest ratio of neighbouring knots above it."""
SLACK = 0.48 * np.log(STEP) ** 2 / 8
"""By which edges between knots are widened: 1.2e-4."""


def knots(k: IntArray) -> IntArray:
    """Places of the knots in an ascending grid; all of it where it is coarse already.

    >>> len(knots(np.arange(1, 1025))), knots(np.array([1, 100, 101, 400])).tolist()
    (133, [0, 1, 2, 3])
    """
    places, last = [], 0
    for i, value in enumerate(k):
        following = k[i + 1] if i + 1 < len(k) else np.inf
        if value <= DENSE_TO or following > last * STEP:
            places.append(i)
            last = value
    return np.array(places)


def between(band: Band, k: IntArray, places: IntArray) -> Band:
    """The band of the knots over all of k."""
    if len(places) == len(k):
        return band
    x = np.log(k)
    slack = np.full(len(k), SLACK)
    slack[places] = 0.0
    low, high = (np.interp(x, x[places], edge) for edge in (band.low, band.high))
    return band._replace(low=low - slack, high=high + slack)
