"""What counts say of pass@k beyond the samples without any law of success rates.

Whatever the law G of the success rates is, the chance of at most j right in n samples is an average
over G of known functions of p. Intervals for those chances, which hold together at a stated level,
are linear constraints on G; the smallest and the largest average of 1 - (1-p)^k under them are two
linear programmes. The range holds at its level for every G and at all k at once, both for problems
like these and for these very problems (a sum of unequal coins varies no more than one of equal
coins, Hoeffding 1956). It assumes that samples of a problem are independent, that problems are, and
that n does not depend on what was drawn (no stopping at the first success).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, betaincinv, gammaln, xlogy

from pathshift.stats.passk import FloatArray, IntArray, check_counts

_MOST_THRESHOLDS = 24
_NO_ERROR = 1e-12
_SPLIT = np.linspace(0, 1, 9)[1:-1]


class CountBand(NamedTuple):
    """Intervals that hold together: the chance of at most j right in n samples, by threshold j.

    Attributes:
        n: Samples a problem: the smallest n of the rows.
        at_most: Thresholds j, shape (T,).
        low, high: Edges, shape (T,).
    """

    n: int
    at_most: IntArray
    low: FloatArray
    high: FloatArray


class FreeRange(NamedTuple):
    """Smallest and largest pass@k by k, shape (K,), and the level at which they hold.

    The level is the one asked for, unless no law at all fits the intervals: they are then widened
    until one does.
    """

    low: FloatArray
    high: FloatArray
    level: float


def count_band(counts: IntArray, weight: FloatArray, level: float) -> CountBand:
    """Intervals for the count distribution, simultaneous by Bonferroni over the thresholds.

    Clopper and Pearson's where all n are equal. Otherwise larger n are thinned, in expectation, to
    the smallest: each problem then gives a number in [0, 1] whose mean over problems Hoeffding's
    bound (1963, theorem 1) holds in: exp(-Q kl(mean, truth)) at either side.

    Args:
        counts: Columns n and c of distinct rows, shape (U, 2).
        weight: Problems each row stands for, whole numbers, shape (U,).
        level: Chance that all intervals hold.
    """
    check_counts(counts[:, 0], counts[:, 1], 1)
    n, problems = int(counts[:, 0].min()), float(weight.sum())
    at_most = _thresholds(n)
    error = (1 - level) / len(at_most)
    share = weight @ _chance_at_most(counts, n)[:, at_most] / problems
    is_whole = bool((counts[:, 0] == n).all())
    edges = _exact_edges if is_whole else _bounded_edges
    low, high = edges(share, problems, error)
    return CountBand(n, at_most, low, high)


def _thresholds(n: int) -> IntArray:
    """All j below n, or the smallest eight and some more up to n - 1, closer at both ends."""
    if n <= _MOST_THRESHOLDS:
        return np.arange(n)
    half = np.geomspace(8, n / 2, (_MOST_THRESHOLDS - 8) // 2)
    found = np.concatenate([np.arange(8), half, n - half, [n - 1]]).round().astype(np.int64)
    return np.unique(found[found < n])


def _chance_at_most(counts: IntArray, n: int) -> FloatArray:
    """Chance that n of a problem's samples hold at most j right, shape (U, n)."""
    right, wrong, j = counts[:, 1:], counts[:, :1] - counts[:, 1:], np.arange(n)
    possible = (j <= right) & (n - j <= wrong)
    logs = _log_ways(right, np.minimum(j, right)) + _log_ways(wrong, np.minimum(n - j, wrong))
    logs = logs - _log_ways(right + wrong, np.full(1, n))
    out: FloatArray = np.cumsum(np.exp(np.where(possible, logs, -np.inf)), axis=1)
    return np.minimum(out, 1.0)


def _log_ways(n: IntArray, k: IntArray) -> FloatArray:
    out: FloatArray = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return out


def _exact_edges(share: FloatArray, problems: float, error: float) -> tuple[FloatArray, FloatArray]:
    """Clopper and Pearson's, for many shares at once."""
    hits = np.round(share * problems)
    misses = problems - hits
    low = betaincinv(np.maximum(hits, 1), misses + 1, error / 2)
    high = betaincinv(hits + 1, np.maximum(misses, 1), 1 - error / 2)
    return np.where(hits == 0, 0.0, low), np.where(misses == 0, 1.0, high)


def _bounded_edges(
    share: FloatArray, problems: float, error: float
) -> tuple[FloatArray, FloatArray]:
    """Means in [0, 1] whose divergence from what was seen is at most ln(2/error) / Q."""
    most = np.log(2 / error) / problems
    edges = []
    for end in (0.0, 1.0):
        near, far = share.copy(), np.full_like(share, end)
        for _ in range(60):
            middle = (near + far) / 2
            is_near = _divergence(share, middle) <= most
            near, far = np.where(is_near, middle, near), np.where(is_near, far, middle)
        edges.append(far)
    return edges[0], edges[1]


def _divergence(seen: FloatArray, true: FloatArray) -> FloatArray:
    """kl between two coins, in nats; infinite where the truth rules out what was seen."""
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(seen > 0, xlogy(seen, seen / true), 0.0)
        down = np.where(seen < 1, xlogy(1 - seen, (1 - seen) / (1 - true)), 0.0)
    out: FloatArray = up + down
    return out


def free_range(counts: IntArray, weight: FloatArray, k: IntArray, level: float) -> FreeRange:
    """Smallest and largest pass@k that any law of success rates allows.

    The laws tried live on a grid of rates. Any law can be moved onto it by sharing each mass
    between its two neighbours, which changes an average by at most the error of linear
    interpolation; that error (taken at seven points between neighbours) loosens every constraint
    and both ends.

    Args:
        counts: Columns n and c of distinct rows, shape (U, 2).
        weight: Problems each row stands for, whole numbers, shape (U,).
        k: Numbers of draws, shape (K,).
        level: Chance that the range holds at all k.

    Raises:
        ValueError: if a count breaks 0 <= c <= n.
    """
    error = 1 - level
    while error > _NO_ERROR:
        found = _solved(count_band(counts, weight, 1 - error), k)
        if found is not None:
            return FreeRange(*found, level=1 - error)
        error /= 2
    return FreeRange(np.zeros(len(k)), np.ones(len(k)), 1.0)


def _solved(band: CountBand, k: IntArray) -> tuple[FloatArray, FloatArray] | None:
    """Both ends at every k; None if no law lies in the band."""
    from scipy.optimize import linprog  # slow to import, and few need it

    grid = _grid(int(max(k.max(), band.n)))
    inner = np.concatenate([grid[:-1] + (grid[1:] - grid[:-1]) * t for t in _SPLIT])
    known = np.stack([bdtr(j, band.n, grid) for j in band.at_most])
    slack = np.array(
        [_bend(grid, row, inner, bdtr(j, band.n, inner))
         for j, row in zip(band.at_most, known, strict=True)]
    )  # fmt: skip
    upper = np.vstack([known, -known])
    limits = np.concatenate([band.high + slack, slack - band.low])
    ends = np.empty((2, len(k)))
    for i, draws in enumerate(k.tolist()):
        miss = (1 - grid) ** draws
        loose = _bend(grid, miss, inner, (1 - inner) ** draws)
        for side, sign in enumerate((-1.0, 1.0)):
            best = linprog(
                sign * miss, A_ub=upper, b_ub=limits, A_eq=np.ones((1, len(grid))), b_eq=[1.0],
                bounds=(0, None), method="highs",
            )  # fmt: skip
            if best.status != 0:
                return None
            ends[side, i] = 1 - sign * best.fun + sign * loose
    return np.clip(ends[0], 0, 1), np.clip(ends[1], 0, 1)


def _grid(finest: int) -> FloatArray:
    """Rates from 0 to 1: even in arcsin of the root, and even in ln p down to far below 1/k."""
    arc = np.sin(np.linspace(0, np.pi / 2, 241)) ** 2
    out: FloatArray = np.unique(np.concatenate([[0.0], np.geomspace(0.001 / finest, 1, 240), arc]))
    return out


def _bend(grid: FloatArray, at_grid: FloatArray, inner: FloatArray, at_inner: FloatArray) -> float:
    """Largest error of linear interpolation between the grid's points."""
    return float(abs(np.interp(inner, grid, at_grid) - at_inner).max())
