"""What lucky guesses and a verifier's mistakes add to pass@k, and what is solved beyond them.

A verifier that takes a wrong answer for right with probability f turns a success probability p
into p + (1-p) f, so a model without any ability reaches 1 - (1-f)^k: at f = .001 that is .64 for
k = 1024. The same holds for guesses that hit. Covers a null chance that is known; where it was
estimated from a few draws, a null of 0 is no finer than one of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc

from pathshift.stats.passk import FloatArray, check_counts

_MOST_GROWTH = 700.0
"""Largest logarithm of 1 / (1-f)^k; above 709 it overflows."""


class Beyond(NamedTuple):
    """Which problems are solved beyond what the null explains; by problem, shape (Q,).

    Attributes:
        p_value: Chance of so many successes or more from the null alone.
        is_solved: Whether the problem is named solved, with error control over all problems.
    """

    p_value: FloatArray
    is_solved: npt.NDArray[np.bool_]


def solved_beyond_floor(
    n: npt.NDArray[np.int64],
    c: npt.NDArray[np.int64],
    floor: FloatArray,
    *,
    false_positive: float = 0.0,
    level: float = 0.95,
) -> Beyond:
    """Problems whose successes are more than guessing and a fallible verifier explain.

    Each problem is tested by the exact binomial tail P(Bin(n, g') >= c) with the null's chance
    g' = g + (1-g) f; the step-up rule of Benjamini and Hochberg (1995) then names problems so that
    on average at most 1 - level of the named ones are explained by the null. No problem with
    p > 1 - level is ever named, so of problems without ability at most 1 - level are named too,
    whatever the others are. Problems must be sampled independently.

    Args:
        n: Samples per problem, shape (Q,).
        c: Correct ones among them, shape (Q,).
        floor: Null policy's success probability on one try, by problem, shape (Q,).
        false_positive: Chance that the verifier takes a wrong answer for right.

    Raises:
        ValueError: if a count, a floor or the rate is out of its range.
    """
    check_counts(n, c, 1)
    null = raised(floor, false_positive)
    # P(X >= c) = P(X > c - 1); no success is never evidence.
    p_value = np.where(c > 0, bdtrc(np.maximum(c - 1, 0), n, null), 1.0)
    return Beyond(p_value, _step_up(p_value, 1 - level))


def _step_up(p_value: FloatArray, alpha: float) -> npt.NDArray[np.bool_]:
    """Benjamini and Hochberg: all p up to the largest j-th smallest that is at most alpha j/Q."""
    ordered = np.sort(p_value)
    passing = np.flatnonzero(ordered <= alpha * np.arange(1, len(ordered) + 1) / len(ordered))
    if not passing.size:
        return np.zeros(len(p_value), dtype=np.bool_)
    named: npt.NDArray[np.bool_] = p_value <= ordered[passing[-1]]
    return named


def raised(success: FloatArray, false_positive: float) -> FloatArray:
    """Success probabilities as a verifier with this false-positive rate shows them: p + (1-p) f.

    Raises:
        ValueError: if a probability is outside [0, 1] or the rate outside [0, 1).

    >>> raised(np.array([0.0, 0.5]), 0.01).tolist()
    [0.01, 0.505]
    """
    _check_rate(false_positive)
    bad = np.flatnonzero(~((success >= 0) & (success <= 1)))
    if bad.size:
        raise ValueError(f"success probabilities need to lie in [0, 1], got {success[bad[0]]}")
    shown: FloatArray = success + (1 - success) * false_positive
    return shown


def without_false_positives(
    curve: FloatArray, k: npt.NDArray[np.int64], false_positive: float
) -> FloatArray:
    """The pass@k curve that a verifier with this false-positive rate lets shine through.

    1 - (1 - curve) / (1-f)^k: a miss of an observed try is a miss of the model and no slip of the
    verifier, so all k miss with chance (1-p)^k (1-f)^k. Unbiased wherever `curve` is, and for means
    over problems too. Below 0 where the counts hold fewer successes than the rate explains: the
    rate is then too high for these data, or nothing is left. How far below says nothing: no factor
    is taken above e^700, so that the number stays finite.

    Args:
        curve: Observed pass@k, shape (K,).
        k: Its k, shape (K,).
        false_positive: Chance that the verifier takes a wrong answer for right, below 1.

    >>> without_false_positives(np.array([0.64106]), np.array([1024]), 0.001).round(3).tolist()
    [0.0]
    """
    _check_rate(false_positive)
    grown = np.minimum(-k * np.log1p(-false_positive), _MOST_GROWTH)
    found: FloatArray = 1 - (1 - curve) * np.exp(grown)
    return found


def _check_rate(false_positive: float) -> None:
    if not 0 <= false_positive < 1:
        raise ValueError(f"a false-positive rate is from 0 to below 1, got {false_positive}")
