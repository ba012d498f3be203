"""Bayes@N: posterior mean and spread of a graded score (Hariri et al. 2025, arXiv 2510.04265).

It ranks pass@1 with few samples. It says nothing of the boundary: with a uniform prior a problem
that was never solved has a rate of 1/(n + 2), and at large k that prior is all one would see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pathshift.stats.passk import IntArray


class Posterior(NamedTuple):
    """Mean and standard deviation of the mean score over problems."""

    mean: float
    deviation: float


def bayes_at_n(
    grades: IntArray, scores: Sequence[float], prior: IntArray | None = None
) -> Posterior:
    """Posterior of the mean score under a uniform Dirichlet prior over the grades of each problem.

    With M problems, N grades each, D prior grades, categories 0..C with scores w and
    T = 1 + C + D + N: mean w_0 + sum nu (w_j - w_0) / (M T) and the variance of independent
    Dirichlet means, nu counting grades plus one.

    Args:
        grades: Category of each sample, shape (M, N).
        scores: w of each category.
        prior: Grades known before, shape (M, D).

    >>> post = bayes_at_n(np.array([[0, 1, 2, 2, 1], [1, 1, 0, 2, 2]]), [0, 0.5, 1])
    >>> round(post.mean, 4), round(post.deviation, 6)
    (0.5625, 0.091998)
    """
    weights = np.asarray(scores, dtype=float) - scores[0]
    known = grades if prior is None else np.hstack([prior, grades])
    counts = np.stack([(known == j).sum(axis=1) for j in range(len(weights))], axis=1) + 1
    total = counts[0].sum()
    shares = counts / total
    means = shares @ weights
    variance = (shares @ weights**2 - means**2).sum() / (len(counts) ** 2 * (total + 1))
    return Posterior(float(scores[0] + means.mean()), float(np.sqrt(variance)))
