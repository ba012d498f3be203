"""Are several ways to train alike? Two one-sided tests for every pair, over the seeds of training.

A not significant difference says nothing of being alike; here alike has to be shown. Values are one
number a way (A of them) and seed (S): pass@k of the trained model. Their variance over seeds is
pooled over the ways, since three seeds of one tell little: A (S - 1) degrees of freedom. It holds
the noise of sampling already, because every seed's model is sampled anew; that part is stated
beside it, and the variance is never taken below it.

Two questions. "These problems": would other seeds give the same order on the problems measured?
"Problems like these": and with other problems too? Then the variance over problems of each pair's
difference comes on top (its noise taken off; what seeds and problems do together stands in both, so
the interval is on the wide side), with degrees of freedom after Satterthwaite.

Schuirmann (1987) for the tests, Berger (1982) for all pairs at once: they are alike if the least
alike pair is, at no price for their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import studentized_range

from pathshift.stats.passk import FloatArray


class Rule(NamedTuple):
    """What counts as alike, said beforehand.

    Attributes:
        margin: Differences within it are alike.
        error: Of each one-sided test; the interval is one of 1 - 2 error.
        power: Chance for which the smallest margin is stated.
    """

    margin: float
    error: float = 0.05
    power: float = 0.8


class Spread(NamedTuple):
    """The variance of one value over seeds.

    Attributes:
        variance: Pooled over the ways; at least `noise`.
        noise: The part that sampling explains; NaN where it is not known.
        freedom: Degrees of freedom.
    """

    variance: float
    noise: float
    freedom: int


class Difference(NamedTuple):
    """One difference and its test.

    Attributes:
        first, second: Places of the ways; second is None for the mean of all.
        error: Standard error.
        low, high: Interval of 1 - 2 error: alike at the margin if and only if it lies within.
        p: Of being no more alike than the margin; small speaks for alike.
        is_alike: The interval lies within the margin.
        is_apart: The interval lies wholly beyond the margin.
        least_margin: At which a true difference of 0 would be called alike with the rule's power.
    """

    first: int
    second: int | None
    value: float
    error: float
    freedom: float
    low: float
    high: float
    p: float
    is_alike: bool
    is_apart: bool
    least_margin: float


class Alike(NamedTuple):
    """All ways together.

    Attributes:
        means: By way, over seeds, shape (A,).
        pairs: Every two ways.
        against_mean: Every way against the mean of all.
        widest: Largest difference between two means.
        p: Of the least alike pair: that all are alike.
        are_alike: Every pair is.
        least_margin: At which ways of equal truth would all be called alike with the rule's power.
    """

    means: FloatArray
    spread: Spread
    pairs: tuple[Difference, ...]
    against_mean: tuple[Difference, ...]
    widest: float
    p: float
    are_alike: bool
    least_margin: float


def spread_of(values_AS: FloatArray, noise: float = np.nan) -> Spread:
    """The variance over seeds, pooled over ways.

    Args:
        values_AS: One value a way and seed, shape (A, S).
        noise: Mean variance of a value by sampling alone.

    Raises:
        ValueError: fewer than two ways or seeds, or a value that is no number.
    """
    if values_AS.ndim != 2 or min(values_AS.shape) < 2 or not np.isfinite(values_AS).all():
        raise ValueError(
            f"alike needs at least 2 ways x 2 seeds of finite values, got {values_AS.shape}"
        )
    pooled = float(values_AS.var(axis=1, ddof=1).mean())
    variance = max(pooled, noise) if np.isfinite(noise) else pooled
    n_ways, n_seeds = values_AS.shape
    return Spread(variance, float(noise), n_ways * (n_seeds - 1))


def problem_variances(success_ASQ: FloatArray, noise: float = np.nan) -> FloatArray:
    """Variance of the mean difference of every two ways by the choice of problems, shape (A, A).

    The variance over problems of the difference of mean curves, by the number of problems, less
    what sampling explains of it.

    Args:
        success_ASQ: pass@k by way, seed and problem, shape (A, S, Q), Q at least 2.
        noise: Mean sampling variance of one value (the mean over problems).
    """
    mean_AQ = success_ASQ.mean(axis=1)
    n_seeds, n_problems = success_ASQ.shape[1:]
    apart_AAQ = mean_AQ[:, None] - mean_AQ[None]
    raw = apart_AAQ.var(axis=2, ddof=1) / n_problems
    explained = 2 * noise / n_seeds if np.isfinite(noise) else 0.0
    out: FloatArray = np.maximum(raw - explained, 0.0)
    return out


def alike(
    values_AS: FloatArray,
    rule: Rule,
    *,
    noise: float = np.nan,
    problems_AA: FloatArray | None = None,
    n_problems: int = 0,
) -> Alike:
    """Every pair of ways tested for being alike.

    Args:
        values_AS: One value a way and seed, shape (A, S).
        noise: Mean variance of a value by sampling alone.
        problems_AA: From `problem_variances`, for "problems like these"; None for these problems.
        n_problems: How many there are, where `problems_AA` is given.
    """
    spread, means = spread_of(values_AS, noise), values_AS.mean(axis=1)
    n_ways, n_seeds = values_AS.shape
    seeds = spread.variance / n_seeds

    def extra(one: int, other: int) -> float:
        return 0.0 if problems_AA is None else float(problems_AA[one, other])

    def tested(one: int, other: int | None, value: float, share: float, more: float) -> Difference:
        parts = [(share * seeds, float(spread.freedom)), (more, float(n_problems - 1))]
        return _difference((one, other), value, parts, rule)

    pairs = tuple(
        tested(a, b, float(means[a] - means[b]), 2.0, extra(a, b))
        for a, b in combinations(range(n_ways), 2)
    )
    against = tuple(
        tested(
            a, None, float(means[a] - means.mean()), 1 - 1 / n_ways,
            # One way against the mean of all is the mean of its differences to each.
            float(np.mean([extra(a, b) for b in range(n_ways)])),
        )
        for a in range(n_ways)
    )  # fmt: skip
    p = max(pair.p for pair in pairs)
    return Alike(
        means=means, spread=spread, pairs=pairs, against_mean=against,
        widest=float(np.ptp(means)), p=p, are_alike=all(pair.is_alike for pair in pairs),
        least_margin=_least_margin_of_all(pairs, n_ways, rule),
    )  # fmt: skip


def _difference(
    who: tuple[int, int | None],
    value: float,
    parts: Sequence[tuple[float, float]],
    rule: Rule,
) -> Difference:
    variance = sum(part for part, _ in parts)
    error, freedom = float(np.sqrt(variance)), satterthwaite(parts)
    reach = float(stdtrit(freedom, 1 - rule.error)) * error
    low, high = value - reach, value + reach
    return Difference(
        *who, value=value, error=error, freedom=freedom, low=low, high=high,
        p=tost_p(value, error, freedom, rule.margin),
        is_alike=-rule.margin < low and high < rule.margin,
        is_apart=low > rule.margin or high < -rule.margin,
        least_margin=least_margin(error, freedom, rule),
    )  # fmt: skip


def tost_p(value: float, error: float, freedom: float, margin: float) -> float:
    """The larger p of both one-sided tests: of a difference of -margin or below, +margin or above.

    >>> round(tost_p(0.0, 0.02, 12, 0.05), 4)
    0.014
    """
    if error == 0:
        return 0.0 if abs(value) < margin else 1.0
    return float(stdtr(freedom, (abs(value) - margin) / error))


def least_margin(error: float, freedom: float, rule: Rule) -> float:
    """The smallest margin at which a true difference of 0 is called alike with the rule's power.

    error (t_(1 - alpha) + t_((1 + power) / 2)): the observed difference must stay within what the
    interval leaves of the margin, on either side.

    >>> round(least_margin(0.02, 12, Rule(margin=0.05)), 4)
    0.0628
    """
    both = stdtrit(freedom, np.array([1 - rule.error, (1 + rule.power) / 2]))
    return float(both.sum()) * error


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each given with its own (Satterthwaite 1946).

    >>> satterthwaite([(1.0, 12.0), (0.0, 0.0)])
    12.0
    """
    some = [(part, freedom) for part, freedom in parts if part > 0]
    if not some:
        return parts[0][1]
    total = sum(part for part, _ in some)
    return float(total**2 / sum(part**2 / freedom for part, freedom in some))


def _least_margin_of_all(pairs: Sequence[Difference], n_ways: int, rule: Rule) -> float:
    """For all pairs at once: the range of A equal ways follows the studentised range.

    The largest error of a pair stands for all.
    """
    worst = max(pairs, key=lambda pair: pair.error)
    reach = float(stdtrit(worst.freedom, 1 - rule.error))
    span = _range_quantile(rule.power, n_ways, round(worst.freedom))
    return worst.error * (reach + span / 2**0.5)


@lru_cache(maxsize=64)
def _range_quantile(power: float, n_ways: int, freedom: int) -> float:
    return float(studentized_range.ppf(power, n_ways, max(1, freedom)))


def at_equal(
    x_by_run: Sequence[FloatArray], y_by_run: Sequence[FloatArray]
) -> tuple[float, FloatArray]:
    """Every run's y where its x first reaches the largest x that all runs reach.

    Between two looks both go along a line. A run that begins at or above that x gives its first y.

    Args:
        x_by_run, y_by_run: By run, one value a look in the order of training; y may be (L, K).

    Returns:
        That x, and y by run, shape (R,) or (R, K).
    """
    target = min(float(np.max(x)) for x in x_by_run)
    found = [_crossing(x, y, target) for x, y in zip(x_by_run, y_by_run, strict=True)]
    return target, np.array(found)


def _crossing(x: FloatArray, y: FloatArray, target: float) -> FloatArray:
    at = int(np.argmax(x >= target))
    if at == 0:
        first: FloatArray = y[0]
        return first
    share = (target - x[at - 1]) / (x[at] - x[at - 1])
    between: FloatArray = y[at - 1] + share * (y[at] - y[at - 1])
    return between
