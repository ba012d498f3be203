"""pass@k beyond the samples: two laws side by side, their mean, and a range over three.

There is no unbiased estimate beyond n, and the plug-in 1 - (1 - c/n)^k is no way out: it is biased
downwards, most for the model with more rare successes, so that even the sign of a difference comes
out wrong. What is given here is a range over laws, widened by a bootstrap over problems. A law is
an assumption: a range over laws covers what they cover and no more; `modelfree` gives what the
counts say without one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from pathshift.stats.bands import Weights
from pathshift.stats.mixing import BetaLaw, Law, fit, predicted
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.smooth import fit_smooth, refit_smooth

LAWS = ("bb", "zibb", "smooth")
"""Laws in the order of the axis L below. The middle is the mean of the first two."""
TEMPER = 0.03
"""Power of the likelihood in the weights of that mean. Counts up to n tell little of what comes
after, so a law loses weight only where it fits far worse: 33 units of log-likelihood are a factor
e."""


class Curves(NamedTuple):
    """Predictions of one model.

    Attributes:
        point: By law and k, shape (L, K).
        draws: The same of every bootstrap weighting, shape (L, B, K).
        weight: Of BB and ZIBB in the middle; sums to 1.
        beta: The laws BB and ZIBB fitted to all problems (B = 1).
    """

    point: FloatArray
    draws: FloatArray
    weight: FloatArray
    beta: tuple[BetaLaw, BetaLaw]

    @property
    def middle(self) -> FloatArray:
        """Mean of BB and ZIBB by `weight`: half and half, but for `TEMPER`; shape (K,)."""
        out: FloatArray = self.weight @ self.point[:2]
        return out


class Spread(NamedTuple):
    """Edges of a range, shape (K,)."""

    low: FloatArray
    high: FloatArray


def curves(
    counts: IntArray, weights: Weights, n_problems: float, k: IntArray, rng: np.random.Generator
) -> Curves:
    """All laws fitted to all problems and to every bootstrap weighting, read at k.

    Args:
        counts: Columns n and c of distinct rows, shape (U, 2).
        weights: Bootstrap weights of the rows and of an end atom at either end: one problem more
            that is never solved, one that always is, in the prediction but not in the fits.
        n_problems: Problems that the rows stand for together.
        k: Numbers of draws, shape (K,).
        rng: Draws the share out of reach of the smooth law for each weighting.
    """
    share = weights.share[None]
    boot = weights.rows / weights.rows.sum(axis=1, keepdims=True) * n_problems
    bb, zibb = (fit(counts, share * n_problems, with_impossible=z) for z in (False, True))
    smooth = fit_smooth(counts, share[0] * n_problems)
    again: list[Law] = [
        fit(counts, boot, with_impossible=False, start=bb.law).law,
        fit(counts, boot, with_impossible=True, start=zibb.law).law,
        refit_smooth(counts, boot, smooth, smooth.drawn(len(boot), rng)),
    ]
    point = [_mean(counts, found.law, share, k)[0] for found in (bb, zibb)]
    point.append(smooth.likely @ _mean(counts, smooth.law, share, k))
    draws = [_mean(counts, law, weights.rows, k) + weights.atoms[:, 1:] for law in again]
    ahead = TEMPER * float(zibb.log_likelihood[0] - bb.log_likelihood[0])
    weight = np.array([expit(-ahead), expit(ahead)])
    return Curves(np.stack(point), np.stack(draws), weight, (bb.law, zibb.law))


def _mean(counts: IntArray, law: Law, weight: FloatArray, k: IntArray) -> FloatArray:
    """Weighted sum over rows of the chance to be solved, (B, K); 1 or as many weights as laws."""
    out: FloatArray = (weight[:, :, None] * predicted(counts, law, k)).sum(axis=1)
    return out


def spread(point: FloatArray, draws: FloatArray, level: float, grain: float) -> Spread:
    """From the lowest law's lower quantile to the highest law's upper one, at each k by itself.

    Args:
        point: By law, shape (L, K); always inside.
        draws: By law and weighting, shape (L, B, K).
        level: Share of each law's own draws between its two quantiles.
        grain: Widening at both ends: one problem, the least by which pass@k can move.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=1)
    return Spread(
        np.minimum(low, point).min(axis=0) - grain, np.maximum(high, point).max(axis=0) + grain
    )


def difference_spread(base: Curves, tuned: Curves, level: float, *, grain: float) -> Spread:
    """Range of tuned minus base over all pairs of laws, the bootstrap shared by both models.

    Training may change the law itself (it may put problems out of reach that were within it), so
    that one law for both would be narrower than what is known.
    """
    point = (tuned.point[None] - base.point[:, None]).reshape(-1, base.point.shape[-1])
    draws = tuned.draws[None] - base.draws[:, None]
    return spread(point, draws.reshape(-1, *base.draws.shape[1:]), level, grain)


def gain_chance(base: Curves, tuned: Curves) -> FloatArray:
    """Share of the weightings in which the tuned model is predicted above the base, shape (K,).

    The mean over the laws, each taken for both models; ties count half. It is no p value: it holds
    as far as the laws do.
    """
    above, equal = tuned.draws > base.draws, tuned.draws == base.draws
    out: FloatArray = (above.mean(axis=1) + equal.mean(axis=1) / 2).mean(axis=0)
    return out
