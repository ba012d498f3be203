"""How two means over the same problems differ: intervals of the difference and of the ratio."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import cluster_weights, rank_band
from pathshift.stats.exact import Interval
from pathshift.stats.passk import FloatArray, IntArray, cluster_means


class PairedMeans(NamedTuple):
    """Means over problems of two sides.

    Attributes:
        base, tuned: The plain means.
        difference: Interval of tuned - base.
        ratio: Interval of tuned / base, the ratio of the means.
    """

    base: float
    tuned: float
    difference: Interval
    ratio: Interval


class Bootstrap(NamedTuple):
    """How the problems are drawn again: level of the intervals, number of draws, generator."""

    level: float
    replicates: int
    rng: np.random.Generator


def paired_means(
    values: FloatArray, ends: Interval, bootstrap: Bootstrap, *, clusters: IntArray | None = None
) -> PairedMeans:
    """Means of two sides with a Bayesian bootstrap over problems, or over their clusters.

    As in `bands`, one problem that was not seen lies at either end of the scale: one side at its
    lower end, the other at its upper. Without them a set in which the sides are equal everywhere
    would get an interval of width zero. An interval always holds its plain value.

    Args:
        values: Base and tuned of each problem, shape (Q, 2); none below 0.
        ends: Ends of the scale, 0 <= low < high; their means where they differ between problems.
        clusters: Number of each problem's cluster, shape (Q,); None if each is its own.
    """
    cluster = np.unique(clusters, return_inverse=True)[1] if clusters is not None else None
    means = values if cluster is None else cluster_means(values, cluster)
    sizes = np.ones(len(values)) if cluster is None else np.bincount(cluster).astype(float)
    weights = cluster_weights(sizes, bootstrap.replicates, bootstrap.rng)
    unseen = np.array([[ends.high, ends.low], [ends.low, ends.high]])
    draws = weights.rows @ means + weights.atoms @ unseen
    base, tuned = (float(value) for value in values.mean(axis=0))
    return PairedMeans(
        base,
        tuned,
        _edges(draws[:, 1] - draws[:, 0], tuned - base, bootstrap.level),
        _edges(draws[:, 1] / draws[:, 0], tuned / base if base else None, bootstrap.level),
    )


def _edges(draws: FloatArray, value: float | None, level: float) -> Interval:
    band = rank_band(draws[:, None], level)
    held = [] if value is None else [value]
    return Interval(min([float(band.low[0]), *held]), max([float(band.high[0]), *held]))
