"""How many kinds are among a number of draws, estimated without bias from more of them.

The more one draws the more kinds turn up, so counts of kinds compare only at equal numbers of
draws. All of it rests on the accumulation curve S(m): the kinds expected in m draws without
replacement from those at hand, which is unbiased for m fresh draws. It needs independent draws from
one law; whether their number was fixed beforehand or came from elsewhere makes no difference.
"""

from __future__ import annotations

import numpy as np

from pathshift.stats.passk import FloatArray, IntArray, miss_table


def kinds_in(counts: IntArray, m_max: int) -> FloatArray:
    """Expected number of kinds in m = 1..m_max draws, S(m) = sum_i 1 - C(N-N_i, m) / C(N, m).

    The ratio is pass@k's chance that m draws all miss, with kind i for what is right (Hurlbert
    1971, eq. for E(S_n); Chen et al. 2021). Unbiased for every m up to N.

    Args:
        counts: Draws of each kind, all at least 1, shape (S,).
        m_max: At most the number of draws N.

    Returns:
        Shape (m_max,).

    Raises:
        ValueError: a count is below 1, or m_max is not within 1..N.

    >>> kinds_in(np.array([2, 1, 1]), 4).round(3).tolist()
    [1.0, 1.833, 2.5, 3.0]
    """
    _check(counts)
    total = int(counts.sum())
    if not 1 <= m_max <= total:
        raise ValueError(f"kinds among {m_max} draws need 1 to {total} draws, as many as there are")
    size, shared_by = np.unique(counts, return_counts=True)
    curve: FloatArray = shared_by @ (1 - miss_table(np.full(len(size), total), size, m_max))
    return curve


def entropy_of(curve: FloatArray) -> float:
    """Entropy in nats as far as m draws can tell, from S(1) .. S(m).

    H = sum over v of (1/v) * sum_i p_i (1-p_i)^v, and the inner sum is S(v+1) - S(v), the chance
    that draw v+1 is of a new kind. Cut off at v = m-1 it is estimated without bias, so two samples
    cut at one m estimate the same functional of their laws; at m = N this is Zhang's estimator
    (Zhang 2012; Chao, Wang and Jost 2013, eq. 6). What is cut off is never negative and falls
    exponentially in m once every kind is frequent: the value is a lower bound of H.

    >>> round(entropy_of(kinds_in(np.array([500, 500]), 1000)), 4)  # near ln 2 = .6931
    0.6936
    """
    return float(np.diff(curve) @ (1 / np.arange(1, len(curve))))


def largest_entropy(m: int) -> float:
    """What `entropy_of` gives m draws that are all of different kinds: 1 + 1/2 + ... + 1/(m-1)."""
    return float((1 / np.arange(1, m)).sum())


def chance_of_same(counts: IntArray) -> float:
    """Chance that two draws are of one kind, sum_i N_i (N_i - 1) / (N (N - 1)); unbiased.

    Simpson (1949). Its inverse is the effective number of kinds, the Hill number of order 2. It is
    2 - S(2), summed here in whole numbers so that "no two alike" is exactly 0.

    Raises:
        ValueError: a count is below 1, or there are fewer than two draws.
    """
    _check(counts)
    total = int(counts.sum())
    if total < 2:
        raise ValueError("whether two draws are alike needs two draws, got 1")
    return float((counts * (counts - 1)).sum() / (total * (total - 1)))


def effective_number(chance_same: float) -> float | None:
    """Equally frequent kinds that would give this chance; None where no two draws were alike."""
    return 1 / chance_same if chance_same > 0 else None


def coverage(counts: IntArray) -> float:
    """Share of the law that the kinds seen hold, 1 - f1/N with f1 the kinds seen once.

    Good (1953), after Turing. Too low in expectation, by at most 1/N.

    Raises:
        ValueError: a count is below 1, or there is none.
    """
    _check(counts)
    return float(1 - (counts == 1).sum() / counts.sum())


def fewest_kinds(counts: IntArray) -> float:
    """A lower bound of all kinds there are, in expectation: Chao (1984), bias-corrected.

    S + (N-1)/N * f1 (f1 - 1) / (2 (f2 + 1)), f1 and f2 the kinds seen once and twice. A hint, not
    an estimate: where most kinds were seen once nothing bounds their number from above.
    """
    _check(counts)
    total, once, twice = counts.sum(), (counts == 1).sum(), (counts == 2).sum()
    return float(len(counts) + (total - 1) / total * once * (once - 1) / (2 * (twice + 1)))


def _check(counts: IntArray) -> None:
    if not len(counts) or counts.min() < 1:
        raise ValueError(f"every kind needs at least one draw, got counts {counts[:8].tolist()}")
