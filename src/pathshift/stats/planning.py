"""How many problems or samples would decide an undecided comparison, by a normal approximation."""

from __future__ import annotations

import math

from scipy.special import ndtri

from pathshift.stats.passk import FloatArray

POWER = 0.8
"""Chance to decide that is asked for, if the difference is really as estimated."""


def problems_to_decide(
    difference: FloatArray, half_width: FloatArray, n_problems: int, *, power: float = POWER
) -> int | None:
    """Problems of the same kind and samples each at which the band would exclude zero.

    A band shrinks with the root of the number of problems. Looks at the k where the difference
    fills most of its half width, and asks that the band exclude zero with the given power if the
    difference is really as estimated.

    Args:
        difference: tuned minus base by k, shape (K,).
        half_width: Half the width of the band by k, shape (K,).
        n_problems: Problems measured.

    Returns:
        The number of problems, or None if no difference was seen at any k.

    >>> import numpy as np
    >>> problems_to_decide(np.array([0.05]), np.array([0.1]), 30)
    246
    """
    filled = float((abs(difference) / half_width).max())
    if filled == 0:
        return None
    return math.ceil(n_problems * (_margin(power) / filled) ** 2)


def samples_to_decide(
    difference: float, half_width: float, n: int, noise_share: float, *, power: float = POWER
) -> int | None:
    """Samples of each of the same problems at which the band at k = 1 would exclude zero.

    Sampling noise, p(1-p)/n by problem, shrinks with n; that problems differ from each other does
    not. With w the noise's share of the variance, n' samples take the half width h to
    h sqrt(1 - w + w n/n'). For k = 1 only: at larger k the noise does not shrink with 1/n.

    Args:
        difference: tuned minus base at k = 1.
        half_width: Half the width of the band there.
        n: Samples of each problem by either model.
        noise_share: Share of the variance of the difference that is sampling noise, 0 to 1.

    Returns:
        The number of samples, or None where no number would do.

    >>> samples_to_decide(0.05, 0.1, 16, 1.0), samples_to_decide(0.05, 0.1, 16, 0.5)
    (131, None)
    """
    left = (difference / (half_width * _margin(power))) ** 2 - (1 - noise_share)
    return math.ceil(n * noise_share / left) if left > 0 else None


def _margin(power: float) -> float:
    """Half widths that the difference must measure, for a 95% band to exclude zero so often."""
    return 1 + float(ndtri(power)) / float(ndtri(0.975))
