"""Bands over a series of looks that hold together: over all k and over all looks at once.

Every checkpoint of a training run is compared with the same base on the same problems, and whoever
looks at each of them separately at 95% is wrong far more often than once in twenty. Here all looks
share one set of bootstrap weights, and each may spend an equal part of the error: the draws that
leave its band and have left none before. What one look does not need, the next may spend.
Checkpoints that resemble each other leave by the same draws and cost little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pathshift.stats.bands import Band, Weights, ranks_of
from pathshift.stats.passk import FloatArray, IntArray


class Looks:
    """Takes the looks one after the other; a band once given never changes.

    Args:
        weights: One row a draw, one column a problem of the base.
        level: Chance that all bands of all looks hold.
        planned: Looks among which the error is shared; a later one gets no band of its own.
    """

    def __init__(self, weights: Weights, level: float, planned: int) -> None:
        self._weights = weights
        self._share = (1 - level) / planned
        self._planned = planned
        self._taken = 0
        self._is_inside: npt.NDArray[np.bool_] = np.ones(len(weights.rows), dtype=bool)

    @property
    def taken(self) -> int:
        """Looks taken so far."""
        return self._taken

    def band(self, rows: FloatArray, problems: IntArray) -> Band | None:
        """Band of the mean difference at each k; None once all planned looks are taken.

        Args:
            rows: tuned minus base by problem, shape (Q', K).
            problems: Which columns of the weights these problems are, shape (Q',).
        """
        if self._taken == self._planned:
            return None
        self._taken += 1
        weights, atoms = self._weights.rows[:, problems], self._weights.atoms
        draws = weights @ rows + (atoms @ np.array([-1.0, 1.0]))[:, None]
        draws /= (weights.sum(axis=1) + atoms.sum(axis=1))[:, None]
        cut, ordered = self._spend(draws)
        low, high, mean = ordered[cut], ordered[len(draws) - 1 - cut], rows.mean(axis=0)
        return Band(np.minimum(low, mean), np.maximum(high, mean), 2 * cut / len(draws))

    def _spend(self, draws: FloatArray) -> tuple[int, FloatArray]:
        """How many draws to give up at either end of every column, and the sorted columns."""
        ranks, ordered = ranks_of(draws)
        depth = np.minimum(ranks, len(draws) - 1 - ranks).min(axis=1)
        allowed = int(self._share * self._taken * len(draws) + 1e-9)
        left = allowed - int((~self._is_inside).sum())
        cut = int(np.sort(depth[self._is_inside])[left])
        self._is_inside &= depth >= cut
        return cut, ordered
