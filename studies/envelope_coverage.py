"""Does the band of a fair envelope hold, and how much too good is the best of several settings?

Three settings a side, 32 samples a problem, toy populations with the truth of 400,000 problems.
Printed for each population and number of problems: the share of replicates in which the band of the
difference of two envelopes holds the true one at k = 1, 2, 4, 8, 16 at once, where one half of the
samples chooses and where other problems choose; and the bias of the base's envelope at k = 16: of
the naive one, and of those two.

    python studies/envelope_coverage.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from populations import heavy, same

from pathshift.stats.bands import bayesian_band, dirichlet_weights
from pathshift.stats.envelope import (
    chosen_on_other_problems,
    cross_fitted,
    naive_envelope,
    success_table,
)
from pathshift.stats.passk import FloatArray

K = np.array([1, 2, 4, 8, 16])
SAMPLES, REPEATS, DRAWS = 32, 300, 1000
SIZES = (30, 60, 200)

Rates = tuple[FloatArray, FloatArray]
"""Of base and tuned model, by setting and problem, shape (3, Q) each."""


def equal(n: int, rng: np.random.Generator) -> Rates:
    """The setting changes nothing."""
    drawn = same(n, rng)
    return np.stack([drawn.base] * 3), np.stack([drawn.tuned] * 3)


def clear(n: int, rng: np.random.Generator) -> Rates:
    """One setting is far better than the others, another one for each model."""
    base, tuned, _ = heavy(n, rng)
    return np.stack([base, base**1.3, base**2]), np.stack([tuned, tuned**1.4, tuned**0.9])


def near(n: int, rng: np.random.Generator) -> Rates:
    """Settings that are nearly equal."""
    base, tuned, _ = heavy(n, rng)
    return np.stack([base, base**1.03, base**1.06]), np.stack([tuned, tuned**1.03, tuned**1.06])


def by_problem(n: int, rng: np.random.Generator) -> Rates:
    """Settings of one law, while each problem has its own best one."""
    base, _, _ = same(n, rng)
    logit = np.log(base / (1 - base))
    sides = [1 / (1 + np.exp(-(logit + rng.normal(0, 1, (3, n))))) for _ in range(2)]
    return sides[0], sides[1]


def envelope(rates: FloatArray) -> FloatArray:
    """The true one, shape (K,)."""
    return np.array([(1 - (1 - rates) ** k).mean(axis=1).max() for k in K])


def row(population: Callable[[int, np.random.Generator], Rates], n: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng(5)
    truth = [envelope(rates) for rates in population(400_000, rng)]
    held, bias = np.zeros(2), np.zeros((REPEATS, 3))
    for i in range(REPEATS):
        counts = [
            np.stack([np.full(rates.shape, SAMPLES), rng.binomial(SAMPLES, rates)], axis=-1)
            for rates in population(n, rng)
        ]
        success = [success_table(side, K) for side in counts]
        by_samples = [cross_fitted(side, K, rng).rows for side in counts]
        by_others = [chosen_on_other_problems(side, np.arange(n), rng).rows for side in success]
        weights = dirichlet_weights(np.ones(n), DRAWS, rng)
        for j, rows in enumerate((by_samples, by_others)):
            band = bayesian_band(weights, rows[1] - rows[0], (-1.0, 1.0), 0.95)
            wanted = truth[1] - truth[0]
            held[j] += bool(((band.low <= wanted) & (wanted <= band.high)).all())
            bias[i, 1 + j] = rows[0].mean(axis=0)[-1] - truth[0][-1]
        bias[i, 0] = naive_envelope(success[0]).value[-1] - truth[0][-1]
    shares = " / ".join(f"{share / REPEATS:.3f}" for share in held)
    biases = " / ".join(f"{value:+.4f}" for value in bias.mean(axis=0))
    error = bias.std(axis=0).max() / np.sqrt(REPEATS)
    return f"| {population.__name__} | {n} | {shares} | {biases} (+-{error:.4f}) |"


def main() -> None:
    """Print the table."""
    print("| settings | problems | held: samples / other problems choose | bias at k=16 |")
    print("|---|---|---|---|")
    for population in (equal, clear, near, by_problem):
        for n in SIZES:
            print(row(population, n), flush=True)


if __name__ == "__main__":
    main()
