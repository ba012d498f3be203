"""Single problems and their sums: certainty classes, the support kept and found, failed samples."""

from __future__ import annotations

import numpy as np

from pathshift.analysis.notes import has_bounds
from pathshift.analysis.pairing import Pair
from pathshift.analysis.result import Certainty, Share, Support
from pathshift.stats.bands import Weights
from pathshift.stats.certainty import (
    CLASSES,
    certainty_classes,
    reachable_below,
    support_intervals,
    support_ratios,
)
from pathshift.stats.drawn import Drawn
from pathshift.stats.exact import Interval
from pathshift.stats.passk import FloatArray, IntArray, miss_table


def classes_of(base: Drawn, tuned: Drawn) -> list[str]:
    """The certainty class of every problem; empty texts where a rule stopped either side."""
    if base.rule is not None or tuned.rule is not None:
        return [""] * len(base.n)
    return [CLASSES[i] for i in certainty_classes(base.counts, tuned.counts)]


def certainty(classes: list[str], base: Drawn, tuned: Drawn) -> Certainty | None:
    """How many problems there are of each class."""
    if "" in classes:
        return None
    return Certainty(
        **{name: classes.count(name) for name in CLASSES},
        below=reachable_below(int(min(base.n.min(), tuned.n.min()))),
    )


def cell_shares(base: FloatArray, tuned: FloatArray) -> FloatArray:
    """Chance of each problem to be in the cells both, base only, tuned only, neither, (Q, 4).

    Args:
        base, tuned: Miss probabilities at one k, shape (Q,).
    """
    return np.column_stack(
        [(1 - base) * (1 - tuned), (1 - base) * tuned, base * (1 - tuned), base * tuned]
    )


def support(k: int, shares: FloatArray, weights: Weights, level: float) -> Support:
    """The three ratios of the expected cells, with their intervals.

    Args:
        shares: A row for each row of the weights, shape (U, 4).
    """
    both, base_only, tuned_only, _ = (float(x) for x in weights.share @ shares)
    points = support_ratios(both, base_only, tuned_only)
    edges = support_intervals(shares, weights, level)
    found = [_share(point, edge) for point, edge in zip(points, edges, strict=True)]
    return Support(k=k, srr=found[0], ndr=found[1], nscr=found[2])


def _share(point: float, edge: Interval) -> Share:
    if np.isnan(point):
        return Share(None, None, None)
    return Share(point, min(edge.low, point), max(edge.high, point))


def failed_bounds(pair: Pair, k: IntArray) -> dict[str, dict[str, list[float]]] | None:
    """Each side's pass@k with failed samples as wrong (`low`) and as right; None if none failed."""
    if not has_bounds(pair):
        return None
    return {
        side: {
            name: _curve(pair.with_failed(side, right=right), k)
            for name, right in (("low", False), ("high", True))
        }
        for side in ("base", "tuned")
    }


def _curve(counts: IntArray, k: IntArray) -> list[float]:
    miss = miss_table(counts[:, 0], counts[:, 1], int(k[-1]))[:, k - 1]
    return [float(v) for v in 1 - miss.mean(axis=0)]
