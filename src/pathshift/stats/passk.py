"""pass@k without bias, for all k in one pass over the distinct counts.

Covers k up to the number of samples. Beyond it no unbiased estimator exists (pass@k is a polynomial
of degree k in the success probability), so k > n is an error here, never 0 or 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k of n samples, c of them correct, hold a correct one.

    The k are drawn without replacement. Unbiased for the chance that k fresh samples hold one
    (Chen et al. 2021, eq. 1).

    Raises:
        ValueError: if not 0 <= c <= n or not 1 <= k <= n.

    >>> round(pass_at_k(10, 3, 2), 6)
    0.533333
    >>> pass_at_k(4, 0, 8)
    Traceback (most recent call last):
    ...
    ValueError: pass@8 needs at least 8 samples, got n=4; draw more or ask for a smaller k
    """
    return float(1.0 - miss_table(np.array([n]), np.array([c]), k)[0, k - 1])


def miss_table(n: npt.NDArray[Any], c: npt.NDArray[Any], k_max: int) -> FloatArray:
    """C(n-c, k) / C(n, k) for k = 1..k_max, one row a problem: the chance that k draws all miss.

    Each column is the last one times (n-c-k)/(n-k): no factorials and no cancellation; within
    1e-12 of exact fractions up to n = 1024 (tested).

    Args:
        n: Samples per problem, shape (Q,).
        c: Correct ones among them, shape (Q,).
        k_max: Largest k, at most the smallest n.

    Returns:
        Shape (Q, k_max); column j holds k = j + 1.

    Raises:
        ValueError: if a count breaks 0 <= c <= n or some n is below k_max.
    """
    check_counts(n, c, k_max)
    drawn = np.arange(k_max)
    left = n[:, None] - drawn
    wrong_left = np.maximum(left - c[:, None], 0)
    return np.cumprod(wrong_left / left, axis=1)


def check_counts(n: npt.NDArray[Any], c: npt.NDArray[Any], k_max: int) -> None:
    """Raise ValueError, naming the problem's position, unless 0 <= c <= n and 1 <= k_max <= n."""
    if k_max < 1:
        raise ValueError(f"k must be at least 1, got {k_max}")
    bad = np.flatnonzero((c < 0) | (c > n))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"counts need 0 <= c <= n, problem {i} has c={c[i]}, n={n[i]}")
    short = np.flatnonzero(n < k_max)
    if short.size:
        raise ValueError(
            f"pass@{k_max} needs at least {k_max} samples, got n={n[short[0]]}; "
            "draw more or ask for a smaller k"
        )


def variance_table(n: npt.NDArray[Any], c: npt.NDArray[Any], k_max: int) -> FloatArray:
    """Unbiased variance of each problem's pass@k estimate, from its own counts.

    q_k^2 - q_2k with q the miss probability: E q_2k = (1-p)^2k is the squared mean of q_k. No
    unbiased estimate exists for 2k > n; there the entry is NaN. A single entry may be negative.

    Returns:
        Shape (Q, k_max), as `miss_table`.
    """
    check_counts(n, c, k_max)
    out = np.full((len(n), k_max), np.nan)
    for i in range(len(n)):
        known = min(k_max, int(n[i]) // 2)
        if known:
            out[i, :known] = variance_of(miss_table(n[i : i + 1], c[i : i + 1], 2 * known))[0]
    return out


def variance_of(miss: FloatArray) -> FloatArray:
    """Unbiased variance of the first half of a table of unbiased miss probabilities.

    Args:
        miss: q_1 .. q_2K, shape (Q, 2K).

    Returns:
        q_k^2 - q_2k for k = 1..K, shape (Q, K).
    """
    half = miss.shape[1] // 2
    out: FloatArray = miss[:, :half] ** 2 - miss[:, 1::2]
    return out


def best_with_replacement(n: npt.NDArray[Any], c: npt.NDArray[Any], k: int) -> float:
    """Mean over problems of 1 - (1 - c/n)^k: best@k of k draws out of n with replacement.

    Below pass@k for every 0 < c < n and k > 1, because the same sample may be drawn again. Shown
    beside pass@k where a tool reports it; no verdict rests on it.

    >>> round(best_with_replacement(np.array([256]), np.array([1]), 256), 3)
    0.633
    """
    check_counts(n, c, 1)
    return float((1 - (1 - c / n) ** k).mean())


class PairedTable(NamedTuple):
    """Both models' miss probabilities, one row per distinct pair of counts.

    Cost then grows with the distinct counts, not with the problems.

    Attributes:
        weight: Problems that share the row, shape (U,).
        base: Miss probabilities of the base, shape (U, K).
        tuned: The same of the tuned model.
    """

    weight: FloatArray
    base: FloatArray
    tuned: FloatArray

    @property
    def n_problems(self) -> int:
        """Problems over all rows."""
        return int(self.weight.sum())

    @property
    def difference(self) -> FloatArray:
        """tuned minus base pass@k by row, shape (U, K)."""
        return self.base - self.tuned

    def mean(self, rows: FloatArray) -> FloatArray:
        """Mean over problems of a (U, K) table, shape (K,)."""
        out: FloatArray = self.weight @ rows / self.weight.sum()
        return out


def paired_table(base: IntArray, tuned: IntArray, k: IntArray) -> PairedTable:
    """Miss probabilities of paired counts at the k asked for.

    Args:
        base: Columns n and c, shape (Q, 2), one row a problem.
        tuned: The same problems in the same order.
        k: Increasing k, at most the smallest n of either model, shape (K,).

    Raises:
        ValueError: as `miss_table`.
    """
    rows, weight = np.unique(np.hstack([base, tuned]), axis=0, return_counts=True)
    k_max, column = int(k[-1]), k - 1
    return PairedTable(
        weight.astype(float),
        miss_table(rows[:, 0], rows[:, 1], k_max)[:, column],
        miss_table(rows[:, 2], rows[:, 3], k_max)[:, column],
    )


def floor_curve(success: FloatArray, k: IntArray) -> FloatArray:
    """What blind guessing reaches: mean over problems of 1 - (1-g)^k, shape (K,).

    Args:
        success: Null policy's success probability on one try, by problem, shape (Q,).
    """
    with np.errstate(divide="ignore"):
        log_miss = np.log1p(-success)
    curve: FloatArray = -np.expm1(log_miss[:, None] * k).mean(axis=0)
    return curve + 0.0  # turns -0.0 into 0.0


def cluster_means(rows: FloatArray, cluster: IntArray) -> FloatArray:
    """The mean row of each cluster, shape (C, ...).

    Args:
        rows: Shape (Q, ...).
        cluster: Number of each row's cluster, from 0 without gaps, shape (Q,).
    """
    sizes = np.bincount(cluster).astype(float)
    sums = np.zeros((len(sizes), *rows.shape[1:]))
    np.add.at(sums, cluster, rows)
    means: FloatArray = sums / sizes.reshape(-1, *[1] * (rows.ndim - 1))
    return means


def clustered_table(base: FloatArray, tuned: FloatArray, cluster: IntArray) -> PairedTable:
    """One row a cluster: the mean miss probabilities of its problems, weighing as many as it has.

    Args:
        base, tuned: Miss probabilities by problem, shape (Q, K).
        cluster: Number of each problem's cluster, from 0 without gaps, shape (Q,).
    """
    sizes = np.bincount(cluster).astype(float)
    return PairedTable(sizes, cluster_means(base, cluster), cluster_means(tuned, cluster))
