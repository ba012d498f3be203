"""What may be said of pass@k beyond the samples: two laws, their middle, a range, and no law at
all.

None of it enters the verdict. A single number is never given: the laws lie further apart than most
differences between a model and its base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pathshift.analysis.result import plain_values
from pathshift.errors import ConfigError
from pathshift.stats.bands import Weights, dirichlet_weights
from pathshift.stats.mixing import BetaLaw
from pathshift.stats.modelfree import FreeRange, free_range
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.prediction import LAWS, Curves, curves, difference_spread, gain_chance, spread

LEVEL = 0.9
"""Level of the range over laws. A lower one holds the truth too seldom where rates follow no beta
law (docs/log.md)."""
FREE_LEVEL = 0.95
DEFAULT_REPLICATES = 400
FURTHEST, REACH = 4096, 8
"""Unless asked for, predictions end at 8 n and at 4,096 draws."""
_FURTHEST_ALLOWED = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePrediction:
    """One model's predicted pass@k; lists have the length of the prediction's `k`.

    Attributes:
        bb: Beta-binomial law: every problem is solved in the end. Tends to run high.
        zibb: The same with a share of problems out of reach. Tends to run low.
        smooth: A law with a free shape, averaged over shares out of reach.
        middle: Mean of `bb` and `zibb`.
        low, high: From the lowest to the highest of the three laws, widened by a bootstrap.
        free_low, free_high: What the counts allow without any law, at all k together.
        free_level: Level of these; above the one asked for if no law fits the counts.
        laws: Fitted parameters: `bb` and `zibb`, each `a`, `b`, `impossible`.
    """

    bb: list[float]
    zibb: list[float]
    smooth: list[float]
    middle: list[float]
    low: list[float]
    high: list[float]
    free_low: list[float]
    free_high: list[float]
    free_level: float
    laws: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """pass@k beyond the samples, by model only: no part of the verdict.

    Attributes:
        n: Smallest number of samples of either model: `k` begins above it.
        k: Numbers of draws: powers of two, and the one asked for.
        difference: tuned minus base, of the middles.
        difference_low, difference_high: Over all pairs of laws, since tuning may change the law,
            widened by the same bootstrap of problems for both.
        gain_chance: Share of the bootstrap in which tuned is predicted above base; holds as far as
            the laws do and is no p value.
        level: Level of the ranges over laws, at each k by itself.
    """

    n: int
    k: list[int]
    base: SidePrediction
    tuned: SidePrediction
    difference: list[float]
    difference_low: list[float]
    difference_high: list[float]
    gain_chance: list[float]
    level: float
    replicates: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain


def predict_beyond(
    base: IntArray,
    tuned: IntArray,
    *,
    up_to: int | None = None,
    predictor: str = "range",
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 0,
) -> Prediction:
    """Predict both models' pass@k beyond their samples, as ranges.

    Args:
        base: Columns n and c, shape (Q, 2), one row a problem.
        tuned: The same problems in the same order.
        up_to: Largest k; by default 8 times the smallest n, at most 4,096 (or twice n above that).
        predictor: "range" is the only one; the plug-in is refused, and the error says why.
        replicates: Bootstrap weightings of the problems, shared by both models.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: `up_to` is not beyond the samples, there is one sample of some problem, or the
            predictor is none.
    """
    _check_predictor(predictor)
    n = int(min(base[:, 0].min(), tuned[:, 0].min()))
    k, rng = k_beyond(n, up_to), np.random.default_rng([seed, 0xBE])
    pairs, weight = np.unique(np.hstack([base, tuned]), axis=0, return_counts=True)
    weights = dirichlet_weights(weight.astype(float), replicates, rng)
    sides = [_Side(pairs[:, i : i + 2], weight.astype(float)) for i in (0, 2)]
    found = [side.curves(weights, k, rng) for side in sides]
    between = difference_spread(found[0], found[1], LEVEL, grain=1 / len(base))
    return Prediction(
        n=n,
        k=k.tolist(),
        base=sides[0].prediction(found[0], k),
        tuned=sides[1].prediction(found[1], k),
        difference=(found[1].middle - found[0].middle).tolist(),
        difference_low=np.maximum(between.low, -1).tolist(),
        difference_high=np.minimum(between.high, 1).tolist(),
        gain_chance=gain_chance(found[0], found[1]).tolist(),
        level=LEVEL,
        replicates=replicates,
        seed=seed,
    )


def k_beyond(n: int, up_to: int | None) -> IntArray:
    """Powers of two above n, up to and with the largest k asked for.

    Raises:
        ConfigError: as `predict_beyond`.
    """
    if n < 2:
        raise ConfigError(
            "one sample a problem says nothing of pass@k beyond it: at least 2 samples of every "
            "problem are needed, and 16 are where the predictions were tried"
        )
    last = max(min(REACH * n, FURTHEST), 2 * n) if up_to is None else up_to
    if not n < last <= _FURTHEST_ALLOWED:
        raise ConfigError(
            f"a prediction reaches beyond the samples: up to a k above {n} and at most "
            f"{_FURTHEST_ALLOWED}, got {last}; up to {n} pass@k is measured"
        )
    powers = [1 << i for i in range(n.bit_length(), last.bit_length()) if n < 1 << i < last]
    return np.array([*powers, last], dtype=np.int64)


def _check_predictor(name: str) -> None:
    if name == "plug-in":
        raise ConfigError(
            "the plug-in 1 - (1 - c/n)^k is refused beyond n: it takes every unsolved problem for "
            "out of reach, and from 16 samples of the DeepScaleR counts it mostly calls the loss "
            "at k=128 a gain; use the range over models"
        )
    if name != "range":
        raise ConfigError(f"predictor {name!r} is not known; use range")


class _Side:
    """One model's distinct counts, and which of them each distinct pair has."""

    def __init__(self, counts: IntArray, weight: FloatArray) -> None:
        self.rows, inverse = np.unique(counts, axis=0, return_inverse=True)
        self.member = np.zeros((len(counts), len(self.rows)))
        self.member[np.arange(len(counts)), inverse.ravel()] = 1.0
        self.weight = weight @ self.member

    def curves(self, weights: Weights, k: IntArray, rng: np.random.Generator) -> Curves:
        """The laws, under weights of the pairs."""
        mine = weights._replace(rows=weights.rows @ self.member, share=weights.share @ self.member)
        return curves(self.rows, mine, float(self.weight.sum()), k, rng)

    def prediction(self, found: Curves, k: IntArray) -> SidePrediction:
        """As the result holds it."""
        around = spread(found.point, found.draws, LEVEL, 1 / self.weight.sum())
        free: FreeRange = free_range(self.rows, self.weight, k, FREE_LEVEL)
        by_law = {name: row.tolist() for name, row in zip(LAWS, found.point, strict=True)}
        return SidePrediction(
            **by_law,
            middle=found.middle.tolist(),
            low=np.maximum(around.low, 0).tolist(),
            high=np.minimum(around.high, 1).tolist(),
            free_low=free.low.tolist(),
            free_high=free.high.tolist(),
            free_level=free.level,
            laws={name: _plain(law) for name, law in zip(LAWS, found.beta, strict=False)},
        )


def _plain(law: BetaLaw) -> dict[str, float]:
    return {name: float(value[0]) for name, value in law._asdict().items()}


def lines(prediction: Prediction) -> list[str]:
    """What the terminal prints: a heading, then one line a k, all as ranges."""
    out = [
        f"beyond n={prediction.n}, by model only (not part of the verdict); ranges over models at "
        f"{prediction.level * 100:g}%"
    ]
    for i, k in enumerate(prediction.k):
        sides = ", ".join(
            f"{name} {_side(side, i)}"
            for name, side in (("base", prediction.base), ("tuned", prediction.tuned))
        )
        low, high = prediction.difference_low[i], prediction.difference_high[i]
        out.append(f"pass@{k} {sides}, difference {low:+.3f} to {high:+.3f}")
    return [line.replace("0.", ".") for line in out]


def _side(side: SidePrediction, i: int) -> str:
    return (
        f"{side.low[i]:.3f} to {side.high[i]:.3f} (ZIBB {side.zibb[i]:.3f}, BB {side.bb[i]:.3f}; "
        f"model-free {side.free_low[i]:.2f} to {side.free_high[i]:.2f})"
    )
