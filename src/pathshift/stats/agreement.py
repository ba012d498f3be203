"""Agreement among judges: raw shares and kappa, with intervals by a bootstrap over clusters.

Kappa says how far agreement goes beyond what the judges' habits alone would bring; it is undefined
(NaN) where only one category was ever used, since there agreement proves nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import cluster_weights
from pathshift.stats.exact import Interval
from pathshift.stats.passk import FloatArray, IntArray, cluster_means


class Resampling(NamedTuple):
    """How an interval is made.

    Attributes:
        rng: Source of the weights.
        level: Two-sided.
        replicates: Bootstrap draws.
    """

    rng: np.random.Generator
    level: float = 0.95
    replicates: int = 4000


class _Parts(NamedTuple):
    """What kappa is made of, one row an item (or a mean over items).

    Attributes:
        agree: Share of agreeing pairs of judges, shape (N,).
        first: Share of each category by the first judge of a random pair, shape (N, Q).
        second: The same of the second; equal to `first` where judges are interchangeable.
    """

    agree: FloatArray
    first: FloatArray
    second: FloatArray


def fleiss_kappa(votes: IntArray) -> float:
    """Kappa of interchangeable judges (Fleiss 1971); NaN if only one category was used.

    Args:
        votes: Votes by item and category, shape (N, Q); every row sums to the same m >= 2.

    Raises:
        ValueError: no item, or items with different numbers of votes, or fewer than two.

    >>> round(fleiss_kappa(np.array([[2, 0], [0, 2], [1, 1]])), 4)
    0.3333
    """
    return float(_kappa(_mean(_fleiss_parts(votes))))


def cohen_kappa(table: IntArray) -> float:
    """Kappa of two judges (Cohen 1960); NaN if both used one and the same category only.

    Args:
        table: Items by the first judge's category and the second's, shape (Q, Q).

    Raises:
        ValueError: the table is empty.

    >>> round(cohen_kappa(np.array([[20, 5], [10, 15]])), 4)
    0.4
    """
    return float(_kappa(_mean(_cohen_parts(_pairs_of(table)))))


def fleiss_interval(votes: IntArray, cluster: IntArray, how: Resampling) -> Interval:
    """Interval of `fleiss_kappa` over items like these.

    Args:
        votes: As `fleiss_kappa`.
        cluster: Number of each item's cluster, from 0 without gaps, shape (N,): items of one
            problem are not independent.
    """
    m, q = int(votes[0].sum()), votes.shape[1]
    parts = _fleiss_parts(votes)
    even = np.empty(q, dtype=np.int64)
    even[_by_use(parts)] = m // q + (np.arange(q) < m % q)
    agree = np.array((even * (even - 1)).sum() / (m * (m - 1)))
    return _interval(parts, cluster, _Parts(agree, even / m, even / m), how)


def cohen_interval(
    first: IntArray, second: IntArray, cluster: IntArray, how: Resampling
) -> Interval:
    """Interval of `cohen_kappa` over items like these.

    Args:
        first, second: Each judge's category by item, from 0, shape (N,).
        cluster: As `fleiss_interval`.
    """
    parts = _cohen_parts(np.stack([first, second], axis=1))
    split = np.zeros(parts.first.shape[1])
    split[_by_use(parts)[:2]] = 0.5
    return _interval(parts, cluster, _Parts(np.array(0.0), split, split), how)


def agreement_table(first: IntArray, second: IntArray, categories: int) -> IntArray:
    """Items by both judges' categories, shape (Q, Q)."""
    table = np.zeros((categories, categories), dtype=np.int64)
    np.add.at(table, (first, second), 1)
    return table


def _fleiss_parts(votes: IntArray) -> _Parts:
    m = votes.sum(axis=1)
    if not len(votes) or (m != m[0]).any() or m[0] < 2:
        raise ValueError(
            "kappa needs items with the same number of votes, at least 2 each; "
            f"got {len(votes)} items with {sorted(set(m.tolist()))[:5]} votes"
        )
    agree = (votes * (votes - 1)).sum(axis=1) / (m * (m - 1))
    shares = votes / m[:, None]
    return _Parts(agree, shares, shares)


def _pairs_of(table: IntArray) -> IntArray:
    if not table.sum():
        raise ValueError("kappa needs at least one item that both judges marked, got none")
    return np.repeat(np.argwhere(table >= 0), table.ravel(), axis=0)


def _cohen_parts(pairs: IntArray) -> _Parts:
    categories = np.eye(int(pairs.max()) + 1)
    agree = (pairs[:, 0] == pairs[:, 1]).astype(float)
    return _Parts(agree, categories[pairs[:, 0]], categories[pairs[:, 1]])


def _by_use(parts: _Parts) -> IntArray:
    """Categories, the most used first."""
    order: IntArray = np.argsort(-(parts.first + parts.second).sum(axis=0), kind="stable")
    return order


def _mean(parts: _Parts) -> _Parts:
    return _Parts(*(np.asarray(part.mean(axis=0)) for part in parts))


def _kappa(parts: _Parts) -> FloatArray:
    chance = (parts.first * parts.second).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa: FloatArray = np.where(
            chance < 1 - 1e-12, (parts.agree - chance) / (1 - chance), np.nan
        )
    return kappa


def _interval(parts: _Parts, cluster: IntArray, split: _Parts, how: Resampling) -> Interval:
    """Quantiles of kappa under random weights of the clusters and of two unseen items.

    On one unseen item all judges agree, in the category used least: what raises kappa most. On the
    other they are as divided as can be (`split`). Without them items that all judges happened to
    agree on would give an interval of no width, and a category seen once an edge of no worth.
    """
    whole = _mean(parts)
    point = float(_kappa(whole))
    if np.isnan(point):
        return Interval(point, point)
    sizes = np.bincount(cluster).astype(float)
    weights = cluster_weights(sizes, how.replicates, how.rng)
    rarest = np.eye(len(whole.first))[_by_use(parts)[-1]]
    agreed = _Parts(np.array(1.0), rarest, rarest)
    drawn = [
        weights.rows @ cluster_means(part, cluster) + weights.atoms @ np.stack([low, high])
        for part, low, high in zip(parts, split, agreed, strict=True)
    ]
    tail = (1 - how.level) / 2
    low, high = np.nanquantile(_kappa(_Parts(*drawn)), [tail, 1 - tail])
    return Interval(min(float(low), point), max(float(high), point))
