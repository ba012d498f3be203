"""False claims over the looks at a training run, and when a real loss is seen.

Twenty checkpoints against one base, 32 samples a problem, toy problems. Three runs: one in which
nothing changes, one in which every checkpoint has the success rates of a fifth of the problems
exchanged among themselves (each problem changes, their mean does not), and one that loses coverage
for good at step 11. Printed for each number of problems: how often anything at all is claimed when
every look has 5% of its own, the same with the error shared (`stats.looks`), and in the third run
the share of runs in which the loss at k = 32 is certified at the end, and the mean step of its
first certificate.

    python studies/watch_looks.py
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import Weights, dirichlet_weights
from pathshift.stats.looks import Looks
from pathshift.stats.passk import FloatArray, miss_table

N, STEPS, PLANNED, DRAWS = 32, 20, 64, 8000
K = np.array([1, 2, 4, 8, 16, 32])
REPEATS = 200
SIZES = (16, 30, 60, 200)


class Run(NamedTuple):
    """What was claimed in one run."""

    alone: bool
    shared: bool
    first_loss: int | None
    lost_at_end: bool


def chances(rng: np.random.Generator, problems: int) -> FloatArray:
    """Success rates: a third hard, the rest spread out."""
    hard = rng.random(problems) < 0.35
    return np.where(hard, 10 ** rng.uniform(-4, -2, problems), rng.beta(0.5, 1.2, problems))


def misses(rng: np.random.Generator, p: FloatArray) -> FloatArray:
    """Miss probabilities at each k from N fresh samples."""
    counts = rng.binomial(N, p)
    return miss_table(np.full(len(p), N), counts, N)[:, K - 1]


def checkpoint(rng: np.random.Generator, p: FloatArray, scenario: str, step: int) -> FloatArray:
    """Success rates at a step."""
    if scenario == "exchanged":
        moved, chosen = p.copy(), rng.choice(len(p), len(p) // 5, replace=False)
        moved[chosen] = p[rng.permutation(chosen)]
        return moved
    if scenario == "loss" and step > STEPS // 2:
        return np.where(p < 0.2, 0.0, np.minimum(1.2 * p, 0.999))
    return p


def watched(scenario: str, problems: int, seed: int) -> Run:
    """One training run, looked at after every step."""
    rng = np.random.default_rng([seed, problems])
    p = chances(rng, problems)
    base = misses(rng, p)
    weights = dirichlet_weights(np.ones(problems), DRAWS, np.random.default_rng(seed))
    looks, places = Looks(weights, 0.95, PLANNED), np.arange(problems)
    alone, shared, losses = False, False, []
    for step in range(1, STEPS + 1):
        rows = base - misses(rng, checkpoint(rng, p, scenario, step))
        band = looks.band(rows, places)
        assert band is not None
        shared |= bool(((band.low > 0) | (band.high < 0)).any())
        alone |= _claims(weights, rows)
        losses += [step] if band.high[-1] < 0 else []
    return Run(alone, shared, losses[0] if losses else None, STEPS in losses)


def _claims(weights: Weights, rows: FloatArray) -> bool:
    """Whether a look that has 5% for itself claims anything."""
    band = Looks(weights, 0.95, 1).band(rows, np.arange(len(rows)))
    return band is not None and bool(((band.low > 0) | (band.high < 0)).any())


def main() -> None:
    """Print the table."""
    print(f"{STEPS} steps, {PLANNED} looks planned, {N} samples a problem, {REPEATS} runs")
    print("scenario   problems  each look alone  error shared   loss at the end  first at step")
    for scenario in ("same", "exchanged", "loss"):
        for problems in SIZES:
            runs = [watched(scenario, problems, seed) for seed in range(REPEATS)]
            first = [run.first_loss for run in runs if run.first_loss is not None]
            step = f"{np.mean(first):.1f}" if first else "-"
            print(
                f"{scenario:<10} {problems:>8}  {np.mean([r.alone for r in runs]):>15.3f}  "
                f"{np.mean([r.shared for r in runs]):>12.3f}  "
                f"{np.mean([r.lost_at_end for r in runs]):>15.3f}  {step:>13}",
                flush=True,
            )


if __name__ == "__main__":
    main()
