"""What stopping a problem early saves, and what it costs in precision, on released counts.

1,060 problems x 128 samples of two models (examples/deepscaler32k). Each problem's 128 outcomes are
put into random order and drawn until a rule ends: a pilot, then r successes or 128 draws. Printed
for each rule: the share of the draws, the same in units as `pathshift sample` draws them (16 after
the pilot, the surplus thrown away), and the standard error of the difference of the two curves over
that of all draws. First for "problems like these" (the question a band answers; the bars are on
it), where the choice of problems is part of both errors; then for these problems held fixed, where
only the noise of sampling is. What stopping adds is exact, summed over every stopping point; so is
the spread over problems; the noise that all draws leave open is the unbiased variance (2k <= 128;
at k = 128 both are one number). A replay with seeded orders checks shares, means and cells.

    python studies/stopping.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from math import comb
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pathshift.rollout.course import STOPPED_UNIT
from pathshift.stats.passk import FloatArray, IntArray, miss_table, variance_table
from pathshift.stats.stopping import StoppingRule, miss_of_stopped

RELEASED = Path(__file__).parents[1] / "src" / "pathshift" / "examples" / "deepscaler32k"
CAP = 128
K = np.arange(1, CAP + 1)
SHOWN = np.array([1, 2, 4, 8, 16, 32, 64, 128])
RULES = ((1, 2), (4, 2), (8, 2), (8, 3), (8, 4), (16, 2), (16, 4), (32, 2))
FEWEST, EVERY_K = (4, 2), (8, 4)
"""The rules the bars are for: at most 20% of the draws, and precise at every k."""
REPEATS = 100
Z = 4.0


class Stopped(NamedTuple):
    """One model under one rule, exactly."""

    draws: float
    in_units: float
    added: FloatArray


def released(side: str) -> IntArray:
    """Correct ones among the 128 of each problem."""
    lines = (RELEASED / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()
    return np.array([json.loads(line)["c"] for line in lines])


def points(rule: StoppingRule) -> Iterator[tuple[int, int, int]]:
    """Every stopping point (n, c) with the number of paths to it."""
    for c in range(rule.pilot + 1):
        if c >= rule.successes or rule.pilot == rule.cap:
            yield rule.pilot, c, comb(rule.pilot, c)
    for n in range(max(rule.pilot + 1, rule.successes), rule.cap + 1):
        yield n, rule.successes, comb(n - 1, rule.successes - 1)
    if rule.pilot < rule.cap:
        for c in range(rule.successes):
            yield rule.cap, c, comb(rule.cap, c)


def in_units(n: IntArray, rule: StoppingRule) -> IntArray:
    """Draws made to reach n, the surplus of the last unit included."""
    beyond = np.maximum(n - rule.pilot, 0)
    made: IntArray = np.minimum(rule.pilot + -(-beyond // STOPPED_UNIT) * STOPPED_UNIT, rule.cap)
    return made


def exactly(correct: IntArray, rule: StoppingRule) -> Stopped:
    """Draws per problem, and the variance that stopping adds to the mean at each k."""
    values, problems = np.unique(correct, return_counts=True)
    ends = list(points(rule))
    n, c = (np.array([end[i] for end in ends]) for i in (0, 1))
    # Chance of ending there: orders of all 128 outcomes that do, over all orders.
    chance = np.array(
        [
            [
                paths * comb(CAP - at, int(all_right) - right) / comb(CAP, int(all_right))
                if all_right >= right
                else 0.0
                for at, right, paths in ends
            ]
            for all_right in values
        ]
    )
    assert np.allclose(chance.sum(axis=1), 1)
    miss = miss_of_stopped(n, c, rule, CAP)
    mean, square = chance @ miss, chance @ miss**2
    assert np.allclose(mean, miss_table(np.full(len(values), CAP), values, CAP))
    added = problems @ (square - mean**2) / len(correct) ** 2
    share = problems @ chance / len(correct)
    return Stopped(float(share @ n), float(share @ in_units(n, rule)), added)


def left_open(correct: IntArray) -> FloatArray:
    """Variance of the mean by k from all 128 draws; NaN where 2k exceeds them."""
    values, problems = np.unique(correct, return_counts=True)
    variance = variance_table(np.full(len(values), CAP), values, CAP)
    out: FloatArray = problems @ variance / len(correct) ** 2
    return out


def replay(correct: IntArray, rule: StoppingRule, rng: np.random.Generator) -> IntArray:
    """Where one random order of each problem's outcomes ends: columns n and c."""
    order = np.argsort(rng.random((len(correct), CAP)), axis=1)
    right = np.cumsum(order < correct[:, None], axis=1)
    draws = np.arange(1, CAP + 1)
    ends = (draws >= rule.pilot) & (right >= rule.successes)
    ends[:, -1] = True
    last = ends.argmax(axis=1)
    return np.column_stack([last + 1, right[np.arange(len(correct)), last]])


def check_replay(sides: list[IntArray], rule: StoppingRule, found: list[Stopped]) -> None:
    """The command's own function on seeded orders: shares, means and cells as they should be."""
    rng = np.random.default_rng([rule.pilot, rule.successes])
    for correct, exact in zip(sides, found, strict=True):
        means, draws = np.empty((REPEATS, len(K))), np.empty(REPEATS)
        for i in range(REPEATS):
            ended = replay(correct, rule, rng)
            miss = miss_of_stopped(ended[:, 0], ended[:, 1], rule, CAP)
            assert ((ended[:, 1] > 0) == (correct > 0)).all()
            means[i], draws[i] = miss.mean(axis=0), ended[:, 0].mean()
        truth = miss_table(np.full(len(correct), CAP), correct, CAP).mean(axis=0)
        allowed = Z * np.sqrt(exact.added / REPEATS) + 1e-12
        assert (np.abs(means.mean(axis=0) - truth) <= allowed).all()
        assert abs(draws.mean() - exact.draws) < 0.5


class Row(NamedTuple):
    """One rule, both models."""

    rule: StoppingRule
    draws: float
    in_units: float
    like_these: FloatArray
    held_fixed: FloatArray


def row_of(rule: StoppingRule, sides: list[IntArray]) -> Row:
    """Shares of the draws and both ratios of standard errors at every k."""
    found = [exactly(correct, rule) for correct in sides]
    check_replay(sides, rule, found)
    added = found[0].added + found[1].added
    assert added[-1] < 1e-15
    misses = [miss_table(np.full(len(c), CAP), c, CAP) for c in sides]
    spread = (misses[0] - misses[1]).var(axis=0, ddof=1) / len(sides[0])
    noise = left_open(sides[0]) + left_open(sides[1])
    return Row(
        rule,
        (found[0].draws + found[1].draws) / 2 / CAP,
        (found[0].in_units + found[1].in_units) / 2 / CAP,
        np.sqrt(1 + added / spread),
        np.where(K == CAP, 1.0, np.sqrt(1 + added / noise)),
    )


def bars(rows: list[Row]) -> list[tuple[str, bool]]:
    """What is asked of the recommended rules, and whether they do it."""
    said = []
    for row in rows:
        rule = row.rule
        name = f"pilot {rule.pilot}, then {rule.successes}"
        if (rule.pilot, rule.successes) == FEWEST:
            top = float(row.like_these[K >= 64].max())
            said.append((f"{name}: {row.draws:.1%} of the draws, bar 20%", row.draws <= 0.20))
            said.append((f"{name}: {top:.3f} for k >= 64, bar 1.05", top <= 1.05))
        if (rule.pilot, rule.successes) == EVERY_K:
            top = float(row.like_these.max())
            said.append((f"{name}: {row.draws:.1%} of the draws, bar 27%", row.draws <= 0.27))
            said.append((f"{name}: {top:.3f} at every k, bar 1.35", top <= 1.35))
    return said


def main() -> None:
    """Print the tables and whether the bars hold."""
    sides = [released("base"), released("tuned")]
    rules = [StoppingRule(pilot=pilot, successes=r, cap=CAP) for pilot, r in RULES]
    rows = [row_of(rule, sides) for rule in rules]
    print(f"{len(sides[0])} problems, cap {CAP}; standard error of tuned - base over uniform's")
    for title, field in (("problems like these", "like_these"), ("held fixed", "held_fixed")):
        print(f"\n{title}\npilot  then  draws  in units  " + "  ".join(f"k={k:<4}" for k in SHOWN))
        for row in rows:
            print(
                f"{row.rule.pilot:>5}  {row.rule.successes:>4}  {row.draws:>5.1%}  "
                f"{row.in_units:>8.1%}  "
                + "  ".join(f"{v:.3f} " for v in getattr(row, field)[SHOWN - 1])
            )
    print(f"\ncells the same in all {REPEATS} replays of each rule and side; means within {Z:g} se")
    found = bars(rows)
    for said, holds in found:
        print(f"{'holds' if holds else 'FAILS'}: {said}")
    sys.exit(not all(holds for _, holds in found))


if __name__ == "__main__":
    main()
