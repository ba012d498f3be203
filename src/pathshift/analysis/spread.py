"""How numbers of samples spread: quantiles and shares, with intervals over problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathshift.analysis.scored import part_of
from pathshift.stats.bands import Weights, bayesian_band
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.quantiles import Estimate, grouped_quantiles, problem_medians

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Quantiles at `QUANTILES`, each problem weighing the same, with intervals over problems."""

    quantiles: list[Estimate]
    median_of_medians: Estimate
    """Median over problems of each problem's median: what the paper follows over training."""


def spread(values: FloatArray, problem: IntArray, weights: Weights, level: float) -> Spread | None:
    """Quantiles of samples over problems; None where no value is finite.

    Args:
        values: One a sample; what is not finite is left out.
        problem: Column of the weights that each sample belongs to.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    values, problem = values[known], problem[known]
    problems = np.unique(problem)
    numbers = np.searchsorted(problems, problem)
    rows = weights.rows[:, problems]
    quantiles = grouped_quantiles(values, numbers, rows, np.array(QUANTILES), level)
    medians = problem_medians(values, numbers, len(problems))
    half, alone = np.array([0.5]), np.arange(len(problems))
    (median,) = grouped_quantiles(medians, alone, rows, half, level)
    return Spread(quantiles=quantiles, median_of_medians=median)


def exponential(found: Spread | None) -> Spread | None:
    """The spread of e to the values."""
    if found is None:
        return None
    return Spread(
        quantiles=[_exp(quantile) for quantile in found.quantiles],
        median_of_medians=_exp(found.median_of_medians),
    )


def _exp(estimate: Estimate) -> Estimate:
    value, low, high = np.exp(np.minimum(estimate, 700.0))
    return Estimate(float(value), float(low), float(high))


def mean_share(
    rows: FloatArray, weights: Weights, problems: Sequence[int], level: float
) -> Estimate:
    """Mean over problems of a number from 0 to 1, with its interval; NaN without problems.

    Args:
        rows: One a problem.
        problems: Which columns of the weights they are.
    """
    if not len(rows):
        return Estimate(float("nan"), float("nan"), float("nan"))
    drawn = part_of(weights, np.array(problems))
    band = bayesian_band(drawn, rows[:, None], (0.0, 1.0), level)
    return Estimate(float(rows.mean()), float(band.low[0]), float(band.high[0]))
