"""Family-wise coverage, width and power of the bands on made-up populations.

Eight that are hard on a band, and a ninth that was made against this one.

64 samples a problem, every k from 1 to 64 at once, nominal 95%. "bayes" is the default band with
the interval of McNemar's exact test in its last column, as `pathshift compare` has it; "strict"
and "sup-t" are the others by name, in the first 300 replicates. Width is over that of an oracle,
which knows how the difference scatters around the truth in this population and needs the same
width everywhere: the mean over k of the ratios. Power is the share of replicates in which both a
gain and a loss are certified where both are true.

    python studies/band_coverage.py [REPLICATES [POPULATION ...]]

2,000 replicates take about half an hour on one core; their standard error at .95 is .005.
"""

from __future__ import annotations

import sys

import numpy as np
from populations import AGAINST, DEGENERATE, POPULATIONS, Drawn, ask, truth

from pathshift.stats.bands import (
    Band,
    cluster_weights,
    dirichlet_weights,
    guarded_band,
    rank_band,
    strict_band,
    sup_t_band,
)
from pathshift.stats.exact import mcnemar_interval
from pathshift.stats.passk import FloatArray, IntArray, miss_table

N_SAMPLES = 64
K = np.arange(1, N_SAMPLES + 1)
SIZES = (15, 30, 60, 500)
DRAWS = 1000
EVERY = POPULATIONS | AGAINST
KINDS = ("bayes", "strict", "sup-t")
OTHERS = 300
"""Replicates in which the bands by name are computed as well."""
TABLE = miss_table(np.full(N_SAMPLES + 1, N_SAMPLES), np.arange(N_SAMPLES + 1), N_SAMPLES)


def difference(counts: tuple[IntArray, IntArray]) -> FloatArray:
    """tuned minus base pass@k by problem, shape (Q, K)."""
    rows: FloatArray = TABLE[counts[0][:, 1]] - TABLE[counts[1][:, 1]]
    return rows


def oracle_width(name: str, problems: int) -> FloatArray:
    """Width at each k of the band that an oracle needs."""
    rng = np.random.default_rng([5, problems])
    draw = EVERY[name]
    means = np.array(
        [difference(ask(draw(problems, rng), N_SAMPLES, rng)).mean(axis=0) for _ in range(2000)]
    )
    band = rank_band(means, 0.95)
    return band.high - band.low


def bands(
    drawn: Drawn, counts: tuple[IntArray, IntArray], rng: np.random.Generator, *, others: bool
) -> dict[str, Band]:
    """The default band of one replicate, and the others by name."""
    rows = difference(counts)
    if drawn.cluster is not None:
        sizes = np.bincount(drawn.cluster).astype(float)
        sums = np.zeros((len(sizes), len(K)))
        np.add.at(sums, drawn.cluster, rows)
        rows, weight = sums / sizes[:, None], sizes
        weights = cluster_weights(sizes, DRAWS, rng)
    else:
        rows, count = np.unique(rows, axis=0, return_counts=True)
        weight = count.astype(float)
        weights = dirichlet_weights(weight, DRAWS, rng)
    bayes = guarded_band(weights, rows, (-1.0, 1.0), 0.95)
    if drawn.cluster is None:
        bayes = with_exact_end(bayes, counts)
    if not others:
        return {"bayes": bayes}
    return {
        "bayes": bayes,
        "strict": strict_band(weights, rows, (-1.0, 1.0), 0.95),
        "sup-t": sup_t_band(rows, weight, 0.95, DRAWS, rng),
    }


def with_exact_end(band: Band, counts: tuple[IntArray, IntArray]) -> Band:
    """The band with McNemar's interval at k = n."""
    solved = [side[:, 1] > 0 for side in counts]
    lost, gained = int((solved[0] & ~solved[1]).sum()), int((~solved[0] & solved[1]).sum())
    low, high = band.low.copy(), band.high.copy()
    low[-1], high[-1] = mcnemar_interval(lost, gained, len(counts[0]))
    return Band(low, high, band.pointwise)


def replicate(
    name: str, problems: int, seed: int, true: FloatArray, oracle: FloatArray
) -> FloatArray:
    """For each kind: whether it covers, its width over the oracle's, whether it sees a crossing."""
    rng = np.random.default_rng([seed, problems])
    drawn = EVERY[name](problems, rng)
    found = bands(drawn, ask(drawn, N_SAMPLES, rng), rng, others=seed < OTHERS)
    out = [(np.nan, np.nan, np.nan)] * len(KINDS)
    for kind, band in found.items():
        covers = ((band.low <= true + 1e-12) & (true <= band.high + 1e-12)).all()
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.mean((band.high - band.low) / oracle)
        seen = (band.low > 0).any() and (band.high < 0).any()
        out[KINDS.index(kind)] = (float(covers), float(ratio), float(seen))
    return np.array(out)


def main(replicates: int, names: list[str]) -> None:
    """Print a table, one line a population and size."""
    print(f"{replicates} replicates, {N_SAMPLES} samples a problem, k=1..{N_SAMPLES}, nominal .95")
    print("                          coverage                width / oracle's        power")
    print("population       problems bayes  strict sup-t     bayes  strict sup-t     bayes")
    for name in names:
        true = truth(name, K)
        crosses = bool((true > 0.002).any() and (true < -0.002).any())
        for problems in SIZES:
            oracle = oracle_width(name, problems)
            runs = np.array(
                [replicate(name, problems, seed, true, oracle) for seed in range(replicates)]
            )
            cover, width, power = np.nanmean(runs, axis=0).T
            told = "  ".join(f"{x:.3f}" for x in cover)
            wide = "degenerate" if name in DEGENERATE else "   ".join(f"{x:.2f}" for x in width)
            seen = f"{power[0]:.3f}" if crosses else "-"
            print(f"{name:<16} {problems:>8} {told}     {wide:<20}     {seen}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, sys.argv[2:] or list(EVERY))
