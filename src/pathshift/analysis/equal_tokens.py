"""Both models with the same number of tokens to spend on a problem, instead of the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathshift.analysis.fair_grid import Grid, SettingRun
from pathshift.analysis.paired_rows import Curves, PairedRows
from pathshift.analysis.result import Range
from pathshift.analysis.verdict import allowed_by_floor, certify
from pathshift.stats.envelope import CrossFitted, averaged, read_off
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.token_budget import (
    Spent,
    budget_grid,
    coverage_at_tokens,
    halved_samples,
    largest_budget,
)

HALVINGS = 4
ORDERS_OF_A_HALF = 8
"""Halvings and orders are averaged together: 64 readings of every problem and setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualTokens:
    """Coverage at budgets of tokens, each side under its best setting at every budget.

    Attributes:
        budgets: Tokens a problem, up to what 95% of the problems' half samples can spend.
        curves: Chance that a correct sample ends within the budget, and the difference's band.
        tokens_per_sample: By side and setting.
        gain_certified, loss_certified: Ranges of budgets.
    """

    budgets: list[int]
    curves: Curves
    tokens_per_sample: dict[str, dict[str, float]]
    chosen: dict[str, dict[str, list[float]]]
    gain_certified: list[Range]
    loss_certified: list[Range]


def equal_tokens(
    grid: Grid, rows: PairedRows, *, level: float, rng: np.random.Generator
) -> EqualTokens | None:
    """Coverage at tokens; None unless every sample of every run says what it cost.

    No floor bars a word here: a blind guess costs no tokens, so it has no place on this axis.
    """
    spent = {side: _spent(grid, getattr(grid, side)) for side in ("base", "tuned")}
    if any(runs is None for runs in spent.values()):
        return None
    known = {side: runs for side, runs in spent.items() if runs is not None}
    budgets = _budgets([problems for runs in known.values() for problems in runs], rng)
    fitted = {side: _best(runs, budgets, rng) for side, runs in known.items()}
    curves = rows.curves(fitted["base"].rows, fitted["tuned"].rows, level)
    allowed = allowed_by_floor(np.array(curves.base), None)
    certified = certify(budgets, np.array(curves.low), np.array(curves.high), allowed)
    return EqualTokens(
        budgets=budgets.tolist(),
        curves=curves,
        tokens_per_sample={
            side: dict(zip(grid.labels, map(_mean_tokens, runs), strict=True))
            for side, runs in known.items()
        },
        chosen={
            side: dict(zip(grid.labels, found.chosen.tolist(), strict=True))
            for side, found in fitted.items()
        },
        gain_certified=certified.gain,
        loss_certified=certified.loss,
    )


def _spent(grid: Grid, runs: Sequence[SettingRun]) -> list[list[Spent]] | None:
    found = []
    for run in runs:
        if run.draws is None or not run.draws.has_tokens:
            return None
        found.append(run.draws.spent(grid.ids_of(run)))
    return found


def _budgets(runs: Sequence[list[Spent]], rng: np.random.Generator) -> IntArray:
    halves = [half for problems in runs for half in halved_samples(problems, rng)]
    largest = min(largest_budget(half) for half in halves)
    medians = [np.median(np.concatenate([s.tokens for s in problems])) for problems in runs]
    return budget_grid(max(1, min(int(min(medians)), largest)), largest)


def _best(runs: list[list[Spent]], budgets: IntArray, rng: np.random.Generator) -> CrossFitted:
    """The setting chosen on one half of the samples at every budget, read off on the other."""
    parts = []
    for _ in range(HALVINGS):
        halves = [halved_samples(problems, rng) for problems in runs]
        first, second = (_table([half[i] for half in halves], budgets, rng) for i in (0, 1))
        parts += [read_off(first, second), read_off(second, first)]
    return averaged(parts)


def _table(
    runs: Sequence[Sequence[Spent]], budgets: IntArray, rng: np.random.Generator
) -> FloatArray:
    return np.array(
        [coverage_at_tokens(problems, budgets, rng, orders=ORDERS_OF_A_HALF) for problems in runs]
    )


def _mean_tokens(problems: Sequence[Spent]) -> float:
    return float(np.concatenate([spent.tokens for spent in problems]).mean())
