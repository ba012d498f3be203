"""A law of success rates with a free shape: it widens the range of predictions beyond the samples.

BB and ZIBB tie how rates lie near 0 to how they lie near 1. Here the density over logit p is that
of a beta law times a smooth factor (bumps held near none by a prior), which the counts bend where
they can tell; below the rarest rate they can tell it runs out in a power of p (Efron 2016,
Biometrika 103: g-modelling). The share of problems out of reach is not tied to the shape: none at
all (half of the prior) and ten sizes up to the share of unsolved problems (the other half) are
fitted each and weighted by their likelihood. Its middle is closer than BB's and ZIBB's where rates
follow no beta law, and scatters more where they do (docs/log.md).

Axes: B weightings, U distinct rows of counts, J grid points, D parameters, K numbers of draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from pathshift.stats.climbing import Derivatives, climb
from pathshift.stats.passk import FloatArray, IntArray, check_counts

N_BUMPS = 9
_GRID = np.arange(-14.0, 10.01, 0.25)
_LOG_P, _LOG_Q = -np.logaddexp(0, -_GRID), -np.logaddexp(0, _GRID)
_POWER_CENTRE, _POWER_SPREAD = float(np.log(0.4)), 0.7
"""Prior of ln a and ln b: powers of about .1 to 1.6, so that the law runs out within the grid."""
_BUMP_SPREAD = 5.0**0.5
_SIZES = 11


class SmoothLaw(NamedTuple):
    """Rates on a grid, weight by point (B, J), and the share out of reach (B,)."""

    density: FloatArray
    impossible: FloatArray

    def miss(self, k: IntArray) -> FloatArray:
        """z + (1-z) sum of g_j (1-p_j)^k, shape (B, K)."""
        z = self.impossible[:, None]
        out: FloatArray = z + (1 - z) * (self.density @ np.exp(_LOG_Q[:, None] * k))
        return out


class SmoothFit(NamedTuple):
    """Laws at every size of the share out of reach (B = 11).

    Attributes:
        likely: How likely each size is; sums to 1.
        theta: The parameters behind each, shape (11, D).
    """

    law: SmoothLaw
    likely: FloatArray
    theta: FloatArray

    def drawn(self, n_draws: int, rng: np.random.Generator) -> IntArray:
        """Sizes drawn by how likely they are; each about as often as expected."""
        places = (rng.permutation(n_draws) + rng.random(n_draws)) / n_draws
        found: IntArray = np.searchsorted(np.cumsum(self.likely)[:-1], places, side="right")
        return found


def fit_smooth(counts: IntArray, weight: FloatArray) -> SmoothFit:
    """Fit all sizes of the share out of reach to one weighting.

    Args:
        counts: Columns n and c of the distinct rows, shape (U, 2).
        weight: Problems each row stands for, shape (U,).

    Raises:
        ValueError: if a count breaks 0 <= c <= n.
    """
    check_counts(counts[:, 0], counts[:, 1], 1)
    unsolved = weight[counts[:, 1] == 0].sum() / weight.sum()
    sizes = unsolved * np.arange(_SIZES) / _SIZES
    hill = _Shape(counts, np.tile(weight, (_SIZES, 1)), sizes)
    top = climb(hill, np.zeros((_SIZES, 2 + N_BUMPS)) + hill.centre)
    none = np.arange(_SIZES) == 0
    weighed = top.value + np.log(np.where(none, 0.5, 0.5 / (_SIZES - 1)))
    law = SmoothLaw(hill.density(top.theta), sizes)
    return SmoothFit(law, np.exp(weighed - logsumexp(weighed)), top.theta)


def refit_smooth(
    counts: IntArray, weight: FloatArray, fitted: SmoothFit, which: IntArray
) -> SmoothLaw:
    """Fit other weightings, each with the share out of reach of one of the fitted sizes.

    Args:
        weight: Shape (B, U).
        which: Number of the size for each weighting, shape (B,).
    """
    sizes = fitted.law.impossible[which]
    hill = _Shape(counts, weight, sizes)
    return SmoothLaw(hill.density(climb(hill, fitted.theta[which]).theta), sizes)


class _Shape:
    """Penalised log-likelihood by ln a, ln b and the heights of the bumps.

    The curvature is Fisher's scoring: summed products of the rows' gradients, and the prior's.
    """

    def __init__(self, counts: IntArray, weight: FloatArray, impossible: FloatArray) -> None:
        n, c = counts[:, 0], counts[:, 1]
        ways = gammaln(n + 1.0) - gammaln(c + 1.0) - gammaln(n - c + 1.0)
        self.chance = np.exp(ways + c * _LOG_P[:, None] + (n - c) * _LOG_Q[:, None])
        self.zero = (c == 0).astype(float)
        self.weight, self.impossible = weight, impossible
        self.bumps = _bumps(float((weight.sum(axis=0) @ n) / weight.sum()))
        self.centre = np.zeros(2 + N_BUMPS)
        self.centre[:2] = _POWER_CENTRE
        self.spread = np.array([_POWER_SPREAD] * 2 + [_BUMP_SPREAD] * N_BUMPS)
        self.lowest, self.highest = self.centre - 8 * self.spread, self.centre + 8 * self.spread

    def density(self, theta: FloatArray) -> FloatArray:
        """Weight of every grid point, shape (B, J)."""
        a, b = np.exp(theta[:, :1]), np.exp(theta[:, 1:2])
        logs = a * _LOG_P + b * _LOG_Q + theta[:, 2:] @ self.bumps
        out: FloatArray = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        return out

    def _mixed(self, density: FloatArray, which: IntArray) -> FloatArray:
        z = self.impossible[which, None]
        out: FloatArray = z * self.zero + (1 - z) * (density @ self.chance)
        return np.maximum(out, 1e-300)

    def value(self, theta: FloatArray, which: IntArray) -> FloatArray:
        fits = (self.weight[which] * np.log(self._mixed(self.density(theta), which))).sum(axis=1)
        out: FloatArray = fits - (((theta - self.centre) / self.spread) ** 2).sum(axis=1) / 2
        return out

    def derivatives(self, theta: FloatArray, which: IntArray) -> Derivatives:
        density = self.density(theta)
        mixed, plain = self._mixed(density, which), density @ self.chance
        share = (1 - self.impossible[which, None]) / mixed
        rows = np.empty((*mixed.shape, theta.shape[1]))
        for i, feature in enumerate(self._features(theta)):
            tilted = density * feature
            moved = tilted @ self.chance - tilted.sum(axis=1, keepdims=True) * plain
            rows[:, :, i] = moved * share
        weight = self.weight[which]
        gradient = np.einsum("bu,bud->bd", weight, rows)
        gradient -= (theta - self.centre) / self.spread**2
        curvature = -np.matmul((rows * weight[:, :, None]).transpose(0, 2, 1), rows)
        curvature -= np.diag(1 / self.spread**2)
        return Derivatives(gradient, curvature)

    def _features(self, theta: FloatArray) -> list[FloatArray]:
        """Derivatives of the log density before it is normed, each (B, J) or (J,)."""
        ends = [np.exp(theta[:, :1]) * _LOG_P, np.exp(theta[:, 1:2]) * _LOG_Q]
        return [*ends, *self.bumps]


def _bumps(n: float) -> FloatArray:
    """Gaussian bumps over logit p, evenly over the rates that n samples can tell, shape (M, J)."""
    edge = max(float(np.log(n / 0.7)), 2.0)
    centres = np.linspace(-edge, edge, N_BUMPS)
    out: FloatArray = np.exp(-(((_GRID - centres[:, None]) / (centres[1] - centres[0])) ** 2) / 2)
    return out
