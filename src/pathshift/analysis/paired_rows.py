"""Curves of two models from one row a problem, with the house's band on their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from pathshift.stats.bands import Weights, bayesian_band, cluster_weights, dirichlet_weights
from pathshift.stats.passk import FloatArray, IntArray, cluster_means

DENSE_TO = 32
GRID_POINTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Means over problems and the band of tuned minus base, lists over one grid.

    Attributes:
        k: The grid, where it is not that of the result it stands in.
        pointwise: Error that each column was given.
    """

    base: list[float]
    tuned: list[float]
    difference: list[float]
    low: list[float]
    high: list[float]
    pointwise: float
    k: list[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRows:
    """One set of bootstrap weights for all curves over the same problems."""

    weights: Weights
    cluster: IntArray | None

    @classmethod
    def over(
        cls, n_problems: int, cluster: IntArray | None, *, replicates: int,
        rng: np.random.Generator,
    ) -> Self:  # fmt: skip
        """Weights over problems, or over whole clusters where problems share one."""
        if cluster is None:
            weights = dirichlet_weights(np.ones(n_problems), replicates, rng)
        else:
            weights = cluster_weights(np.bincount(cluster).astype(float), replicates, rng)
        return cls(weights=weights, cluster=cluster)

    def curves(
        self, base: FloatArray, tuned: FloatArray, level: float, *, k: IntArray | None = None
    ) -> Curves:
        """Means and band.

        Args:
            base, tuned: Success chances by problem, shape (Q, K).
            level: Chance that the band holds at all columns.
        """
        band = bayesian_band(self.weights, self._grouped(tuned - base), (-1.0, 1.0), level)
        means = [side.mean(axis=0) for side in (base, tuned)]
        return Curves(
            base=means[0].tolist(),
            tuned=means[1].tolist(),
            difference=(means[1] - means[0]).tolist(),
            low=band.low.tolist(),
            high=band.high.tolist(),
            pointwise=band.pointwise,
            k=None if k is None else k.tolist(),
        )

    def _grouped(self, rows: FloatArray) -> FloatArray:
        """The mean row of each cluster."""
        if self.cluster is None:
            return rows
        return cluster_means(rows, self.cluster)


def k_grid(largest: int) -> IntArray:
    """Every k up to 32, then evenly spread over log k up to `largest`, itself included."""
    dense = np.arange(1, min(DENSE_TO, largest) + 1)
    if largest <= DENSE_TO:
        return dense
    spread = np.geomspace(DENSE_TO, largest, GRID_POINTS).round().astype(np.int64)
    return np.unique(np.concatenate([dense, spread, [largest]]))
