"""Retests: false claims over all looks, what a real change costs to find, and the bias of others.

Two models on the same problems, looked at after 8, 16, .. 256 draws a problem (`pathshift retest`);
a problem goes on until its model has 4 successes. Toy problems with known truth: "same" (identical
models), "exchanged" (a fifth of the problems swap their success rates among themselves: each
changes, their mean does not) and "loss" (rates above .2 grow by a fifth, a quarter of those below
.2 become 0). Printed for each number of problems: how often anything is claimed at any look when
every look has 5% of its own (by the default band, and by sup-t), the same with the error shared
(`stats.looks`), how often a loss at k = 256 is certified in the end, and the share of the 2 x 256
draws of every problem that were made.

Below, identical models and two ways of drawing on: the mean of tuned - base at k = 128 over many
experiments, and in standard errors from 0. By one rule on both sides, each by its own outcomes; and
as is often done, the tuned model once more where it alone had solved nothing, old and new draws
pooled.

    python studies/retest_looks.py
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import Weights, dirichlet_weights, sup_t_band
from pathshift.stats.drawn import Drawn
from pathshift.stats.looks import Looks
from pathshift.stats.passk import FloatArray, IntArray, miss_table
from pathshift.stats.power import drawn_on
from pathshift.stats.stopping import StoppingRule

CAPS = (8, 16, 32, 64, 128, 256)
PILOT, SUCCESSES, DRAWS = CAPS[0], 4, 4000
SIZES = (16, 30, 60, 200)
REPEATS = 200
EXPERIMENTS, PROBLEMS, AT = 2000, 200, 128


class Seen(NamedTuple):
    """What was claimed in one experiment."""

    alone: bool
    sup_t: bool
    shared: bool
    lost: bool
    spent: float


def chances(rng: np.random.Generator, problems: int) -> FloatArray:
    """Success rates: a third hard, the rest spread out."""
    hard = rng.random(problems) < 0.35
    return np.where(hard, 10 ** rng.uniform(-4, -1, problems), rng.beta(0.5, 1.2, problems))


def trained(rng: np.random.Generator, p: FloatArray, scenario: str) -> FloatArray:
    """Success rates of the tuned model."""
    if scenario == "exchanged":
        moved, chosen = p.copy(), rng.choice(len(p), max(2, len(p) // 5), replace=False)
        moved[chosen] = p[rng.permutation(chosen)]
        return moved
    if scenario == "loss":
        lost = (p < 0.2) & (rng.random(len(p)) < 0.25)
        return np.where(lost, 0.0, np.minimum(1.2 * p, 0.999))
    return p


def first(rng: np.random.Generator, p: FloatArray) -> Drawn:
    """The pilot of one model."""
    return Drawn.plain(np.column_stack([np.full(len(p), PILOT), rng.binomial(PILOT, p)]))


def watched(scenario: str, problems: int, seed: int) -> Seen:
    """One retest to its last cap; what it costs is counted to the certified loss."""
    rng = np.random.default_rng([seed, problems])
    p = chances(rng, problems)
    rates = (p, trained(rng, p, scenario))
    sides = [first(rng, rate) for rate in rates]
    weights = dirichlet_weights(np.ones(problems), DRAWS, np.random.default_rng(seed))
    looks, places = Looks(weights, 0.95, len(CAPS)), np.arange(problems)
    alone = sup_t = shared = lost = False
    for cap in CAPS:
        rule = StoppingRule(pilot=PILOT, successes=SUCCESSES, cap=cap)
        sides = [drawn_on(side, rate, rule, rng) for side, rate in zip(sides, rates, strict=True)]
        k = np.array([2**i for i in range(cap.bit_length())])
        rows = (sides[0].misses(cap) - sides[1].misses(cap))[:, k - 1]
        band = looks.band(rows, places)
        assert band is not None
        shared |= bool(((band.low > 0) | (band.high < 0)).any())
        alone |= claims(weights, rows)
        usual = sup_t_band(rows, np.ones(problems), 0.95, 500, rng)
        sup_t |= bool(((usual.low > 0) | (usual.high < 0)).any())
        lost = cap == CAPS[-1] and bool(band.high[-1] < 0)
    spent = float(sum(side.n.sum() for side in sides)) / (2 * problems * CAPS[-1])
    return Seen(alone, sup_t, shared, lost, spent)


def claims(weights: Weights, rows: FloatArray) -> bool:
    """Whether a look that has 5% for itself claims anything."""
    band = Looks(weights, 0.95, 1).band(rows, np.arange(len(rows)))
    return band is not None and bool(((band.low > 0) | (band.high < 0)).any())


def ours(rng: np.random.Generator, p: FloatArray) -> float:
    """Both sides by the same rule, each by its own outcomes."""
    rule = StoppingRule(pilot=PILOT, successes=SUCCESSES, cap=AT)
    sides = [drawn_on(first(rng, p), p, rule, rng) for _ in range(2)]
    return float((sides[0].misses(AT) - sides[1].misses(AT))[:, -1].mean())


def loser_again(rng: np.random.Generator, p: FloatArray) -> float:
    """Where one model solved a problem in AT draws and the other did not, the other draws again."""
    base, tuned = rng.binomial(AT, p), rng.binomial(AT, p)
    again = (base > 0) & (tuned == 0)
    tuned_n, tuned_c = np.where(again, 2 * AT, AT), tuned + again * rng.binomial(AT, p)
    return _difference(np.full(len(p), AT), base, tuned_n, tuned_c)


def _difference(base_n: IntArray, base_c: IntArray, tuned_n: IntArray, tuned_c: IntArray) -> float:
    base, tuned = miss_table(base_n, base_c, AT), miss_table(tuned_n, tuned_c, AT)
    return float((base - tuned)[:, -1].mean())


def biases() -> None:
    """Print the second table."""
    ways = (("by one rule", ours), ("loser drawn again", loser_again))
    print(
        f"\nidentical models, {PROBLEMS} problems, {EXPERIMENTS} experiments: "
        f"tuned - base at k={AT}"
    )
    for name, way in ways:
        values = []
        for seed in range(EXPERIMENTS):
            rng = np.random.default_rng([9, seed])
            values.append(way(rng, chances(rng, PROBLEMS)))
        error = np.std(values) / EXPERIMENTS**0.5
        print(
            f"{name:<18} {np.mean(values):+.5f}  ({np.mean(values) / error:+.1f} standard errors)"
        )


def main() -> None:
    """Print both tables."""
    print(f"{len(CAPS)} looks at {', '.join(map(str, CAPS))} draws, {REPEATS} experiments")
    print("scenario   problems  each look alone  by sup-t  error shared  loss at 256  draws made")
    for scenario in ("same", "exchanged", "loss"):
        for problems in SIZES:
            seen = [watched(scenario, problems, seed) for seed in range(REPEATS)]
            alone, sup_t, shared, lost, spent = (np.mean([s[i] for s in seen]) for i in range(5))
            print(
                f"{scenario:<10} {problems:>8}  {alone:>15.3f}  {sup_t:>8.3f}  {shared:>12.3f}  "
                f"{lost:>11.3f}  {spent:>10.1%}",
                flush=True,
            )
    biases()


if __name__ == "__main__":
    main()
