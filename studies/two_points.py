"""Coverage where problems differ by one of two values: sums over the binomial, no samples drawn.

A share p of the problems has the difference 1 (or, turned round, -1), the others have a, at every k
alike. These are the populations that are worst for a bootstrap: by chance no problem of the rarer
kind is drawn. "now" is the default band, "one atom" the Dirichlet weights with an end atom of
weight 1 that were the default before (stats.bands.bayesian_band).

    python studies/two_points.py

Less than two minutes on one core. Edges come from 4,000 draws, so the third digit is noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binom

from pathshift.stats.bands import Band, bayesian_band, dirichlet_weights, guarded_band
from pathshift.stats.passk import FloatArray

SIZES = (15, 30, 60)
DRAWS = 4000
RARE = np.geomspace(0.002, 0.5, 80)
ANY = np.concatenate([RARE, np.linspace(0.5, 0.99, 50)])
OTHERS = (-1.0, -0.9, -0.5, -0.1, 0.0, 0.1, 0.5)
KINDS = {"now": guarded_band, "one atom": bayesian_band}
Kind = Callable[..., Band]


def edges(kind: Kind, problems: int, a: float) -> FloatArray:
    """Lower and upper edge by number of problems with the difference 1, shape (problems + 1, 2)."""
    rng, found = np.random.default_rng(1), []
    for ones in range(problems + 1):
        weight = np.array([problems - ones, ones], dtype=float)
        kept = weight > 0
        drawn = dirichlet_weights(weight[kept], DRAWS, rng)
        band = kind(drawn, np.array([[a], [1.0]])[kept], (-1.0, 1.0), 0.95)
        found.append((float(band.low[0]), float(band.high[0])))
    return np.array(found)


def coverage(sides: FloatArray, a: float, shares: FloatArray) -> float:
    """The least, over shares of problems with the difference 1."""
    problems = len(sides) - 1
    true = a + (1 - a) * shares[:, None]
    holds = (sides[:, 0] <= true + 1e-9) & (true <= sides[:, 1] + 1e-9)
    return float(
        (binom.pmf(np.arange(problems + 1), problems, shares[:, None]) * holds).sum(1).min()
    )


def false_words(kind: Kind, problems: int) -> float:
    """The most, over populations of mean 0 with a rare 1 among small losses."""
    worst = 0.0
    for expected in np.linspace(0.5, 8, 16):
        share = expected / problems
        sides = edges(kind, problems, -share / (1 - share))
        excludes = (sides[:, 0] > 0) | (sides[:, 1] < 0)
        worst = max(worst, float(binom.pmf(np.arange(problems + 1), problems, share) @ excludes))
    return worst


def main() -> None:
    """Print a line for each band and size."""
    print("least coverage: losses of size 1 with p <= .5; any two values, any p; most false words")
    for name, kind in KINDS.items():
        for problems in SIZES:
            plain = coverage(edges(kind, problems, 0.0), 0.0, RARE)
            least = min(coverage(edges(kind, problems, a), a, ANY) for a in OTHERS)
            print(
                f"{name:<9} {problems:>3} problems  {plain:.3f}  {least:.3f}  "
                f"{false_words(kind, problems):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
