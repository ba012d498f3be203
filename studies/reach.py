"""The lower bound on the base's success, where the truth is known.

Two known distributions over 50 to 5,000 paths a problem, some of them right; the tuned model is the
base sharpened, with its right paths favoured. Five worlds: "sharpened" no more than that; "flat"
the base's probabilities nearly equal; "entrance" half of the paths (by their first step) missing in
the base; "lost" half of them missing in the tuned model, which the bound cannot see; "far" two laws
that have nothing to do with each other, so that weights are heavy-tailed. Printed for each and each
number of samples: how often a limit lies above the truth (at most 5% may), the mean limit over the
mean truth, and the correlation of the estimate and of direct c/n with the truth and each other.

Limits: betting (used for single problems), the same with weights cut at the square root of n (what
the package does), Gaffke's, and the way of the split: the cap chosen on one half of the samples to
raise an empirical Bernstein limit, the limit from the other half.

Then the mean over 60 problems by Gaffke's limit over problems, with and without clusters of 4; and
the two alarms with true scores and with scores that are off by one nat.

    python studies/reach.py
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from pathshift.stats.bands import Weights, cluster_weights, dirichlet_weights
from pathshift.stats.bounded import betting_limit, gaffke_limit
from pathshift.stats.passk import FloatArray
from pathshift.stats.reach import (
    BoolArray,
    conflicts,
    default_cap,
    success_bound,
    total_weight,
    truncated_weights,
)

WORLDS = ("sharpened", "flat", "entrance", "lost", "far")
SAMPLES = (16, 64, 256)
PROBLEMS = 2000
SETS, SET_SIZE = 400, 60
LEVEL = 0.95
CAPS = 2.0 ** np.arange(-3, 8)
NO_CAP = 1e300


class World(NamedTuple):
    """One problem: what both models do, path by path."""

    base: FloatArray
    tuned: FloatArray
    is_correct: BoolArray

    @property
    def success(self) -> float:
        """The base's, exactly."""
        return float(self.base[self.is_correct].sum())

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
        """Log-ratios and verdicts of tuned samples."""
        drawn = rng.choice(len(self.base), n, p=self.tuned)
        with np.errstate(divide="ignore"):
            return np.log(self.base[drawn]) - np.log(self.tuned[drawn]), self.is_correct[drawn]


def world(kind: str, rng: np.random.Generator) -> World:
    """A problem of one of `WORLDS`."""
    n_paths = int(50 * 100 ** rng.random())
    base = rng.dirichlet(np.full(n_paths, 30.0 if kind == "flat" else 0.3))
    is_correct = rng.random(n_paths) < rng.uniform(0.02, 0.5)
    is_correct[0] = True
    favour = np.where(is_correct, rng.uniform(2, 10), 1)
    tuned = base ** rng.uniform(1.2, 2) * favour
    if kind == "far":
        tuned = rng.dirichlet(np.full(n_paths, 0.3)) * favour
    is_open = rng.integers(2, size=8)[rng.integers(8, size=n_paths)].astype(bool)
    is_open[0] = True
    if kind == "entrance":
        base = np.where(is_open, base, 0)
    if kind == "lost":
        tuned = np.where(is_open, tuned, 0)
    return World(base / base.sum(), tuned / tuned.sum(), is_correct)


def bernstein(values: FloatArray, cap: float) -> float:
    """Empirical Bernstein limit of values from 0 to the cap (Maurer and Pontil 2009)."""
    n, spread = len(values), float(values.var(ddof=1))
    log = float(np.log(2 / (1 - LEVEL)))
    slack = np.sqrt(2 * spread * log / n) + 7 * cap * log / (3 * (n - 1))
    return max(0.0, float(values.mean() - slack))


def split_limit(log_ratio: FloatArray, is_correct: BoolArray) -> float:
    """The cap chosen on the first half, the limit from the second."""
    half = len(log_ratio) // 2

    def limit(part: slice, cap: float) -> float:
        values = np.where(is_correct[part], truncated_weights(log_ratio[part], cap), 0)
        return bernstein(values, cap)

    best = max(CAPS, key=lambda cap: limit(slice(half), float(cap)))
    return limit(slice(half, None), float(best))


def study_problems(kind: str, n: int, rng: np.random.Generator) -> None:
    """One line: coverage and height of the limits, correlations."""
    weights = dirichlet_weights(np.ones(n), 4000, rng)
    limits, values, truth, direct = [], [], [], []
    for _ in range(PROBLEMS):
        known = world(kind, rng)
        log_ratio, right = known.draw(n, rng)
        free = np.where(right, truncated_weights(log_ratio, NO_CAP), 0)
        bound = success_bound(log_ratio, right)
        limits.append([
            betting_limit(free), bound.low, gaffke_limit(free, weights),
            split_limit(log_ratio, right),
        ])  # fmt: skip
        values.append(bound.value)
        truth.append(known.success)
        direct.append(rng.binomial(n, known.success) / n)
    found, known_rates = np.array(limits), np.array(truth)
    above = (found > known_rates[:, None]).mean(axis=0)
    height = found.mean(axis=0) / known_rates.mean()
    r = [np.corrcoef(a, b)[0, 1] for a, b in
         ((values, truth), (direct, truth), (values, direct))]  # fmt: skip
    print(
        f"| {kind}, {n} | {_row(above)} | {_row(height)} | "
        f"{np.mean(values) / known_rates.mean():.3f} | {_row(np.array(r))} |",
        flush=True,
    )


def _row(values: FloatArray) -> str:
    return " / ".join(f"{x:.3f}" for x in values)


def study_means(kind: str, rng: np.random.Generator, *, clustered: bool) -> None:
    """Coverage of the mean over problems like these, problems drawn anew each time.

    Clustered: four problems share a world and differ by their samples only.
    """
    pool = [world(kind, rng) for _ in range(4000)]
    truth = float(np.mean([w.success for w in pool]))
    above, height, each = 0, 0.0, 4 if clustered else 1
    for _ in range(SETS):
        chosen = np.repeat(rng.integers(len(pool), size=SET_SIZE // each), each)
        values = np.array([_value(pool[i], 16, rng) for i in chosen])
        low = gaffke_limit(values, _weights(each, rng), LEVEL)
        above += low > truth
        height += low / SETS
    name = "clusters of 4" if clustered else "single problems"
    print(f"| {kind}, {name} | {above / SETS:.3f} | {height / truth:.3f} |", flush=True)


def _value(known: World, n: int, rng: np.random.Generator) -> float:
    log_ratio, right = known.draw(n, rng)
    return float(np.where(right, truncated_weights(log_ratio, default_cap(n)), 0).mean())


def _weights(each: int, rng: np.random.Generator) -> Weights:
    if each == 1:
        return dirichlet_weights(np.ones(SET_SIZE), 2000, rng)
    sizes = np.full(SET_SIZE // each, float(each))
    drawn = cluster_weights(sizes, 2000, rng)
    place = np.repeat(np.arange(len(sizes)), each)
    share = np.full(SET_SIZE, 1 / SET_SIZE)
    return drawn._replace(rows=drawn.rows[:, place] / each, share=share)


def study_alarms(rng: np.random.Generator) -> None:
    """How often 100 problems x 64 samples raise either alarm."""
    for kind in WORLDS:
        line = []
        for shift in (0.0, 1.0):
            conflict, excess = 0, 0
            for _ in range(20):
                known = [world(kind, rng) for _ in range(100)]
                drawn = [w.draw(64, rng) for w in known]
                base = np.array([[64, rng.binomial(64, w.success)] for w in known])
                lows = [success_bound(r + shift, c, level=0.975).low for r, c in drawn]
                conflict += conflicts(np.array(lows), base).p < 0.01
                excess += total_weight([r + shift for r, _ in drawn], 0.99).low > 1
            line.append(f"{conflict / 20:.2f} / {excess / 20:.2f}")
        print(f"| {kind} | {line[0]} | {line[1]} |", flush=True)


def main() -> None:
    """Print the three tables."""
    rng, started = np.random.default_rng(2026), time.perf_counter()
    print(f"{PROBLEMS} problems a row. Limits: betting / betting, cap sqrt(n) / Gaffke / split")
    print("| world, samples | above the truth | mean limit over mean truth | estimate over truth "
          "| r: estimate-truth / direct-truth / estimate-direct |")  # fmt: skip
    for kind in WORLDS:
        for n in SAMPLES:
            study_problems(kind, n, rng)
    print(f"\nMean over {SET_SIZE} problems of 16 samples, {SETS} sets: above the truth, height")
    for kind in WORLDS:
        for clustered in (False, True):
            study_means(kind, rng, clustered=clustered)
    print("\nAlarms, own samples below the bound / weights above 1: true scores, off by one nat")
    study_alarms(rng)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
