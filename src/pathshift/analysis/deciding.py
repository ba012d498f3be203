"""What would decide an undecided comparison: numbers for its result, by a normal approximation.

`analysis.planning` simulates the same question, for a plan of its own.
"""

from __future__ import annotations

import numpy as np

from pathshift.analysis.pairing import Pair
from pathshift.analysis.planning import Cost, cost_of
from pathshift.analysis.result import DecideAt, WouldDecide
from pathshift.stats.bands import Band
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.planning import POWER, problems_to_decide, samples_to_decide


def would_decide(pair: Pair, difference: FloatArray, band: Band) -> WouldDecide | None:
    """Problems like these, at the k that needs fewest; None where the models do not differ."""
    problems = problems_to_decide(difference, (band.high - band.low) / 2, len(pair.base.counts))
    if problems is None:
        return None
    cost = _cost_of_problems(pair, problems)
    return WouldDecide(
        problems=problems, samples=cost.samples, tokens=cost.tokens, minutes=cost.minutes
    )


def decide_at_ends(
    pair: Pair, k: IntArray, difference: FloatArray, band: Band, noise_share: float | None
) -> list[DecideAt]:
    """What would decide at the smallest and at the largest k alone.

    Args:
        difference: tuned minus base, shape (K,), as the band.
        noise_share: See `noise_share_of`.
    """
    half_width = (band.high - band.low) / 2
    return [
        _decide_at(pair, int(k[i]), difference[i : i + 1], half_width[i : i + 1], noise_share)
        for i in sorted({0, len(k) - 1})
    ]


def _decide_at(
    pair: Pair, k: int, difference: FloatArray, half_width: FloatArray, noise_share: float | None
) -> DecideAt:
    size, now = len(pair.base.counts), pair.base.counts[0].n
    problems, n = problems_to_decide(difference, half_width, size), None
    is_known = k == 1 and noise_share is not None
    if is_known and noise_share is not None:
        n = samples_to_decide(float(difference[0]), float(half_width[0]), now, noise_share)
    further = None if n is None else size * (n - now)
    return DecideAt(
        k=k,
        problems=problems,
        problems_cost=None if problems is None else _cost_of_problems(pair, problems),
        n=n,
        n_known=is_known,
        n_cost=None if further is None else cost_of(pair, further, further),
        power=POWER,
    )


def _cost_of_problems(pair: Pair, problems: int) -> Cost:
    base, tuned = (
        problems * float(np.mean([p.n for p in side.counts])) for side in (pair.base, pair.tuned)
    )
    return cost_of(pair, base, tuned)


def noise_share_of(pair: Pair) -> float | None:
    """Sampling noise as a share of the variance of the problems' differences in pass@1.

    None where more samples of each problem are no plain thing to ask for: fewer than two or unequal
    n, problems in clusters, or draws that a rule stopped.
    """
    base, tuned = pair.drawn("base"), pair.drawn("tuned")
    sizes = {*base.n.tolist(), *tuned.n.tolist()}
    if base.rule or tuned.rule or pair.clusters() is not None or len(sizes) > 1 or min(sizes) < 2:
        return None
    noise = float((base.variances(1) + tuned.variances(1)).mean())
    total = float(np.var(tuned.c / tuned.n - base.c / base.n, ddof=1)) if len(base.n) > 1 else 0.0
    # Both are estimates: by chance the noise can come out above the whole.
    return min(1.0, noise / total) if total > 0 else None
