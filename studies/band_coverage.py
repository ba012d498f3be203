"""Family-wise coverage of the default band on six made-up populations with known truth.

    python studies/band_coverage.py [REPLICATES]

64 samples a problem, every k from 1 to 64 at once, nominal 95%. "with exact end" has the interval
of McNemar's exact test at the full 5% in the last column, as `pathshift compare` does; "band alone"
has the band there too. Width is the mean of the band's over k. 600 replicates take six minutes on
one core; their standard error at .95 is .009.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pathshift.stats.bands import bayesian_band, dirichlet_weights
from pathshift.stats.exact import mcnemar_interval
from pathshift.stats.passk import FloatArray, paired_table

N_SAMPLES = 64
K = np.arange(1, N_SAMPLES + 1)
SIZES = (15, 30, 60, 200, 500)

Pair = tuple[FloatArray, FloatArray]
Flags = npt.NDArray[np.bool_]


def heavy_tail(n: int, rng: np.random.Generator) -> FloatArray:
    """A third of the problems nearly out of reach, the rest spread."""
    rare = 10 ** rng.uniform(-4, -2, n)
    return np.where(rng.random(n) < 0.35, rare, rng.beta(0.5, 1.2, n))


def same(n: int, rng: np.random.Generator) -> Pair:
    """No difference."""
    base = heavy_tail(n, rng)
    return base, base


def crossing(n: int, rng: np.random.Generator) -> Pair:
    """Better where it was good, half of the rare successes lost."""
    base = heavy_tail(n, rng)
    kept = base * (rng.random(n) >= 0.5)
    return base, np.where(base < 0.02, kept, np.minimum(1.5 * base, 0.999))


def extension(n: int, rng: np.random.Generator) -> Pair:
    """Better everywhere, most where it was rare."""
    base = heavy_tail(n, rng)
    return base, np.minimum(base * np.where(base < 0.02, 3, 1.2), 0.999)


def saturated(n: int, rng: np.random.Generator) -> Pair:
    """Nearly all solved; one in thirty falls to a tenth."""
    base = np.full(n, 0.999)
    return base, base - 0.9 * (rng.random(n) < 0.03)


def hard(n: int, rng: np.random.Generator) -> Pair:
    """All rare; three in ten lost for good, the others half as good again."""
    base = 10 ** rng.uniform(-3.5, -1.3, n)
    return base, base * np.where(rng.random(n) < 0.3, 0, 1.5)


def rare_total_loss(n: int, rng: np.random.Generator) -> Pair:
    """Equal, but three in a hundred lost for good."""
    base = rng.beta(2, 1, n)
    return base, np.where(rng.random(n) < 0.03, 0, base)


SCENARIOS: tuple[Callable[[int, np.random.Generator], Pair], ...] = (
    same, crossing, extension, saturated, hard, rare_total_loss,
)  # fmt: skip


def truth(scenario: Callable[[int, np.random.Generator], Pair]) -> FloatArray:
    """tuned minus base pass@k over a very large draw of problems."""
    base, tuned = scenario(300_000, np.random.default_rng(9))
    return np.array([np.mean((1 - base) ** k - (1 - tuned) ** k) for k in K])


def one(pair: Pair, rng: np.random.Generator, true: FloatArray) -> tuple[bool, bool, float]:
    """Whether each kind of band covers the whole curve, and the mean width."""
    counts = [
        np.stack([np.full(len(p), N_SAMPLES), rng.binomial(N_SAMPLES, p)], axis=1) for p in pair
    ]
    table = paired_table(counts[0], counts[1], K)
    weights = dirichlet_weights(table.weight, 1500, rng)
    band = bayesian_band(weights, table.difference, (-1.0, 1.0), 0.95)
    inside: Flags = (band.low <= true) & (true <= band.high)
    solved = [c[:, 1] > 0 for c in counts]
    lost, gained = int((solved[0] & ~solved[1]).sum()), int((~solved[0] & solved[1]).sum())
    low, high = mcnemar_interval(lost, gained, len(pair[0]))
    ends = bool(low <= true[-1] <= high)
    return (
        bool(inside[:-1].all()) and ends,
        bool(inside.all()),
        float((band.high - band.low).mean()),
    )


def main(replicates: int) -> None:
    """Print a table, one line a scenario and size."""
    print(f"{replicates} replicates, {N_SAMPLES} samples a problem, k=1..{N_SAMPLES}, nominal .95")
    print(f"{'scenario':<16} problems  with exact end  band alone  width")
    for scenario in SCENARIOS:
        true = truth(scenario)
        for n in SIZES:
            rng = np.random.default_rng(n)
            found = np.array([one(scenario(n, rng), rng, true) for _ in range(replicates)])
            exact, alone, width = found.mean(axis=0)
            print(
                f"{scenario.__name__:<16} {n:>8}  {exact:14.3f}  {alone:10.3f}  {width:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
