"""How reliably problems are solved: Cover@tau and G-pass@k, read beside pass@k.

pass@k at large k counts a problem that is solved once in a thousand tries as much as one that is
always solved. Cover@tau is the share of problems whose success probability is at least tau, and
pass@k its mean with tau drawn from Beta(1, k). G-pass@k asks for ceil(tau k) of k draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaln

from pathshift.stats.passk import FloatArray, check_counts


class Cover(NamedTuple):
    """Share of problems with success probability at least tau.

    Attributes:
        share: Share with c/n >= tau. Off for a finite n in either direction: a problem just below
            tau may look as if it were above.
        low: At most Cover@tau in expectation.
        high: At least Cover@tau in expectation.
    """

    share: float
    low: float
    high: float


def cover_at(
    n: npt.NDArray[np.int64], c: npt.NDArray[np.int64], tau: float, *, level: float = 0.95
) -> Cover:
    """Cover@tau from counts: the plain share, and bounds that hold in expectation for any n.

    No unbiased estimate exists: a share above a threshold is no polynomial in p. The bounds count
    the problems that an exact test puts above, or below, tau. A problem below tau is put above with
    chance at most a = 1 - level, so E(share put above) <= Cover + (1 - Cover) a, which solves to
    low = (share - a) / (1 - a); `high` mirrors it.

    Args:
        n: Samples per problem, shape (Q,).
        c: Correct ones among them, shape (Q,).
        tau: Success probability asked for, above 0 and at most 1.

    Raises:
        ValueError: if a count or tau is out of its range, or there is no problem.

    >>> cover_at(np.array([64, 64, 64]), np.array([0, 30, 64]), 0.4).share
    0.6666666666666666
    """
    check_counts(n, c, 1)
    if not 0 < tau <= 1 or not len(n):
        raise ValueError(f"Cover@tau needs problems and 0 < tau <= 1, got {len(n)} and {tau}")
    slip = 1 - level
    above, below = _bound(n, c, slip) >= tau, 1 - _bound(n, n - c, slip) < tau
    return Cover(
        float((c >= _at_least(tau, n)).mean()),
        max(0.0, (float(above.mean()) - slip) / level),
        min(1.0, (1 - float(below.mean())) / level),
    )


def _bound(n: npt.NDArray[np.int64], c: npt.NDArray[np.int64], slip: float) -> FloatArray:
    """Exact one-sided lower confidence bounds of the success probabilities."""
    low: FloatArray = np.where(c > 0, betaincinv(np.maximum(c, 1), n - c + 1, slip), 0.0)
    return low


def _at_least(tau: float, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """ceil(tau n), at least 1, where .07 of 100 is 7 although .07 * 100 > 7 in floating point."""
    needed: npt.NDArray[np.int64] = np.maximum(np.ceil(tau * n - 1e-9), 1).astype(np.int64)
    return needed


def g_pass_at_k(n: npt.NDArray[np.int64], c: npt.NDArray[np.int64], k: int, tau: float) -> float:
    """Chance that at least ceil(tau k) of k draws are correct, mean over problems.

    The k are drawn without replacement (Liu et al. 2024, arXiv 2412.13147): unbiased for k fresh
    samples. At least one must be correct, so tau = 0 is pass@k; tau = 1 asks for all k.

    Raises:
        ValueError: if a count breaks 0 <= c <= n, k exceeds some n, or tau is outside [0, 1].

    >>> round(g_pass_at_k(np.array([10]), np.array([5]), 4, 0.5), 4)
    0.7381
    """
    if not 0 <= tau <= 1:
        raise ValueError(f"G-pass@k needs tau from 0 to 1, got {tau}")
    needed = int(_at_least(tau, np.array([k]))[0])
    return float(_tails(n, c, k)[:, needed].mean())


def mg_pass_at_k(n: npt.NDArray[np.int64], c: npt.NDArray[np.int64], k: int) -> float:
    """Mean of G-pass@k over tau above one half: 2/k times its sum over more than ceil(k/2) of k.

    As in the authors' code (open-compass/GPassK), so 0 at k = 1 by construction, and below 1 for
    odd k even where everything is solved.

    Raises:
        ValueError: as `g_pass_at_k`.
    """
    return float(2 / k * _tails(n, c, k)[:, math.ceil(k / 2) + 1 :].sum(axis=1).mean())


def _tails(n: npt.NDArray[np.int64], c: npt.NDArray[np.int64], k: int) -> FloatArray:
    """P(at least m of k draws correct) for m = 0..k, one row a problem: hypergeometric tails."""
    check_counts(n, c, k)
    m = np.arange(k + 1)
    n, c = n[:, None], c[:, None]
    is_possible = (m <= c) & (k - m <= n - c)
    log_weight = (
        _log_choose(c, np.minimum(m, c))
        + _log_choose(n - c, np.clip(k - m, 0, n - c))
        - _log_choose(n, np.full_like(n, k))
    )
    weight = np.exp(np.where(is_possible, log_weight, -np.inf))
    tails: FloatArray = np.minimum(np.cumsum(weight[:, ::-1], axis=1)[:, ::-1], 1.0)
    return tails


def _log_choose(n: npt.NDArray[np.int64], k: npt.NDArray[np.int64]) -> FloatArray:
    chosen: FloatArray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen
