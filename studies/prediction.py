"""Predictions of pass@128 from 16 samples a problem, held against all 128.

    python studies/prediction.py [SUBSAMPLES]

Four pairs of counts, 1,060 problems x 128 samples each: the released DeepScaleR counts; a heavy
tail, of which the tuned model lost half the rare successes for good; the bundled fake model and its
tuned twin, whose rates jump from 0 to .12 and leave nothing between; the fake model at temperature
1 and .6. Every subsample draws 16 of the 128 without replacement, predicts, and is held against the
share of problems solved in all 128. Printed for each model: mean error and its spread over
subsamples for the middle of BB and ZIBB, for each law and for the plug-in; how often the range and
the model-free range hold the truth, and their mean widths. Then how often the sign of tuned minus
base comes out right, by the middle and by each other predictor, and how often the range of the
difference holds. The last line of a pair says which of the bars hold: mean error at most .01 a
curve, sign right in at least 90%, range right in at least 85% a curve. 40 subsamples take two
minutes on one core.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from pathshift.analysis.beyond import Prediction, SidePrediction, predict_beyond
from pathshift.decoding.policy import Policy
from pathshift.models.fake import FakeModel
from pathshift.stats.passk import FloatArray, IntArray, best_with_replacement

PROBLEMS, N, SEEN = 1060, 128, 16
PREDICTORS = ("middle", "bb", "zibb", "smooth", "plug-in")

Counts = tuple[IntArray, IntArray]


def deepscaler() -> Counts:
    """DeepSeek-R1-Distill-Qwen-1.5B and DeepScaleR-1.5B (released, MIT)."""
    folder = files("pathshift") / "examples" / "deepscaler32k"
    sides = [(folder / f"{side}.jsonl").read_text().splitlines() for side in ("base", "tuned")]
    base, tuned = (np.array([(r["n"], r["c"]) for r in map(json.loads, s)]) for s in sides)
    return base, tuned


def heavy_tail() -> Counts:
    """A third nearly out of reach; tuned: better where it was good, half of the rare lost."""
    rng = np.random.default_rng(0)
    rare = 10 ** rng.uniform(-4, -2, PROBLEMS)
    base = np.where(rng.random(PROBLEMS) < 0.35, rare, rng.beta(0.5, 1.2, PROBLEMS))
    kept = base * (rng.random(PROBLEMS) >= 0.5)
    return drawn(base, np.where(base < 0.02, kept, np.minimum(1.5 * base, 0.999)), rng)


def fake_tuned() -> Counts:
    """fake:base and fake:tuned on sums."""
    return drawn(fake("base", 1.0), fake("tuned", 1.0), np.random.default_rng(1))


def fake_sharpened() -> Counts:
    """fake:base at temperature 1 and at .6."""
    return drawn(fake("base", 1.0), fake("base", 0.6), np.random.default_rng(2))


def fake(name: str, temperature: float) -> FloatArray:
    """The fake model's exact success rates on sums of two numbers."""
    model, policy = FakeModel(name=name), Policy(temperature=temperature)
    sums = [f"{100 + i} + {7 * i + 1}" for i in range(PROBLEMS)]
    return np.array([model.success_probability(s, policy) for s in sums])


def drawn(base: FloatArray, tuned: FloatArray, rng: np.random.Generator) -> Counts:
    """128 samples of every problem."""
    first, second = (
        np.stack([np.full(PROBLEMS, N), rng.binomial(N, p)], axis=1) for p in (base, tuned)
    )
    return first, second


PAIRS: tuple[Callable[[], Counts], ...] = (deepscaler, heavy_tail, fake_tuned, fake_sharpened)


def subsample(counts: IntArray, rng: np.random.Generator) -> IntArray:
    """16 of every problem's samples."""
    c = rng.hypergeometric(counts[:, 1], counts[:, 0] - counts[:, 1], SEEN)
    return np.stack([np.full(len(c), SEEN), c], axis=1)


def solved(counts: IntArray) -> float:
    """Share of the problems solved in all samples."""
    return float((counts[:, 1] > 0).mean())


def points(side: SidePrediction, counts: IntArray) -> list[float]:
    """Every predictor at k=128."""
    laws = [side.middle[-1], side.bb[-1], side.zibb[-1], side.smooth[-1]]
    return [*laws, best_with_replacement(counts[:, 0], counts[:, 1], N)]


def inside(low: float, value: float, high: float) -> bool:
    """Whether a range holds a value, rounding apart."""
    return low - 1e-9 <= value <= high + 1e-9


class Tally:
    """What one pair of counts gave, one entry a subsample."""

    def __init__(self, truth: tuple[float, float]) -> None:
        self.truth = truth
        self.errors: list[list[list[float]]] = []
        self.ranges: list[list[tuple[bool, float, bool, float]]] = []
        self.difference: list[tuple[bool, float]] = []

    def add(self, found: Prediction, seen: Counts) -> None:
        """Take one prediction."""
        sides = (found.base, found.tuned)
        self.errors.append(
            [
                [value - true for value in points(side, counts)]
                for side, counts, true in zip(sides, seen, self.truth, strict=True)
            ]
        )
        self.ranges.append([self._held(s, t) for s, t in zip(sides, self.truth, strict=True)])
        low, high = found.difference_low[-1], found.difference_high[-1]
        self.difference.append((inside(low, self.truth[1] - self.truth[0], high), high - low))

    def _held(self, side: SidePrediction, true: float) -> tuple[bool, float, bool, float]:
        low, high, free = side.low[-1], side.high[-1], (side.free_low[-1], side.free_high[-1])
        return (
            inside(low, true, high),
            high - low,
            inside(free[0], true, free[1]),
            free[1] - free[0],
        )

    def tell(self) -> None:
        """Print the lines of this pair."""
        errors, ranges = np.array(self.errors), np.array(self.ranges, dtype=float).mean(axis=0)
        for i, side in enumerate(("base", "tuned")):
            told = " ".join(
                f"{mean:+.4f} ({spread:.3f})"
                for mean, spread in zip(
                    errors[:, i].mean(axis=0), errors[:, i].std(axis=0), strict=True
                )
            )
            held = "  ".join(f"{share:.3f} {width:.3f}" for share, width in ranges[i].reshape(2, 2))
            print(f"  {side:<5} {self.truth[i]:.4f}  {told}  {held}")
        signs = self.signs(errors)
        held, width = np.array(self.difference, dtype=float).mean(axis=0)
        shares = ", ".join(f"{n} {s:.3f}" for n, s in zip(PREDICTORS, signs, strict=True))
        gap = self.truth[1] - self.truth[0]
        print(f"  sign of {gap:+.4f} right: {shares}; range {held:.3f} {width:.3f}")
        mean = abs(errors[:, :, 0].mean(axis=0))
        bars = {"error": bool((mean <= 0.01).all()), "sign": bool(signs[0] >= 0.9)}
        bars["range"] = bool((ranges[:, 0] >= 0.85).all())
        print("  bars: " + ", ".join(f"{n} {'holds' if b else 'FAILS'}" for n, b in bars.items()))

    def signs(self, errors: FloatArray) -> npt.NDArray[np.float64]:
        """Share of subsamples in which tuned minus base has the true sign, by predictor."""
        gap = self.truth[1] - self.truth[0]
        right = np.sign(errors[:, 1] - errors[:, 0] + gap) == np.sign(gap)
        out: npt.NDArray[np.float64] = right.mean(axis=0)
        return out


def main(subsamples: int) -> None:
    """Print the table, one block a pair."""
    print(f"{subsamples} subsamples of {SEEN} of {N}, predicting k={N}; mean error (spread)")
    print(f"  side  truth   {'  '.join(f'{name:^14}' for name in PREDICTORS)}  range  model-free")
    for number, pair in enumerate(PAIRS):
        counts = pair()
        tally = Tally((solved(counts[0]), solved(counts[1])))
        for seed in range(subsamples):
            rng = np.random.default_rng([number, seed])
            seen = subsample(counts[0], rng), subsample(counts[1], rng)
            tally.add(predict_beyond(*seen, up_to=N, seed=seed), seen)
        print(pair.__name__)
        tally.tell()
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
