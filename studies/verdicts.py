"""Verdict words against known truth: 200 pairs of base and tuned over eight made-up populations.

Each pair is one draw of problems from a population, asked 64 times by either model and compared as
`pathshift compare` does it. A word is false if it names a gain or a loss at a k where the
population has none: the truth is the mean over a very large draw of problems. Power is the share
of pairs with a true gain (or loss) of more than .01 somewhere in which one is certified, beside
what an oracle reaches that knows how the estimate scatters in the population and needs the
narrowest band.

    python studies/verdicts.py [PAIRS]

"""

from __future__ import annotations

import sys
from collections import Counter
from typing import NamedTuple

import numpy as np
from band_coverage import N_SAMPLES, K, difference, oracle_width
from populations import POPULATIONS, ask, truth

from pathshift import compare
from pathshift.analysis.result import Range
from pathshift.stats.passk import FloatArray

SIZES = (30, 60, 200, 500)
LEAST = 0.01
"""A true difference below this is too small to be asked for."""


class Verdict(NamedTuple):
    """One pair: its word, whether the word is false, and what was and could have been seen."""

    word: str
    is_false: bool
    true_word: str
    sees: bool
    oracle_sees: bool


def word_of(true: FloatArray) -> str:
    """What a reader who knew the truth would say, in the words of the verdict."""
    gain, loss = np.flatnonzero(true > LEAST), np.flatnonzero(true < -LEAST)
    if not gain.size and not loss.size:
        return "none"
    if not loss.size:
        return "gain"
    if not gain.size:
        return "loss"
    return "gain_then_loss" if gain[0] < loss[0] else "loss_then_gain"


def is_true(ranges: list[Range], true: FloatArray, sign: int) -> bool:
    """Whether every certified k has a difference of that sign."""
    return all((sign * true[r.low - 1 : r.high] > 0).all() for r in ranges)


def judged(name: str, problems: int, seed: int, true: FloatArray, half: FloatArray) -> Verdict:
    """One pair of that population."""
    rng = np.random.default_rng([seed, problems])
    drawn = POPULATIONS[name](problems, rng)
    counts = ask(drawn, N_SAMPLES, rng)
    clusters = range(problems) if drawn.cluster is None else drawn.cluster.tolist()
    rows = [
        [
            {"id": str(i), "n": int(n), "c": int(c), "cluster": str(x)}
            for i, ((n, c), x) in enumerate(zip(side, clusters, strict=True))
        ]
        for side in counts
    ]
    found = compare(rows[0], rows[1], replicates=2000, seed=seed)
    right = is_true(found.gain_certified, true, 1) and is_true(found.loss_certified, true, -1)
    seen = difference(counts).mean(axis=0)
    return Verdict(
        word=found.verdict.word,
        is_false=not right,
        true_word=word_of(true),
        sees=right and found.verdict.word != "undecided",
        oracle_sees=bool((np.abs(seen) > half).any()),
    )


def main(pairs: int) -> None:
    """Print the confusion matrix of words, false words, and power, size by size."""
    each = max(1, pairs // len(POPULATIONS))
    truths = {name: truth(name, K) for name in POPULATIONS}
    for problems in SIZES:
        found: list[Verdict] = []
        for name, true in truths.items():
            half = oracle_width(name, problems) / 2
            found += [judged(name, problems, seed, true, half) for seed in range(each)]
        print(f"{problems} problems, {len(found)} pairs")
        table = Counter((v.true_word, v.word) for v in found)
        for (true_word, word), count in sorted(table.items()):
            print(f"  true {true_word:<15} said {word:<15} {count:>4}")
        decided = [v for v in found if v.true_word != "none"]
        ours, oracles = (np.mean([getattr(v, x) for v in decided]) for x in ("sees", "oracle_sees"))
        print(
            f"  false words {np.mean([v.is_false for v in found]):.3f}; power {ours:.3f}, an "
            f"oracle's {oracles:.3f}, share {ours / oracles if oracles else float('nan'):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
