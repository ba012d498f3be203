"""Bands over columns that not all problems have a value in.

A problem has no value where there was nothing to measure: no control sample, an answer given away.
Each column is then a mean over the problems that have one; what is drawn at random is still the
cluster, with one weight for all its columns, so the band over the columns holds together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import Band, rank_band
from pathshift.stats.passk import FloatArray, IntArray


class Ragged(NamedTuple):
    """Values summed by cluster.

    Attributes:
        sums: Sum of a cluster's values in each column, shape (C, K).
        counts: Number of them, shape (C, K).
    """

    sums: FloatArray
    counts: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean of each column over its problems, shape (K,); NaN where there is none."""
        with np.errstate(invalid="ignore"):
            mean: FloatArray = self.sums.sum(axis=0) / self.counts.sum(axis=0)
        return mean


def by_cluster(values: FloatArray, cluster: IntArray) -> Ragged:
    """Sums and counts of clusters.

    Args:
        values: Shape (P, K); NaN where a problem has no value.
        cluster: Each problem's cluster, from 0, shape (P,).
    """
    there = np.isfinite(values)
    shape = (int(cluster.max()) + 1, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, cluster, np.where(there, values, 0.0))
    np.add.at(counts, cluster, there)
    return Ragged(sums, counts)


def exponential_weights(n_clusters: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    """One exponential weight for each cluster and for two end atoms, shape (B, C + 2).

    Rubin's Bayesian bootstrap (1981) before it is normalised, which each column does for itself.
    """
    return rng.standard_exponential((replicates, n_clusters + 2))


def weighted_means(weights: FloatArray, part: Ragged) -> FloatArray:
    """Means under the weights, the atoms left out, shape (B, K); NaN in empty columns."""
    own = weights[:, :-2]
    with np.errstate(invalid="ignore"):
        means: FloatArray = (own @ part.sums) / (own @ part.counts)
    return means


def log_mean_band(
    weights: FloatArray, parts: Sequence[Ragged], signs: Sequence[int], level: float
) -> Band:
    """Band for a signed sum of logarithms of means of shares.

    Few problems may carry a mean near 0, and whether one of them was drawn decides its logarithm:
    plain quantiles cover .87 for .95 at 40 problems of the paths fakes, those of the studentised
    error no better. So each edge counts one unseen cluster against itself, as `bands.strict_band`:
    for the lower one with 0 in the means that are added and 1 in those that are taken off.

    Args:
        parts: Of the same problems in the same gaps, all means above 0 and no column empty.
        signs: +1 or -1 for each part.
    """
    low, high = (
        sum((s * np.log(_with_unseen(weights, part, float(s == against))) for s, part in
             zip(signs, parts, strict=True)), np.zeros(1))
        for against in (-1, 1)
    )  # fmt: skip
    value = sum((s * np.log(p.mean) for s, p in zip(signs, parts, strict=True)), np.zeros(1))
    band = rank_band(low, level)
    return Band(
        np.minimum(band.low, value),
        np.maximum(rank_band(high, level).high, value),
        band.pointwise,
    )


def _with_unseen(weights: FloatArray, part: Ragged, value: float) -> FloatArray:
    """Means under the weights with one cluster of average size more, shape (B, K)."""
    own, unseen = weights[:, :-2], weights[:, -2:-1]
    size = part.counts.sum(axis=0) / (part.counts > 0).sum(axis=0)
    means: FloatArray = (own @ part.sums + unseen * size * value) / (
        own @ part.counts + unseen * size
    )
    return means


def ragged_band(weights: FloatArray, part: Ragged, ends: tuple[float, float], level: float) -> Band:
    """As `bands.bayesian_band` for columns with gaps; empty columns are NaN and take no part.

    Args:
        weights: From `exponential_weights`.
        ends: Smallest and largest possible value, where the atoms lie; an atom weighs as an unseen
            cluster of the column's average size.
        level: Chance that the whole band holds.
    """
    mean = part.mean
    there = np.isfinite(mean)
    low, high = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    if not there.any():
        return Band(low, high, 1 - level)
    sums, counts = part.sums[:, there], part.counts[:, there]
    size = counts.sum(axis=0) / (counts > 0).sum(axis=0)
    atoms = weights[:, -2:]
    total = weights[:, :-2] @ sums + np.outer(atoms @ np.array(ends), size)
    band = rank_band(total / (weights[:, :-2] @ counts + np.outer(atoms.sum(axis=1), size)), level)
    low[there] = np.minimum(band.low, mean[there])
    high[there] = np.maximum(band.high, mean[there])
    return Band(low, high, band.pointwise)
