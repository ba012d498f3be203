"""What is certain of single problems, with the error controlled over all of them.

"Solved by the base only" is mostly luck of the draw where success is rare, so a problem is called
lost or gained only if the two models' counts on it differ by more than chance, after Benjamini and
Hochberg (1995) over all problems. What was never solved is not impossible: the most that can be
said is "p below x with 95%".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from pathshift.stats.bands import Weights
from pathshift.stats.exact import Interval
from pathshift.stats.passk import FloatArray, IntArray

CLASSES = ("both", "gained", "lost", "undecided")
"""Certainly solved by both; certainly gained; certainly lost; anything else."""


def reachable_below(draws: int, level: float = 0.95) -> float:
    """Success rate that a problem without a success in so many draws stays below.

    1 - (1 - level)^(1/draws), about 3/draws at 95%.

    >>> round(reachable_below(128), 4), round(reachable_below(1024), 5)
    (0.0231, 0.00292)
    """
    return float(-np.expm1(np.log1p(-level) / draws))


def fisher_p(base: IntArray, tuned: IntArray) -> tuple[FloatArray, FloatArray]:
    """One-sided exact p of each problem: that tuned is better, and that base is (Fisher 1922).

    Given all successes of both, the tuned model's are hypergeometric if the rates are equal.

    Args:
        base, tuned: Columns n and c, shape (Q, 2).

    Returns:
        Two arrays of shape (Q,): p for "tuned is better" and for "base is better".

    >>> better, worse = fisher_p(np.array([[3, 0]]), np.array([[3, 3]]))
    >>> round(float(better[0]), 4), round(float(worse[0]), 4)
    (0.05, 1.0)
    """
    rows, place = np.unique(np.hstack([base, tuned]), axis=0, return_inverse=True)
    tails = np.array([_tails(*(int(x) for x in row)) for row in rows])
    found = tails[place.ravel()]
    return found[:, 0], found[:, 1]


def _tails(n_base: int, c_base: int, n_tuned: int, c_tuned: int) -> tuple[float, float]:
    total = c_base + c_tuned
    c = np.arange(max(0, total - n_base), min(total, n_tuned) + 1)
    logs = (
        _log_choose(n_tuned, c) + _log_choose(n_base, total - c)
        - _log_choose(n_base + n_tuned, np.array([total]))
    )  # fmt: skip
    mass = np.exp(logs)
    return min(1.0, float(mass[c >= c_tuned].sum())), min(1.0, float(mass[c <= c_tuned].sum()))


def _log_choose(n: int, k: IntArray) -> FloatArray:
    out: FloatArray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return out


def false_discovery(p: FloatArray, rate: float = 0.05) -> npt.NDArray[np.bool_]:
    """Which hypotheses are rejected so that at most `rate` of the rejected are true on average.

    Benjamini and Hochberg (1995): all up to the largest i-th smallest p that is at most i rate / m.
    Discrete p, which are larger than uniform ones, only make it more cautious.
    """
    order = np.argsort(p)
    passes = p[order] <= rate * np.arange(1, len(p) + 1) / len(p)
    count = int(np.flatnonzero(passes)[-1]) + 1 if passes.any() else 0
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order[:count]] = True
    return rejected


def certainty_classes(base: IntArray, tuned: IntArray, rate: float = 0.05) -> npt.NDArray[np.int64]:
    """Index into `CLASSES` for each problem, shape (Q,).

    Both: each model solved it at least once. Gained: the tuned model solved it, the base never,
    and the counts differ by more than chance; lost: the other way. Undecided: all else, also what
    nobody solved, since "never" is not "cannot". The tests run over the problems that one of the
    two never solved, both directions together.
    """
    base_never, tuned_never = base[:, 1] == 0, tuned[:, 1] == 0
    classes = np.full(len(base), CLASSES.index("undecided"))
    classes[~base_never & ~tuned_never] = CLASSES.index("both")
    one_sided = np.flatnonzero(base_never != tuned_never)
    if one_sided.size:
        better, worse = fisher_p(base[one_sided], tuned[one_sided])
        is_gain = base_never[one_sided]
        # Two directions were open to each problem, so the smaller tail counts twice.
        sure = false_discovery(np.minimum(1, 2 * np.where(is_gain, better, worse)), rate)
        classes[one_sided[sure & is_gain]] = CLASSES.index("gained")
        classes[one_sided[sure & ~is_gain]] = CLASSES.index("lost")
    return classes.astype(np.int64)


class SupportRatios(NamedTuple):
    """Of the problems solved by either model (Wu et al. 2025, arXiv 2507.14843).

    Attributes:
        srr: Support retained: both / (both + base only); NaN if the base solved none.
        ndr: New discoveries: tuned only / (both + tuned only); NaN if the tuned model solved none.
        nscr: Net change: (tuned only - base only) / (both + tuned only + base only).
    """

    srr: float
    ndr: float
    nscr: float


def support_ratios(both: float, base_only: float, tuned_only: float) -> SupportRatios:
    """The three ratios of the cells.

    >>> [round(x, 4) for x in support_ratios(911, 33, 12)]
    [0.965, 0.013, -0.022]
    """
    return SupportRatios(
        _ratio(both, both + base_only),
        _ratio(tuned_only, both + tuned_only),
        _ratio(tuned_only - base_only, both + tuned_only + base_only),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def support_intervals(
    shares: FloatArray, weights: Weights, level: float = 0.95
) -> tuple[Interval, Interval, Interval]:
    """Intervals of srr, ndr and nscr over problems like these, from bootstrap weights.

    Args:
        shares: Both, base only, tuned only, neither as shares of each row of the weights, (U, 4).
        weights: The end atoms are an unseen problem that only the base solves and one that only
            the tuned model does: without them a table with two gains and no loss would exclude
            losses that a third problem could bring.
    """
    both, base_only, tuned_only, _ = (weights.rows @ shares).T
    base_only, tuned_only = base_only + weights.atoms[:, 0], tuned_only + weights.atoms[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = (
            both / (both + base_only),
            tuned_only / (both + tuned_only),
            (tuned_only - base_only) / (both + tuned_only + base_only),
        )
    tail = (1 - level) / 2
    found = [_quantiles(drawn, tail) for drawn in draws]
    return found[0], found[1], found[2]


def _quantiles(drawn: FloatArray, tail: float) -> Interval:
    if not np.isfinite(drawn).any():
        return Interval(float("nan"), float("nan"))
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))
