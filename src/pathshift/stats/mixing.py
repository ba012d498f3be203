"""Two laws of success rates, fitted to counts, and what a law says of pass@k beyond the samples.

Beta-binomial (BB): every problem's rate is a draw from Beta(a, b), so that every problem is solved
in the end. Zero-inflated (ZIBB): a share of the problems is out of reach besides (Kazdan et al.
2025, arXiv 2510.05197). On the counts tried BB runs high and ZIBB low; neither is the truth, which
is why both are always shown. A third law, with a free shape, is in `smooth`.

Many weightings of the same rows are fitted at once, which is what a bootstrap needs. Axes: B
weightings, U distinct rows of counts, K numbers of draws.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import betaln, digamma, expit, gammaln, logit, polygamma

from pathshift.stats.climbing import Derivatives, climb
from pathshift.stats.passk import FloatArray, IntArray, check_counts, miss_table

SMALL_N = 32
"""Below so many samples a problem (their weighted mean) the fit is held by a prior."""
PRIOR = 2.5
"""Its exponent; see `fit`."""

_LOW, _HIGH = float(np.log(1e-4)), float(np.log(1e5))
_NEVER = -16.0
"""logit of a share out of reach that no count tells from none."""


class Law(Protocol):
    """A law of success rates p, or one for each of B weightings."""

    def miss(self, k: IntArray) -> FloatArray:
        """Chance that k draws on a fresh problem all fail, E (1-p)^k, shape (B, K)."""


class BetaLaw(NamedTuple):
    """Success rates: 0 with chance `impossible`, else Beta(a, b); each of shape (B,)."""

    a: FloatArray
    b: FloatArray
    impossible: FloatArray

    def miss(self, k: IntArray) -> FloatArray:
        """z + (1-z) B(a, b+k) / B(a, b), shape (B, K)."""
        a, b, z = (x[:, None] for x in self)
        out: FloatArray = z + (1 - z) * np.exp(betaln(a, b + k) - betaln(a, b))
        return out

    def rows(self, which: IntArray) -> BetaLaw:
        """Some of the laws."""
        return BetaLaw(self.a[which], self.b[which], self.impossible[which])


class Fit(NamedTuple):
    """Fitted laws, and the log-likelihood each reached, shape (B,), prior left out."""

    law: BetaLaw
    log_likelihood: FloatArray


def log_pmf(n: IntArray, c: IntArray, law: BetaLaw) -> FloatArray:
    """ln P(c of n samples right), shape (B, U).

    P = (1-z) C(n, c) B(a+c, b+n-c) / B(a, b), and z more at c = 0.
    """
    a, b, z = (x[:, None] for x in law)
    ways = gammaln(n + 1.0) - gammaln(c + 1.0) - gammaln(n - c + 1.0)
    reachable = np.log1p(-z) + ways + betaln(a + c, b + n - c) - betaln(a, b)
    with np.errstate(divide="ignore"):
        out: FloatArray = np.where(c == 0, np.logaddexp(np.log(z), reachable), reachable)
    return out


def fit(
    counts: IntArray,
    weight: FloatArray,
    *,
    with_impossible: bool,
    start: BetaLaw | None = None,
    prior: bool | None = None,
) -> Fit:
    """Laws of largest weighted likelihood, one for each weighting.

    Newton's method on ln a, ln b and the logit of the share out of reach. Rows may differ in n.

    Args:
        counts: Columns n and c of the distinct rows, shape (U, 2).
        weight: Problems each row stands for, shape (B, U); need not be whole.
        with_impossible: ZIBB instead of BB.
        start: One law (B = 1) to begin at; by default two are tried and the better end is kept.
        prior: Whether to multiply the likelihood by (1+a+b)^-2.5: the prior (a+b)^-2.5 of Gelman et
            al. (Bayesian Data Analysis, 5.3) without its spike at zero. With few samples the
            likelihood alone may run off to a + b without end. By default where the mean n is below
            `SMALL_N`.

    Raises:
        ValueError: if a count breaks 0 <= c <= n.
    """
    n, c = counts[:, 0], counts[:, 1]
    check_counts(n, c, 1)
    is_held = is_small(n, weight) if prior is None else prior
    hill = _Likelihood(counts, weight, PRIOR * is_held, with_impossible=with_impossible)
    points = _starts(with_impossible=with_impossible) if start is None else [_point(start)]
    ends = [climb(hill, np.tile(p[: len(hill.lowest)], (len(weight), 1))) for p in points]
    best = np.stack([end.value for end in ends]).argmax(axis=0)
    theta = np.stack([end.theta for end in ends])[best, np.arange(len(weight))]
    law = _law(theta)
    return Fit(law, (weight * log_pmf(n, c, law)).sum(axis=1))


def is_small(n: IntArray, weight: FloatArray) -> bool:
    """Whether the weighted mean number of samples is below `SMALL_N`."""
    return bool((weight @ n).sum() < SMALL_N * weight.sum())


def _starts(*, with_impossible: bool) -> list[FloatArray]:
    if with_impossible:
        return [np.array([-1.0, -1.0, -4.0]), np.array([0.0, 0.0, -1.0])]
    return [np.array([-1.0, -1.0]), np.array([1.0, 2.0])]


def _point(law: BetaLaw) -> FloatArray:
    """Where to begin; a share at its edge is set off it, where it could not move."""
    share = np.clip(logit(law.impossible), _NEVER + 8, -_NEVER - 8)
    point: FloatArray = np.stack([np.log(law.a), np.log(law.b), share], axis=-1)[0]
    return point


def _law(theta: FloatArray) -> BetaLaw:
    none = np.zeros(len(theta))
    share = expit(theta[:, 2]) * (theta[:, 2] > _NEVER) if theta.shape[1] == 3 else none
    return BetaLaw(np.exp(theta[:, 0]), np.exp(theta[:, 1]), share)


class _Likelihood:
    """Weighted log-likelihood plus log prior by (ln a, ln b) or (ln a, ln b, logit z)."""

    def __init__(
        self, counts: IntArray, weight: FloatArray, prior: float, *, with_impossible: bool
    ) -> None:
        self.n, self.c, self.weight, self.prior = counts[:, 0], counts[:, 1], weight, prior
        dims = 2 + with_impossible
        self.lowest = np.array([_LOW, _LOW, _NEVER])[:dims]
        self.highest = np.array([_HIGH, _HIGH, -_NEVER])[:dims]

    def value(self, theta: FloatArray, which: IntArray) -> FloatArray:
        law = _law(theta)
        total = (self.weight[which] * log_pmf(self.n, self.c, law)).sum(axis=1)
        out: FloatArray = total - self.prior * np.log1p(law.a + law.b)
        return out

    def derivatives(self, theta: FloatArray, which: IntArray) -> Derivatives:
        law, weight = _law(theta), self.weight[which]
        first, second = self._of_beta(law)
        reach = self._reachable(law)
        mixed, doubt = weight * reach, weight * reach * (1 - reach)
        dims = theta.shape[1]
        gradient, curvature = np.zeros((len(theta), dims)), np.zeros((len(theta), dims, dims))
        gradient[:, :2] = np.einsum("bu,bui->bi", mixed, first)
        curvature[:, :2, :2] = np.einsum("bu,buij->bij", mixed, second)
        curvature[:, :2, :2] += np.einsum("bu,bui,buj->bij", doubt, first, first)
        if dims == 3:
            z = law.impossible[:, None]
            gradient[:, 2] = (weight * (1 - reach - z)).sum(axis=1)
            curvature[:, 2, 2] = (doubt - weight * z * (1 - z)).sum(axis=1)
            cross = -np.einsum("bu,bui->bi", doubt, first)
            curvature[:, 2, :2] = curvature[:, :2, 2] = cross
        self._add_prior(law, gradient, curvature)
        return Derivatives(gradient, curvature)

    def _reachable(self, law: BetaLaw) -> FloatArray:
        """Chance that a row's problem is within reach, (B, U): 1 unless none was right."""
        out = np.ones((len(law.a), len(self.n)))
        zero = self.c == 0
        whole = law._replace(impossible=np.zeros_like(law.impossible))
        z = law.impossible[:, None]
        missed = (1 - z) * np.exp(log_pmf(self.n[zero], self.c[zero], whole))
        out[:, zero] = missed / (z + missed)
        return out

    def _of_beta(self, law: BetaLaw) -> tuple[FloatArray, FloatArray]:
        """Of ln B(a+c, b+n-c) / B(a, b) by ln a and ln b: (B, U, 2) and (B, U, 2, 2)."""
        a, b = law.a[:, None], law.b[:, None]
        right, wrong = self.c, self.n - self.c
        slope = np.stack([_digamma_rise(a, right), _digamma_rise(b, wrong)], axis=-1)
        slope -= _digamma_rise(a + b, self.n)[..., None]
        bend = np.zeros((*slope.shape, 2))
        bend[..., 0, 0], bend[..., 1, 1] = _trigamma_rise(a, right), _trigamma_rise(b, wrong)
        bend -= _trigamma_rise(a + b, self.n)[..., None, None]
        scale = np.stack(np.broadcast_arrays(a, b), axis=-1)
        first = scale * slope
        second = scale[..., :, None] * scale[..., None, :] * bend
        for i in range(2):
            second[..., i, i] += first[..., i]
        return first, second

    def _add_prior(self, law: BetaLaw, gradient: FloatArray, curvature: FloatArray) -> None:
        parts = np.stack([law.a, law.b], axis=1) / (1 + law.a + law.b)[:, None]
        gradient[:, :2] -= self.prior * parts
        curvature[:, :2, :2] += self.prior * parts[:, :, None] * parts[:, None, :]
        for i in range(2):
            curvature[:, i, i] -= self.prior * parts[:, i]


def _digamma_rise(x: FloatArray, by: IntArray) -> FloatArray:
    out: FloatArray = digamma(x + by) - digamma(x)
    return out


def _trigamma_rise(x: FloatArray, by: IntArray) -> FloatArray:
    out: FloatArray = polygamma(1, x + by) - polygamma(1, x)
    return out


def predicted(counts: IntArray, law: Law, k: IntArray) -> FloatArray:
    """Chance that a problem is solved within k draws of which the first n were seen, (B, U, K).

    Up to n it is the unbiased 1 - C(n-c, k) / C(n, k). Beyond n a problem once solved stays solved:
    1. One with c = 0 fails only if the further k - n draws fail too, given that n failed:
    E (1-p)^k / E (1-p)^n. For ZIBB that is s + (1-s) B(a, b+k) / B(a, b+n), where
    s = z / (z + (1-z) B(a, b+n) / B(a, b)) is the chance that it is out of reach.
    At k = n this is what was observed.

    Args:
        counts: Columns n and c of the distinct rows, shape (U, 2).
        law: One law for each of B weightings.
        k: Numbers of draws, shape (K,).
    """
    n, c = counts[:, 0], counts[:, 1]
    known, where = np.unique(n, return_inverse=True)
    seen = law.miss(known)[:, where, None]
    later = law.miss(k)[:, None, :]
    still = np.where(c[None, :, None] == 0, later / np.maximum(seen, 1e-300), 0.0)
    out: FloatArray = 1 - np.where(k <= n[:, None], _seen_miss(n, c, k), still)
    return out


def _seen_miss(n: IntArray, c: IntArray, k: IntArray) -> FloatArray:
    """C(n-c, k) / C(n, k) where k <= n, else 0; shape (U, K)."""
    out = np.zeros((len(n), len(k)))
    for i in np.flatnonzero(n >= k.min()):
        within = k <= n[i]
        table = miss_table(n[i : i + 1], c[i : i + 1], int(k[within].max()))
        out[i, within] = table[0, k[within] - 1]
    return out
