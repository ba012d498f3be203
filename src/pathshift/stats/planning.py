"""How many problems would decide an undecided comparison, by a normal approximation."""

from __future__ import annotations

import math

from scipy.special import ndtri

from pathshift.stats.passk import FloatArray


def problems_to_decide(
    difference: FloatArray, half_width: FloatArray, n_problems: int, *, power: float = 0.8
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
    margin = 1 + float(ndtri(power)) / float(ndtri(0.975))
    return math.ceil(n_problems * (margin / filled) ** 2)
