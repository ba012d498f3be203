"""One model's counts together with how they were drawn: so many each, or until a rule stopped.

Whoever needs miss probabilities asks here and need not know which of the two it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathshift.stats.passk import (
    FloatArray,
    IntArray,
    PairedTable,
    miss_table,
    variance_of,
    variance_table,
)
from pathshift.stats.stopping import StoppingRule, free_paths, miss_of_stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Counts of one model, one row a problem.

    Attributes:
        n: Judged samples.
        c: Correct ones among them.
        failed: Samples without a judgement.
        rule: What ended every problem's draws; None where that had nothing to do with outcomes.
    """

    n: IntArray
    c: IntArray
    failed: IntArray
    rule: StoppingRule | None = None

    @classmethod
    def plain(cls, counts: IntArray) -> Drawn:
        """From columns n and c, drawn without looking at outcomes."""
        return cls(n=counts[:, 0], c=counts[:, 1], failed=np.zeros(len(counts), dtype=np.int64))

    @property
    def reach(self) -> IntArray:
        """Largest k that each problem speaks of: n, or under a rule the cap less what failed."""
        return self.n if self.rule is None else self.rule.cap - self.failed

    @property
    def counts(self) -> IntArray:
        """Columns n and c."""
        return np.column_stack([self.n, self.c])

    @property
    def rows(self) -> IntArray:
        """Columns n, c and failed: all that `misses` depends on. Failed is 0 without a rule."""
        failed = self.failed if self.rule is not None else np.zeros_like(self.failed)
        return np.column_stack([self.n, self.c, failed])

    def with_rows(self, rows: IntArray) -> Drawn:
        """The same way of drawing for other counts, given as `rows`."""
        return Drawn(n=rows[:, 0], c=rows[:, 1], failed=rows[:, 2], rule=self.rule)

    def misses(self, k_max: int) -> FloatArray:
        """Unbiased chance that k fresh draws all miss, k = 1..k_max, shape (Q, k_max).

        Raises:
            ValueError: as `miss_table` and `miss_of_stopped`.
        """
        if self.rule is None:
            return miss_table(self.n, self.c, k_max)
        return miss_of_stopped(self.n, self.c, self.rule, k_max, self.failed)

    def variances(self, k_max: int) -> FloatArray:
        """Unbiased variance of each entry of `misses`; NaN where 2k is out of reach."""
        if self.rule is None:
            return variance_table(self.n, self.c, k_max)
        out = np.full((len(self.n), k_max), np.nan)
        for reach in np.unique(self.reach):
            known = min(k_max, int(reach) // 2)
            here = self.reach == reach
            if known:
                out[here, :known] = variance_of(self.with_rows(self.rows[here]).misses(2 * known))
        return out

    def curve(self, k_max: int) -> FloatArray:
        """Mean pass@k over problems, k = 1..k_max; cost grows with the distinct counts."""
        rows, weight = np.unique(self.rows, axis=0, return_counts=True)
        mean: FloatArray = 1 - weight @ self.with_rows(rows).misses(k_max) / weight.sum()
        return mean

    def cut(self, k: int, rng: np.random.Generator) -> IntArray:
        """Columns n and c for counting who solved what in k draws, as `solved_cells` takes them.

        A stopped problem is cut to its first k draws: they all miss with the chance `misses` gives,
        since all paths to where it ended are equally likely. At k = cap nothing is random.
        """
        if self.rule is None:
            return self.counts
        is_solved = rng.random(len(self.n)) >= self.misses(k)[:, k - 1]
        return np.column_stack([np.full(len(self.n), k), is_solved.astype(np.int64)])

    def shares(self) -> IntArray:
        """Columns m and s such that s/m estimates each success rate without bias.

        A problem that its only success ended, whose unbiased estimate is 0, keeps (n, 1), so that
        it is not taken for unsolved.
        """
        if self.rule is None:
            return self.counts
        paths = free_paths(self.n, self.c, self.rule, self.failed)
        is_only = (paths.successes == 0) & (self.c > 0)
        return np.where(is_only[:, None], self.counts, np.column_stack(paths))


def paired_misses(base: Drawn, tuned: Drawn, k: IntArray) -> PairedTable:
    """Miss probabilities of two models on the same problems, one row per distinct pair of counts.

    Args:
        k: Increasing k within the reach of every problem of both, shape (K,).
    """
    rows, weight = np.unique(np.hstack([base.rows, tuned.rows]), axis=0, return_counts=True)
    k_max, column = int(k[-1]), k - 1
    return PairedTable(
        weight.astype(float),
        base.with_rows(rows[:, :3]).misses(k_max)[:, column],
        tuned.with_rows(rows[:, 3:]).misses(k_max)[:, column],
    )
