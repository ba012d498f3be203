"""What would decide a comparison: the chance that a band excludes zero, by simulation from a pilot.

The law of the success rates is fitted to the pilot anew for every simulated experiment, with random
weights of its problems (Bayesian bootstrap), so that what the pilot leaves open stays open. Normal
approximations miss what decides at large k: few problems, each solved or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pathshift.stats import exact
from pathshift.stats.bands import Band, dirichlet_weights, guarded_band
from pathshift.stats.cells import solved_cells
from pathshift.stats.drawn import Drawn, paired_misses
from pathshift.stats.kernel import kernel_of
from pathshift.stats.passk import FloatArray
from pathshift.stats.stopping import StoppingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How power is simulated.

    Attributes:
        runs: Simulated experiments.
        replicates: Bootstrap draws of each one's band.
        level: Of the band over all k.
        seed: Of everything random.
    """

    runs: int = 100
    replicates: int = 1000
    level: float = 0.95
    seed: int = 0


class Pilot:
    """Both models' pilot counts on the same problems, and the law fitted to them."""

    def __init__(self, base: Drawn, tuned: Drawn) -> None:
        self.base, self.tuned = base, tuned
        self._kernel = kernel_of(base, tuned)

    def _shares(self, rng: np.random.Generator) -> FloatArray:
        return self._kernel.shares(rng.standard_exponential(len(self.base.n)))

    def power_of_problems(self, problems: int, n: int, how: Simulation) -> float:
        """Chance to decide with so many problems like these and n samples of each by either."""
        decided = 0
        for run in range(how.runs):
            rng = np.random.default_rng([how.seed, 0, problems, n, run])
            rates = self._kernel.draw(self._shares(rng), problems, rng)
            base, tuned = (
                Drawn.plain(np.column_stack([np.full(problems, n), rng.binomial(n, side)]))
                for side in rates.T
            )
            decided += decides(base, tuned, how, rng)
        return decided / how.runs

    def power_of_samples(self, rule: StoppingRule, how: Simulation) -> TopUp:
        """Chance to decide on these problems, each drawn on until the rule stops it.

        Args:
            rule: Its pilot is what was drawn already; every problem must have come that far.
        """
        decided, drawn = 0, np.empty(how.runs)
        for run in range(how.runs):
            rng = np.random.default_rng([how.seed, 1, rule.cap, run])
            rates = self._kernel.draw_each(self._shares(rng), rng)
            base = drawn_on(self.base, rates[:, 0], rule, rng)
            tuned = drawn_on(self.tuned, rates[:, 1], rule, rng)
            decided += decides(base, tuned, how, rng)
            drawn[run] = base.n.sum() + tuned.n.sum()
        before = int(self.base.n.sum() + self.tuned.n.sum())
        return TopUp(decided / how.runs, float(drawn.mean()) - before)


class TopUp(NamedTuple):
    """What going on with the same problems brings.

    Attributes:
        power: Chance to decide.
        samples: Samples to be drawn, expected over both models.
    """

    power: float
    samples: float


def drawn_on(side: Drawn, rates: FloatArray, rule: StoppingRule, rng: np.random.Generator) -> Drawn:
    """The counts after drawing on until a rule stops, success by success."""
    room = rule.cap - side.failed - side.n
    needed = np.maximum(rule.successes - side.c, 0) * (room > 0)
    waited, found = np.zeros(len(rates)), np.zeros(len(rates), dtype=np.int64)
    for _ in range(int(needed.max(initial=0))):
        is_open = (found < needed) & (waited < room)
        waited = np.where(is_open, waited + rng.geometric(np.maximum(rates, 1e-12)), waited)
        found += is_open & (waited <= room)
    more = np.where(found == needed, waited, room).astype(np.int64) * (needed > 0)
    return replace(side, n=side.n + more, c=side.c + found, rule=rule)


def decides(base: Drawn, tuned: Drawn, how: Simulation, rng: np.random.Generator) -> bool:
    """Whether the band excludes zero at a power of two or the largest k, as `compare` would."""
    reach = int(min(base.reach.min(), tuned.reach.min()))
    k = np.array(sorted({reach, *(2**i for i in range(reach.bit_length()))}))
    table = paired_misses(base, tuned, k)
    weights = dirichlet_weights(table.weight, how.replicates, rng)
    band = guarded_band(weights, table.difference, (-1.0, 1.0), how.level)
    if (base.reach == reach).all() and (tuned.reach == reach).all():
        cells = solved_cells(base.cut(reach, rng), tuned.cut(reach, rng), reach, rng)
        interval = exact.mcnemar_interval(
            cells.base_only, cells.tuned_only, table.n_problems, how.level
        )
        band = _with_last(band, interval)
    return bool(((band.low > 0) | (band.high < 0)).any())


def _with_last(band: Band, interval: exact.Interval) -> Band:
    low, high = band.low.copy(), band.high.copy()
    low[-1], high[-1] = interval
    return Band(low, high, band.pointwise)
