"""Lower confidence limits for the mean of values that are never below zero.

A lower limit needs no upper end of the scale: values whose mean is m exceed m/a in at most a of
all cases (Markov), so a large one is evidence however large it could have been. Truncating the
values beforehand therefore never raises either limit here. Two of them: one by betting, which is
proven and needs no random numbers, and Gaffke's, which is higher and proven for yes/no values only.
"""

from __future__ import annotations

import numpy as np

from pathshift.stats.bands import Weights, strict_band
from pathshift.stats.passk import FloatArray

_STAKES = 32
_HALVINGS = 40
_LOWEST = -60.0
"""ln of the smallest limit above zero that is looked for."""


def log_evidence(values: FloatArray, mean: float) -> float:
    """ln of an e-value against "their mean is at most `mean`": at most 1 on average where it is.

    A gambler stakes the share t of the capital on every value; it becomes (1 - t + t x / mean)
    times as large, on average at most 1 times if the mean is at most `mean`. The evidence is the
    average capital over stakes spread evenly in ln t from n^-.75 to .98, and it falls as `mean`
    rises (Waudby-Smith and Ramdas 2024, section 4, one-sided, a mixture in place of their running
    guess of the stake, so that the order of the values does not matter).

    Args:
        values: Independent, each at least 0, shape (n,).
        mean: Above 0.

    Raises:
        ValueError: no values, or one that is negative or not finite.
    """
    check_values(values)
    return _log_capital(values[values > 0], len(values), mean)


def _log_capital(positive: FloatArray, n: int, mean: float) -> float:
    """ln of the average capital after n values, of which these are above 0."""
    stakes = _stakes(n)
    logs = (n - len(positive)) * np.log1p(-stakes)
    logs += np.log1p(stakes[:, None] * (positive / mean - 1)).sum(axis=1)
    top = logs.max()
    return float(top + np.log(np.exp(logs - top).mean()))


def _stakes(n: int) -> FloatArray:
    return np.exp(np.linspace(min(-0.75 * np.log(n), np.log(0.5)), np.log(0.98), _STAKES))


def betting_limit(values: FloatArray, level: float = 0.95) -> float:
    """Lower limit of the mean: the smallest mean that betting does not refuse at `level`.

    The truth lies below it in at most 1 - level of all cases, for every n and every law of values
    from 0 up (Markov's inequality). 0 where all values are 0.

    Args:
        values: Independent, each at least 0, shape (n,).
        level: One-sided.

    >>> round(betting_limit(np.array([1.0] * 30)), 2)
    0.84
    >>> betting_limit(np.zeros(30))
    0.0
    """
    check_values(values)
    positive = values[values > 0]
    if not len(positive):
        return 0.0
    needed = -np.log1p(-level)
    low, high = _LOWEST, float(np.log(values.mean()))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refused = _log_capital(positive, len(values), float(np.exp(middle))) >= needed
        low, high = (middle, high) if refused else (low, middle)
    return float(np.exp(low)) if low > _LOWEST else 0.0


def gaffke_limit(rows: FloatArray, weights: Weights, level: float = 0.95) -> float:
    """Lower limit of the mean over rows by Gaffke's bound (2005): the lower edge of `strict_band`.

    Equals Clopper and Pearson's on yes/no values. That it holds for all laws is a conjecture
    that no simulation has contradicted (Phan, Thomas and Learned-Miller 2021).

    Args:
        rows: Means by problem or cluster, each at least 0, shape (U,).
        weights: From `dirichlet_weights` or `cluster_weights` over the same rows.
        level: One-sided.
    """
    check_values(rows)
    ends = (0.0, max(1.0, float(rows.max())))
    return float(strict_band(weights, rows[:, None], ends, 2 * level - 1).low[0])


def check_values(values: FloatArray) -> None:
    """Raise ValueError unless there are values, all finite and at least 0."""
    if not len(values):
        raise ValueError("a limit of a mean needs at least one value")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("a lower limit needs finite values from 0 up")
