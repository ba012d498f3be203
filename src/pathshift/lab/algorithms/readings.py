"""The study in numbers: curves, differences to the base, cells, gaps, unions, who is alike.

Intervals here are over problems like those measured (Bayesian bootstrap with guarded ends, as in
`compare`), with the mean over seeds as a way's value; `equivalence` puts seeds beside. Values at
which blind guessing reaches more than half of them carry no claim: they are marked, and no word is
given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.verdict import allowed_by_floor, certify
from pathshift.decoding.uniforms import seed_of
from pathshift.lab.algorithms.equivalence import (
    Alike,
    Difference,
    Rule,
    alike,
    at_equal,
    problem_variances,
)
from pathshift.lab.algorithms.measured import (
    Looked,
    MeasuredSet,
    Way,
    looks_of,
    measured_set,
    powers_to,
)
from pathshift.lab.algorithms.plan import Family, Plan
from pathshift.stats.amplification import equivalent_k
from pathshift.stats.bands import dirichlet_weights, guarded_band
from pathshift.stats.cells import lost_to_itself, solved_cells
from pathshift.stats.exact import mcnemar_p
from pathshift.stats.passk import FloatArray, IntArray, floor_curve, miss_table, variance_table

SCHEMA = 1
REPLICATES = 2000
JUDGED = (1, 16, 128, 512)
"""k at which ways are tested for being alike, up to half of the samples."""
GAP_K = 256
"""The k of the base that a tuned pass@1 is held against (Yue et al. 2025)."""


def read_study(root: Path, plan: Plan) -> dict[str, Any]:
    """All that is finished, as JSON values; families without a measured base are left out."""
    families = {family.name: _family(root, plan, family) for family in plan.families}
    return {
        "schema": SCHEMA, "plan": plan.name, "plan_hash": plan.hash, "margin": plan.margin,
        "level": plan.level, "power": plan.power, "seeds": list(plan.seeds),
        "families": {name: found for name, found in families.items() if found["sets"]},
    }  # fmt: skip


def _family(root: Path, plan: Plan, family: Family) -> dict[str, Any]:
    sets = {use: measured_set(root, plan, family, use) for use in ("inside", "outside")}
    looks = looks_of(root, plan, family)
    return {
        "base": family.base,
        "sets": {use: _set(one, plan, use) for use, one in sets.items() if one is not None},
        "looks": [_look(one) for one in looks],
        "equal_pass1": _at_equal(looks, plan, "pass1"),
        "equal_kl": _at_equal(looks, plan, "kl"),
    }


# --- one set -------------------------------------------------------------------------------------


def _set(found: MeasuredSet, plan: Plan, use: str) -> dict[str, Any]:
    floor = floor_curve(found.floor_Q, found.k) if np.isfinite(found.floor_Q).all() else None
    base_QK = found.base.success(found.k).mean(axis=0)
    reading = _Reading(found, plan, floor, base_QK, seed_of("algorithms", found.name, use))
    return {
        "name": found.name, "problems": len(found.ids), "k": found.k.tolist(),
        "floor": None if floor is None else floor.tolist(),
        "ways": [reading.way(way) for way in found.ways],
        "alike": reading.alike(),
        "unions": [union(way) for way in found.ways if len(way.seeds) > 1],
    }  # fmt: skip


class _Reading:
    """Numbers of one set."""

    def __init__(
        self, found: MeasuredSet, plan: Plan, floor: FloatArray | None, base_QK: FloatArray,
        seed: int,
    ) -> None:  # fmt: skip
        self.found, self.plan, self.floor, self.base_QK = found, plan, floor, base_QK
        rng = np.random.default_rng(seed)
        # The same weights for every way: differences are then paired.
        self.weights = dirichlet_weights(np.ones(len(found.ids)), REPLICATES, rng)
        self.rng = rng

    def way(self, way: Way) -> dict[str, Any]:
        """Curve, difference to the base, cells and gap of one way."""
        success_SQK = way.success(self.found.k)
        own_QK = success_SQK.mean(axis=0)
        band = guarded_band(self.weights, own_QK, (0.0, 1.0), self.plan.level)
        told: dict[str, Any] = {
            "label": way.label, "kind": way.kind, "seeds": list(way.seeds),
            "curve": own_QK.mean(axis=0).tolist(),
            "low": band.low.tolist(), "high": band.high.tolist(),
            "by_seed": success_SQK.mean(axis=1).tolist(),
            "above_floor": allowed_by_floor(own_QK.mean(axis=0), self.floor).tolist(),
        }  # fmt: skip
        if way.kind != "base":
            told |= self._against_base(way, own_QK)
        return told

    def _against_base(self, way: Way, own_QK: FloatArray) -> dict[str, Any]:
        k, base = self.found.k, self.base_QK.mean(axis=0)
        apart_QK = own_QK - self.base_QK
        band = guarded_band(self.weights, apart_QK, (-1.0, 1.0), self.plan.level)
        certified = certify(k, band.low, band.high, allowed_by_floor(base, self.floor))
        worth = float(equivalent_k(base, k, np.array(own_QK.mean(axis=0)[0])))
        return {
            "difference": apart_QK.mean(axis=0).tolist(),
            "difference_low": band.low.tolist(), "difference_high": band.high.tolist(),
            "gain_certified": [list(one) for one in certified.gain],
            "loss_certified": [list(one) for one in certified.loss],
            "worth_of_one": worth if np.isfinite(worth) else None,
            "cells": self._cells(way), "gap": self._gap(own_QK),
        }  # fmt: skip

    def _cells(self, way: Way) -> dict[str, Any]:
        """Who solved what within the largest k, the mean over seeds, and the base's own null."""
        k = int(self.found.k[-1])
        base = self.found.base.counts_SQ2[0]
        each = [solved_cells(base, rows, k, self.rng) for rows in way.counts_SQ2]
        mean = {name: float(np.mean([getattr(c, name) for c in each])) for name in each[0]._fields}
        p = [mcnemar_p(one.base_only, one.tuned_only) for one in each]
        return {
            "k": k, **mean, "mcnemar_p": p, "null_at": k // 2,
            "null": lost_to_itself(base, k // 2) if k > 1 else None,
        }  # fmt: skip

    def _gap(self, own_QK: FloatArray) -> dict[str, Any]:
        """Delta_SE = base pass@K - tuned pass@1, and the part of the base's own gap that is left.

        Yue et al. 2025 (arXiv 2504.13837); intervals by the weights alone, end atoms left out,
        because a ratio has no end. The part is None where the base has no gap.
        """
        at = int(np.flatnonzero(self.found.k <= GAP_K)[-1])
        top_Q, first_Q, one_Q = self.base_QK[:, at], self.base_QK[:, 0], own_QK[:, 0]
        rows = self.weights.rows / self.weights.rows.sum(axis=1, keepdims=True)
        gap, whole = top_Q - one_Q, top_Q - first_Q
        low, high = _interval(rows @ gap, self.plan.level)
        told: dict[str, Any] = {
            "k": int(self.found.k[at]), "value": float(gap.mean()), "low": low, "high": high,
            "left": None, "left_low": None, "left_high": None,
        }  # fmt: skip
        if whole.mean() > 0:
            draws = rows @ gap / np.maximum(rows @ whole, 1e-12)
            left_low, left_high = _interval(draws, self.plan.level)
            told |= {
                "left": float(gap.mean() / whole.mean()), "left_low": left_low,
                "left_high": left_high,
            }  # fmt: skip
        return told

    def alike(self) -> list[dict[str, Any]]:
        """The algorithms tested for being alike at each judged k, over both questions."""
        ways = _comparable([way for way in self.found.ways if way.kind == "algorithm"])
        if len(ways) < 2:
            return []
        return [self._alike_at(ways, k) for k in judged(self.found.k)]

    def _alike_at(self, ways: Sequence[Way], k: int) -> dict[str, Any]:
        at = np.array([k])
        success_ASQ = np.stack([way.success(at)[..., 0] for way in ways])
        values_AS = success_ASQ.mean(axis=2)
        noise = sampling_noise(ways, k)
        rule = rule_of(self.plan)
        these = alike(values_AS, rule, noise=noise)
        like_these = None
        if success_ASQ.shape[2] > 1:
            problems_AA = problem_variances(success_ASQ, noise)
            like_these = alike(
                values_AS, rule, noise=noise, problems_AA=problems_AA,
                n_problems=success_ASQ.shape[2],
            )  # fmt: skip
        i = int(np.flatnonzero(self.found.k == k)[0])
        lowest = np.array([values_AS.mean(axis=1).min()])
        floor = None if self.floor is None else self.floor[i : i + 1]
        labels = [way.label for way in ways]
        return {
            "k": k, "above_floor": bool(allowed_by_floor(lowest, floor)[0]),
            "these": told_alike(these, labels),
            "like_these": None if like_these is None else told_alike(like_these, labels),
        }  # fmt: skip


def judged(k: IntArray) -> list[int]:
    """The k that are judged: those of `JUDGED` up to half of the largest, and that half.

    Beyond it the noise of sampling cannot be told from the counts, and a handful of problems that
    all seeds happen to solve would pass for certainty.

    >>> judged(np.array([1, 2, 4, 8, 16, 32, 64]))
    [1, 16, 32]
    """
    half = max(1, int(k[-1]) // 2)
    return sorted({one for one in JUDGED if one <= half} | {half})


def rule_of(plan: Plan) -> Rule:
    """The plan's rule: each one-sided test has an error of 1 - level."""
    return Rule(margin=plan.margin, error=1 - plan.level, power=plan.power)


def _comparable(ways: Sequence[Way]) -> list[Way]:
    """Ways with their seeds cut to those that all of them have, at least two; else none."""
    common = set.intersection(*(set(way.seeds) for way in ways)) if ways else set()
    if len(common) < 2:
        return []
    return [_cut(way, common) for way in ways]


def _cut(way: Way, seeds: set[int]) -> Way:
    places = [i for i, seed in enumerate(way.seeds) if seed in seeds]
    return Way(
        label=way.label, kind=way.kind, seeds=tuple(way.seeds[i] for i in places),
        counts_SQ2=way.counts_SQ2[places],
    )  # fmt: skip


def sampling_noise(ways: Sequence[Way], k: int) -> float:
    """Mean variance of one model's pass@k over these problems by sampling alone.

    NaN where 2k exceeds the samples: no unbiased estimate exists (`stats.passk.variance_table`).
    """
    found = []
    for way in ways:
        for rows in way.counts_SQ2:
            if 2 * k > rows[:, 0].min():
                return float("nan")
            each = variance_table(rows[:, 0], rows[:, 1], k)[:, -1]
            found.append(each.sum() / len(each) ** 2)
    return max(0.0, float(np.mean(found)))


def union(way: Way) -> dict[str, Any]:
    """Share of problems that a budget solves when all seeds share it, and when one has it all.

    A seed's part is budget / S samples; both are expected values over which samples are drawn.
    """
    n_seeds = len(way.seeds)
    part = int(way.counts_SQ2[..., 0].min()) // n_seeds
    budget = part * n_seeds
    misses = [miss_table(rows[:, 0], rows[:, 1], budget) for rows in way.counts_SQ2]
    together = 1 - np.prod([miss[:, part - 1] for miss in misses], axis=0)
    alone = 1 - np.mean([miss[:, budget - 1] for miss in misses], axis=0)
    return {
        "label": way.label, "budget": budget, "together": float(together.mean()),
        "alone": float(alone.mean()), "difference": float((together - alone).mean()),
        "error": float((together - alone).std(ddof=1) / np.sqrt(len(alone)))
        if len(alone) > 1 else None,
    }  # fmt: skip


# --- over the looks ------------------------------------------------------------------------------


def _look(one: Looked) -> dict[str, Any]:
    return {
        "arm": one.arm, "seed": one.seed, "steps": one.steps.tolist(), "kl": one.kl.tolist(),
        "k": one.k.tolist(), "curves": one.curve_LK.tolist(),
    }  # fmt: skip


def _at_equal(looks: Sequence[Looked], plan: Plan, what: str) -> dict[str, Any] | None:
    """pass@k of every run at the largest pass@1, or divergence, that all of them reach; tested."""
    names = [arm.name for arm in plan.arms if arm.kind == "algorithm"]
    runs = {(one.arm, one.seed): one for one in looks if one.arm in names}
    seeds = [s for s in plan.seeds if all((name, s) in runs for name in names)]
    if len(names) < 2 or len(seeds) < 2:
        return None
    chosen = [runs[name, seed] for name in names for seed in seeds]
    k = powers_to(min(int(one.k[-1]) for one in chosen))
    x = [one.curve_LK[:, 0] if what == "pass1" else one.kl for one in chosen]
    at, found = at_equal(x, [one.curve_LK[:, : len(k)] for one in chosen])
    values_ASK = found.reshape(len(names), len(seeds), len(k))
    return {
        "at": at, "k": k.tolist(), "curves": values_ASK.mean(axis=1).tolist(), "labels": names,
        "alike": [
            {"k": one, "these": told_alike(
                alike(values_ASK[..., int(np.flatnonzero(k == one)[0])], rule_of(plan)), names
            )}
            for one in judged(k) if not (what == "pass1" and one == 1)
        ],
    }  # fmt: skip


# --- as JSON -------------------------------------------------------------------------------------


def told_alike(found: Alike, labels: Sequence[str]) -> dict[str, Any]:
    """The tests with the ways' names."""
    return {
        "labels": list(labels), "means": found.means.tolist(),
        "seed_variance": found.spread.variance, "freedom": found.spread.freedom,
        "sampling_variance": None if np.isnan(found.spread.noise) else found.spread.noise,
        "pairs": [_told(one, labels) for one in found.pairs],
        "against_mean": [_told(one, labels) for one in found.against_mean],
        "widest": found.widest, "p": found.p, "are_alike": found.are_alike,
        "are_apart": any(one.is_apart for one in found.pairs),
        "least_margin": found.least_margin,
    }  # fmt: skip


def _told(one: Difference, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "first": labels[one.first],
        "second": "mean of all" if one.second is None else labels[one.second],
        "value": one.value, "error": one.error, "freedom": one.freedom, "low": one.low,
        "high": one.high, "p": one.p, "is_alike": one.is_alike, "is_apart": one.is_apart,
        "least_margin": one.least_margin,
    }  # fmt: skip


def _interval(draws: FloatArray, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
