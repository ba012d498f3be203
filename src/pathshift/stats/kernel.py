"""The joint law of two models' success rates over problems, fitted to counts.

Shares of a grid of rate pairs (p, q) under which the counts are likeliest, by EM: the
non-parametric maximum likelihood of a mixture (Kiefer and Wolfowitz 1956; as a law of (p, q) in
arXiv 2609.22547). Two independent posteriors would take sampling noise for true differences between
the models. Binomial and stopped counts have the same likelihood, p^c (1-p)^(n-c).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from pathshift.stats.drawn import Drawn
from pathshift.stats.passk import FloatArray, IntArray

_POINTS = 32
"""Rates of each model that are evenly spread where their noise is, in the arcsine of the root. What
decides at large k lies below them: problems out of reach, and those solved once in thousands."""
_STEPS = 150


class Kernel(NamedTuple):
    """Likelihoods of the distinct pairs of counts at every pair of rates.

    Attributes:
        rates: Rates of the base and of the tuned model by support point, shape (S, 2).
        likelihood: Scaled so that each row's largest is 1, shape (U, S).
        row: Row of each problem, shape (Q,).
    """

    rates: FloatArray
    likelihood: FloatArray
    row: IntArray

    def shares(self, weight: FloatArray) -> FloatArray:
        """Share of each support point, shape (S,).

        Args:
            weight: Of each problem, shape (Q,).
        """
        weights = np.bincount(self.row, weight, minlength=len(self.likelihood)) / weight.sum()
        share = np.full(len(self.rates), 1 / len(self.rates))
        for _ in range(_STEPS):
            share = share * ((weights / (self.likelihood @ share)) @ self.likelihood)
        out: FloatArray = share / share.sum()
        return out

    def draw(self, share: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
        """Rate pairs of new problems, shape (size, 2)."""
        out: FloatArray = self.rates[rng.choice(len(share), size=size, p=share)]
        return out

    def draw_each(self, share: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A rate pair for each problem given its own counts, shape (Q, 2)."""
        posterior = np.cumsum(self.likelihood * share, axis=1)
        mark = rng.random(len(self.row)) * posterior[self.row, -1]
        place = (posterior[self.row] <= mark[:, None]).sum(axis=1)
        out: FloatArray = self.rates[np.minimum(place, len(share) - 1)]
        return out


def kernel_of(base: Drawn, tuned: Drawn) -> Kernel:
    """The likelihoods of two models' counts on the same problems."""
    grid = _grid(int(max(base.n.max(), tuned.n.max())))
    rates = np.column_stack([np.repeat(grid, len(grid)), np.tile(grid, len(grid))])
    rows, row = np.unique(np.hstack([base.counts, tuned.counts]), axis=0, return_inverse=True)
    log = _log_likelihood(rows[:, :2], rates[:, 0]) + _log_likelihood(rows[:, 2:], rates[:, 1])
    return Kernel(rates, np.exp(log - log.max(axis=1, keepdims=True)), row.ravel())


def _grid(n: int) -> FloatArray:
    """Rates of one model: 0, doublings from what n samples hardly tell from it, the even ones."""
    even = np.sin(np.pi / 2 * (np.arange(_POINTS) + 0.5) / _POINTS) ** 2
    rarest = 0.25 / n
    doublings = rarest * 2.0 ** np.arange(max(0, int(np.log2(even[1] / rarest)) + 1))
    return np.unique(np.concatenate([[0.0], doublings, even]))


def _log_likelihood(counts: IntArray, rates: FloatArray) -> FloatArray:
    n, c = counts[:, :1], counts[:, 1:]
    out: FloatArray = xlogy(c, rates) + (n - c) * np.log1p(-rates)
    return out
