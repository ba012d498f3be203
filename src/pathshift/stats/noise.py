"""Sampling noise alone: a band for these problems, held fixed, as if they were asked again.

The other question, "problems like these", is answered in `bands`. Here the only thing that could
have come out otherwise is the draw of samples. Success rates that the counts allow are drawn from
Beta(c + 1, n - c + 1), counts are drawn again from them, and how far pass@k of these counts lies
from pass@k of these rates tells how far the estimate may lie from the truth. The prior sets how
wide the band is and how skew, never where it lies: it hangs on the unbiased estimate.
"""

from __future__ import annotations

import numpy as np

from pathshift.stats.bands import Band, rank_band
from pathshift.stats.passk import FloatArray, IntArray, miss_table

GRID = 48
"""k at which the noise is simulated, evenly spread over log k; between them it is interpolated."""


def noise_band(
    base: IntArray,
    tuned: IntArray,
    k: IntArray,
    *,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> Band:
    """Band of tuned minus base pass@k for these very problems.

    Args:
        base, tuned: Columns n and c, shape (Q, 2), the same problems in the same order.
        k: Increasing, at most the smallest n, shape (K,).
        replicates: Times that the problems are asked again.
    """
    grid = np.unique(np.geomspace(k[0], k[-1], GRID).round().astype(np.int64))
    errors = [_errors(side, grid, replicates, rng) for side in (tuned, base)]
    noise = rank_band(errors[0] - errors[1], level)
    low, high = (np.interp(np.log(k), np.log(grid), edge) for edge in (noise.low, noise.high))
    middle = _mean_miss(base, k) - _mean_miss(tuned, k)
    # estimate = truth + error, so the truth lies below the estimate by as much as errors go up.
    return Band(np.maximum(middle - high, -1), np.minimum(middle - low, 1), noise.pointwise)


def _mean_miss(counts: IntArray, k: IntArray) -> FloatArray:
    mean: FloatArray = miss_table(counts[:, 0], counts[:, 1], int(k[-1]))[:, k - 1].mean(axis=0)
    return mean


def _errors(counts: IntArray, k: IntArray, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Estimated minus true mean pass@k of problems drawn again, shape (B, K)."""
    n, c = counts[:, 0], counts[:, 1]
    tables = {m: miss_table(np.full(m + 1, m), np.arange(m + 1), int(k[-1])) for m in np.unique(n)}
    rows = {m: table[:, k - 1] for m, table in tables.items()}
    errors = np.empty((replicates, len(k)))
    for i in range(replicates):
        rates = rng.beta(c + 1, n - c + 1)
        drawn = rng.binomial(n, rates)
        true = np.exp(np.log1p(-rates)[:, None] * k).mean(axis=0)
        missed = sum(rows[m][drawn[n == m]].sum(axis=0) for m in rows) / len(n)
        errors[i] = true - missed
    return errors
