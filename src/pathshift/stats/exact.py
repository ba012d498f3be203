"""Exact intervals and tests for shares and for paired yes/no outcomes.

Small tables are where normal approximations mislead; these hold at 15 problems.
"""

from __future__ import annotations

from typing import NamedTuple

from scipy.special import bdtr, betaincinv


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Exact two-sided interval for a share (Clopper and Pearson 1934).

    Raises:
        ValueError: if not 0 <= successes <= trials.

    >>> [round(x, 4) for x in clopper_pearson(0, 128)]
    [0.0, 0.0284]
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"need 0 <= successes <= trials, got {successes} of {trials}")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else betaincinv(successes, trials - successes + 1, tail)
    high = 1.0 if successes == trials else betaincinv(successes + 1, trials - successes, 1 - tail)
    return Interval(float(low), float(high))


def mcnemar_p(base_only: int, tuned_only: int) -> float:
    """Two-sided exact p of McNemar's test: twice the smaller binomial tail, at most 1.

    Only the discordant problems carry evidence: under no difference each falls on either side
    with probability one half.

    >>> round(mcnemar_p(33, 12), 4), mcnemar_p(4, 0)
    (0.0025, 0.125)
    """
    discordant = base_only + tuned_only
    return min(1.0, 2.0 * float(bdtr(min(base_only, tuned_only), discordant, 0.5)))


def mcnemar_interval(
    base_only: int, tuned_only: int, n_problems: int, level: float = 0.95
) -> Interval:
    """Interval for tuned minus base in a 2x2 table, in agreement with McNemar's exact test.

    The difference is the share of discordant problems times (2 * tuned's part of them - 1). The
    interval holds all products of the two exact intervals. It excludes 0 exactly when
    `mcnemar_p` <= 1 - level, because only the second factor can change sign; it covers at least
    at its level (checked by enumeration in the tests), since a corner of the rectangle lies
    further out than either margin alone.
    """
    discordant = base_only + tuned_only
    share = clopper_pearson(discordant, n_problems, level)
    part = clopper_pearson(tuned_only, discordant, level)
    tilt = Interval(2 * part.low - 1, 2 * part.high - 1)
    return Interval(
        tilt.low * (share.low if tilt.low > 0 else share.high),
        tilt.high * (share.low if tilt.high < 0 else share.high),
    )
