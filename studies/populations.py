"""Made-up populations of problems with known truth, for the studies of bands and verdicts.

A population draws, for a number of problems, the success rates of base and tuned model. Toy data:
they are chosen to be hard on a band, not to look like a benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pathshift.stats.passk import FloatArray, IntArray


class Drawn(NamedTuple):
    """Success rates of both models by problem, and the cluster each problem belongs to."""

    base: FloatArray
    tuned: FloatArray
    cluster: IntArray | None = None


Population = Callable[[int, np.random.Generator], Drawn]


def heavy_tail(n: int, rng: np.random.Generator) -> FloatArray:
    """A third of the problems nearly out of reach, the rest spread."""
    rare = 10 ** rng.uniform(-4, -2, n)
    return np.where(rng.random(n) < 0.35, rare, rng.beta(0.5, 1.2, n))


def same(n: int, rng: np.random.Generator) -> Drawn:
    """No difference."""
    base = heavy_tail(n, rng)
    return Drawn(base, base)


def heavy(n: int, rng: np.random.Generator) -> Drawn:
    """Better where it was good; rare successes lost, thinned or tripled."""
    base = heavy_tail(n, rng)
    moved = base * rng.choice([0.0, 0.3, 3.0], n)
    return Drawn(base, np.where(base < 0.02, moved, np.minimum(1.5 * base, 0.999)))


def crossing(n: int, rng: np.random.Generator) -> Drawn:
    """Better where it was good, and what was rare mostly lost."""
    base = heavy_tail(n, rng)
    kept = base * (rng.random(n) >= 0.7)
    return Drawn(base, np.where(base < 0.1, kept, np.minimum(1.5 * base, 0.999)))


def extension(n: int, rng: np.random.Generator) -> Drawn:
    """Better everywhere, most where it was rare."""
    base = heavy_tail(n, rng)
    return Drawn(base, np.minimum(base * np.where(base < 0.02, 3, 1.2), 0.999))


def saturated(n: int, rng: np.random.Generator) -> Drawn:
    """Nearly all solved; one in thirty falls to a tenth."""
    base = np.full(n, 0.999)
    return Drawn(base, base - 0.9 * (rng.random(n) < 0.03))


def hard(n: int, rng: np.random.Generator) -> Drawn:
    """All rare; three in ten lost for good, the others half as good again."""
    base = 10 ** rng.uniform(-3.5, -1.3, n)
    return Drawn(base, base * np.where(rng.random(n) < 0.3, 0, 1.5))


def rare_total_loss(n: int, rng: np.random.Generator) -> Drawn:
    """Equal, but three in a hundred lost for good."""
    base = rng.beta(2, 1, n)
    return Drawn(base, np.where(rng.random(n) < 0.03, 0, base))


def clustered(n: int, rng: np.random.Generator) -> Drawn:
    """Three problems a template; a template is gained or lost as a whole."""
    cluster = np.arange(n) // 3
    templates = int(cluster[-1]) + 1
    base = np.clip(heavy_tail(templates, rng)[cluster] * rng.uniform(0.7, 1.3, n), 0, 0.999)
    factor = rng.choice([0.0, 0.7, 1.0, 1.6], templates, p=[0.1, 0.2, 0.3, 0.4])[cluster]
    return Drawn(base, np.clip(base * factor, 0, 0.999), cluster)


def three_kinds(n: int, rng: np.random.Generator) -> Drawn:
    """Nearly all solved; three rare kinds that differ at small, middle and large k.

    Made against the default band: at 60 problems about three of each kind are drawn, and by chance
    none of one of them.
    """
    rates = np.array([(0.02, 0.5), (0.1, 0.0), (0.999, 0.03), (0.999, 0.999)])
    kind = rng.choice(4, n, p=[0.055, 0.055, 0.055, 0.835])
    return Drawn(rates[kind, 0], rates[kind, 1])


POPULATIONS: dict[str, Population] = {
    "heavy": heavy, "saturated": saturated, "same": same, "hard": hard, "crossing": crossing,
    "extension": extension, "rare_total_loss": rare_total_loss, "clustered": clustered,
}  # fmt: skip

AGAINST: dict[str, Population] = {"three_kinds": three_kinds}
"""A population found by looking for one that the default band does not cover; see docs/log.md."""

DEGENERATE = ("saturated",)
"""Populations in which the difference hardly varies at most k: an oracle's band has no width."""


@cache
def _truth(name: str, k: tuple[int, ...]) -> FloatArray:
    drawn = (POPULATIONS | AGAINST)[name](300_000, np.random.default_rng(9))
    rows = [np.mean((1 - drawn.base) ** x - (1 - drawn.tuned) ** x) for x in k]
    return np.array(rows)


def truth(name: str, k: npt.NDArray[np.int64]) -> FloatArray:
    """tuned minus base pass@k over a very large draw of problems."""
    return _truth(name, tuple(int(x) for x in k))


def ask(drawn: Drawn, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Counts of n samples a problem for base and tuned, columns n and c."""
    sides = [
        np.column_stack([np.full(len(rates), n), rng.binomial(n, rates)]).astype(np.int64)
        for rates in (drawn.base, drawn.tuned)
    ]
    return sides[0], sides[1]
