"""Comparisons made by direct construction from seeded counts: plausible, and no more than that.

Curves are exact pass@k of the counts; bands are normal ones, good enough to draw. Independent of
`pathshift.analysis`, so that a report test fails for the report's reasons only.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pathshift.analysis.beyond import Prediction, SidePrediction
from pathshift.analysis.planning import Cost
from pathshift.analysis.readings import BeyondFloor, CoverPoint, CurvePoint, Readings
from pathshift.analysis.result import (
    Amplification,
    Cells,
    Comparison,
    DecideAt,
    EfficiencyGap,
    ProblemRow,
    Range,
    SplitHalfNull,
    Verdict,
    WouldDecide,
)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BINS = ["0", *(f"(.{i},.{i + 1}]" for i in range(9)), "(.9,1)", "1"]
SENTENCES = {
    "gain": "The tuned model solves more with every number of samples up to {n}.",
    "loss": "The tuned model solves less with every number of samples up to {n}.",
    "gain_then_loss": "The tuned model is ahead with few samples and behind with many.",
    "undecided": "Neither a gain nor a loss can be told apart from chance at any k.",
}
LIFTS = {"gain": 1.6, "loss": 0.6, "gain_then_loss": 1.6, "undecided": 1.0}
FORGOTTEN = {"gain_then_loss": 0.12}
"""Success probability below which a tuned model that trades reach for speed never succeeds."""


def made_up(
    word: str = "gain", *, problems: int = 60, n: int = 32, seed: int = 0, **changes: Any
) -> Comparison:
    """A comparison whose counts lean the way of `word`; `changes` replace fields of the result."""
    rng = np.random.default_rng(seed)
    skill = rng.beta(0.5, 1.2, problems)
    kept = skill >= FORGOTTEN.get(word, 0.0)
    tuned_skill = np.where(kept, np.clip(skill * LIFTS[word], 0, 1), 0.0)
    counts = [rng.binomial(n, p).astype(np.int64) for p in (skill, tuned_skill)]
    fields = _fields(word, n, counts[0], counts[1]) | changes
    return Comparison(**fields)


def _fields(word: str, n: int, c_base: Counts, c_tuned: Counts) -> dict[str, Any]:
    k = list(range(1, n + 1))
    base, tuned = _pass_at(n, c_base), _pass_at(n, c_tuned)
    diff = tuned - base
    low, high = _band(diff, -1)
    return {
        "names": {"base": "runs/step0", "tuned": "runs/step400"},
        "verdict": Verdict(word=word, sentence=SENTENCES[word].format(n=n)),
        "n_problems": len(c_base),
        "n": {side: {"min": n, "max": n} for side in ("base", "tuned")},
        "k": k,
        **_curve("base", base),
        **_curve("tuned", tuned),
        "difference": diff.mean(0).tolist(),
        "low": low,
        "high": high,
        "floor": [1 - (1 - 0.004) ** i for i in k],
        "sampling_se": {
            side: [0.01 if 2 * i <= n else None for i in k] for side in ("base", "tuned")
        },
        "gain_certified": _runs(k, [edge > 0 for edge in low]),
        "loss_certified": _runs(k, [edge < 0 for edge in high]),
        "first_loss": Range(3, n // 2) if word == "gain_then_loss" else None,
        "amplification": _worth(k, base.mean(0), tuned.mean(0)),
        "cells": _cells(n, c_base, c_tuned),
        "null": _null(n) if n > 1 else None,
        "outcomes": {
            "base": _outcomes(n, c_base),
            "tuned": _outcomes(n, c_tuned),
        },
        "bounds": None,
        "delta_se": EfficiencyGap(k=n, value=0.2712, low=0.2103, high=0.3315),
        "would_decide": WouldDecide(problems=246, samples=246 * 2 * n, tokens=2_100_000)
        if word == "undecided"
        else None,
        "histogram": {
            "bins": BINS,
            "base": _histogram(n, c_base),
            "tuned": _histogram(n, c_tuned),
        },
        "problems": [
            ProblemRow(
                id=f"toy/{i:04d}", source="toy", n_base=n, c_base=int(b), n_tuned=n, c_tuned=int(t)
            )
            for i, (b, t) in enumerate(zip(c_base, c_tuned, strict=True))
        ],
        "notes": ["Prompts match.", "Truncated samples: 2% of the base's, 9% of the tuned ones."],
        "runs": {
            "base": {"model": "toy-base", "template": "Q: {question}\nA:", "temperature": 1.0},
            "tuned": {"model": "toy-tuned", "template": "Q: {question}\nA:", "temperature": 0.6},
        },
        "settings": {
            "band": "bayesian",
            "level": 0.95,
            "seed": 0,
            "replicates": 4000,
            "versions": {"numpy": "2.3.1", "pathshift": "0.1.0"},
        },
    }


def _pass_at(n: int, c: Counts) -> Floats:
    """pass@k of every problem, shape (Q, n), by the binomial formula."""
    table = [
        [1 - math.comb(n - int(x), k) / math.comb(n, k) for k in range(1, n + 1)]
        for x in np.arange(n + 1)
    ]
    return np.array(table)[c]


def _band(values: Floats, least: float) -> tuple[list[float], list[float]]:
    mean, width = values.mean(0), 2.8 * values.std(0) / math.sqrt(len(values)) + 0.002
    return np.clip(mean - width, least, 1).tolist(), np.clip(mean + width, least, 1).tolist()


def _curve(name: str, values: Floats) -> dict[str, list[float]]:
    low, high = _band(values, 0)
    return {name: values.mean(0).tolist(), f"{name}_low": low, f"{name}_high": high}


def _runs(k: list[int], holds: list[bool]) -> list[Range]:
    found: list[Range] = []
    for x in (x for x, held in zip(k, holds, strict=True) if held):
        if found and found[-1].high == x - 1:
            found[-1] = Range(found[-1].low, x)
        else:
            found.append(Range(x, x))
    return found


def _worth(k: list[int], base: Floats, tuned: Floats) -> Amplification:
    reached = [
        float(np.interp(t, [0, *base], [0, *k])) if t <= base[-1] else None for t in tuned.tolist()
    ]
    low = [None if v is None else 0.9 * v for v in reached]
    high = [None if v is None or 1.1 * v > k[-1] else 1.1 * v for v in reached]
    curve: dict[str, list[Any]] = {"k": k, "base_k": reached, "low": low, "high": high}
    return Amplification(k=1, base_k=reached[0], low=low[0], high=high[0], curve=curve)


def _cells(n: int, base: Counts, tuned: Counts) -> Cells:
    return Cells(
        k=n,
        both=int(((base > 0) & (tuned > 0)).sum()),
        base_only=int(((base > 0) & (tuned == 0)).sum()),
        tuned_only=int(((base == 0) & (tuned > 0)).sum()),
        neither=int(((base == 0) & (tuned == 0)).sum()),
        mcnemar_p=0.0312,
    )


def _null(n: int) -> SplitHalfNull:
    return SplitHalfNull(
        k=n // 2,
        base_only=9.14,
        tuned_only=8.76,
        observed_base_only=14.25,
        observed_tuned_only=6.5,
    )


def _outcomes(n: int, c: Counts) -> dict[str, int | None]:
    wrong = int(n * len(c) - c.sum())
    return {"correct": int(c.sum()), "wrong": wrong, "unparsed": 0, "failed": 0, "truncated": None}


def _histogram(n: int, c: Counts) -> list[int]:
    bins = -((-10 * c) // n)
    bins[c == n] = 11
    return [int(x) for x in np.bincount(bins, minlength=12)]


def with_failures(result: Comparison) -> Comparison:
    """The same comparison with failed samples and the bounds they force."""
    failed = {side: {**counts, "failed": 7} for side, counts in result.outcomes.items()}
    bounds = {
        side: {
            "low": [0.97 * v for v in getattr(result, side)],
            "high": [min(1.0, 1.02 * v) for v in getattr(result, side)],
        }
        for side in ("base", "tuned")
    }
    return replace(result, outcomes=failed, bounds=bounds)


def beyond_the_base(result: Comparison) -> Comparison:
    """The same comparison with a tuned model that the base reaches at no k."""
    nothing: list[Any] = [None] * len(result.k)
    curve = {"k": list(result.k), "base_k": nothing, "low": nothing, "high": nothing}
    worth = Amplification(k=1, base_k=None, low=None, high=None, curve=curve)
    return replace(result, amplification=worth)


def with_readings(result: Comparison, **changes: Any) -> Comparison:
    """The same comparison with a reading, a prediction and a plan of every kind."""
    fields: dict[str, Any] = {
        "readings": {"base": reading(0.2), "tuned": reading(0.3)},
        "beyond": prediction(),
        "decide_at": [
            DecideAt(
                k=1, problems=246, n=96, n_known=True, power=0.8,
                problems_cost=Cost(samples=15744, tokens=2_100_000, minutes=3.25),
                n_cost=Cost(samples=2048, tokens=273_000, minutes=0.5),
            ),
            DecideAt(
                k=32, problems=None, problems_cost=None, n=None, n_known=False, n_cost=None,
                power=0.8,
            ),
        ],
    }  # fmt: skip
    return replace(result, **(fields | changes))


def reading(value: float, false_positive: float | None = 0.001) -> Readings:
    """Readings at three k that grow with `value`."""
    return Readings(
        curve=[
            CurvePoint(
                k=k, value=value * i, floor=0.011 * i, g_pass=value * 0.5,
                corrected=None if false_positive is None else value * i - 0.25,
                no_ability=None if false_positive is None else 0.013 * i,
            )
            for i, k in enumerate((1, 2, 4), 1)
        ],
        mg_pass=0.1,
        cover=[CoverPoint(tau=t, share=value * (1 - t), low=0.01, high=0.99) for t in (0.1, 0.5)],
        beyond=BeyondFloor(problems=60, any_success=round(100 * value), solved=7, by_chance=2.345),
        false_positive=false_positive,
    )  # fmt: skip


def prediction() -> Prediction:
    """Both sides beyond 32 samples, at two k: a sign that holds, and an open one."""
    base, tuned = (
        SidePrediction(
            bb=[x + 0.02] * 2, zibb=[x - 0.02] * 2, smooth=[x] * 2, middle=[x, x + 0.001],
            low=[x - 0.05] * 2, high=[x + 0.05] * 2, free_low=[x - 0.1] * 2,
            free_high=[x + 0.1] * 2, free_level=0.95, laws={},
        )
        for x in (0.8, 0.7)
    )  # fmt: skip
    return Prediction(
        n=32, k=[64, 128], base=base, tuned=tuned, difference=[-0.1, -0.1],
        difference_low=[-0.2, -0.2], difference_high=[-0.01, 0.03], gain_chance=[0.01, 0.1],
        level=0.9, replicates=400, seed=0,
    )  # fmt: skip


VARIANTS = {
    "gain": lambda: made_up("gain"),
    "loss": lambda: made_up("loss"),
    "gain_then_loss": lambda: made_up("gain_then_loss", problems=200),
    "undecided": lambda: made_up("undecided", problems=16),
    "no_floor": lambda: made_up("gain", floor=None),
    "one_k": lambda: made_up("gain", n=1),
    "two_k": lambda: made_up("gain", n=2),
    "many_problems": lambda: made_up("gain_then_loss", problems=1060, n=128),
    "failed_samples": lambda: with_failures(made_up("gain")),
    "beyond_the_base": lambda: beyond_the_base(made_up("gain")),
    "all_extras": lambda: with_readings(made_up("undecided", problems=16)),
    "no_extras": lambda: made_up("gain", null=None, outcomes={}, notes=[], runs={}, settings={}),
}
"""Every shape of a comparison that a page must hold, by name."""
