"""What fewer samples would have shown: counts cut to a smaller size, averaged over every cut."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from pathshift.stats.passk import FloatArray, IntArray, check_counts


def thinned_miss(n: int, c: int, size: int, k: IntArray) -> FloatArray:
    """Mean of (1 - C/size)^k over every choice of `size` out of n samples, C of them correct.

    Draws with replacement from a cut: biased upwards as a miss chance, by as much for every model
    of equal success rate and size. That is what it is for: to compare, not to report.

    Args:
        size: From 1 to n.
        k: Shape (K,).

    Raises:
        ValueError: not 0 <= c <= n, or size out of its range.

    >>> thinned_miss(4, 2, 2, np.array([1])).round(6).tolist()
    [0.5]
    """
    check_counts(np.array([n]), np.array([c]), size)
    found = np.arange(max(0, size - (n - c)), min(c, size) + 1)
    chance = np.exp(
        _log_choose(c, found) + _log_choose(n - c, size - found) - _log_choose(n, np.array(size))
    )
    out: FloatArray = chance @ (1 - found[:, None] / size) ** k
    return out


def _log_choose(n: int, k: IntArray) -> FloatArray:
    out: FloatArray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return out
