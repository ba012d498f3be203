"""Sampling that stops by itself, and its exact pass@k: a pilot, then r successes or a cap.

Where a problem's draws end depends on what they were, so the plain estimate from (n, c) is biased.
Given where it ended, all paths that lead there are equally likely, whatever the success
probability; the share of them that begins with k misses is an unbiased estimate of (1-p)^k for
every k up to the cap (Girshick, Mosteller and Savage 1946). It exists for all those k because a
path without a success never ends before the cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from pathshift.stats.passk import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """When a problem has been drawn often enough; the draws are looked at in their order.

    Attributes:
        pilot: Judged draws that every problem gets.
        successes: Stop from then on as soon as so many were right.
        cap: Draws after which to stop anyway, failed ones included.
    """

    pilot: int
    successes: int
    cap: int

    def __post_init__(self) -> None:
        """Check that the three can be kept together."""
        if not 1 <= self.pilot <= self.cap:
            raise ValueError(f"the pilot must be 1 to the cap {self.cap}, got {self.pilot}")
        if not 1 <= self.successes <= self.cap:
            raise ValueError(f"successes must be 1 to the cap {self.cap}, got {self.successes}")

    @classmethod
    def from_settings(cls, value: Mapping[str, Any]) -> StoppingRule:
        """From the mapping that `as_settings` gives.

        Raises:
            ValueError: a part is missing, unknown, or no whole number within its range.
        """
        if set(value) != {"pilot", "successes", "cap"}:
            raise ValueError(f"a stopping rule has pilot, successes and cap, got {sorted(value)}")
        if any(not isinstance(v, int) or isinstance(v, bool) for v in value.values()):
            raise ValueError(f"a stopping rule holds whole numbers, got {dict(value)}")
        return cls(**value)

    def as_settings(self) -> dict[str, int]:
        """As a count table's settings hold it."""
        return asdict(self)

    def stop_at(self, successes: int, draws: int, failed: int = 0) -> bool:
        """Whether to draw no more.

        Args:
            successes: Right ones among the judged draws so far.
            draws: Judged draws so far.
            failed: Draws without a judgement so far.

        >>> rule = StoppingRule(pilot=8, successes=2, cap=64)
        >>> rule.stop_at(2, 7), rule.stop_at(2, 8), rule.stop_at(0, 64)
        (False, True, True)
        """
        has_enough = draws >= self.pilot and successes >= self.successes
        return has_enough or draws + failed >= self.cap


class Paths(NamedTuple):
    """Counts (m, s) for which C(m-k, s) / C(m, s) is the share of paths that begin with k misses.

    Stopped by the r-th success, the last draw is known to be right and only the others are free:
    (n-1, r-1). Stopped at the pilot or at the cap all draws are free: (n, c).
    """

    draws: IntArray
    successes: IntArray


def free_paths(
    n: IntArray, c: IntArray, rule: StoppingRule, failed: IntArray | None = None
) -> Paths:
    """The free part of the paths to each stopping point.

    Raises:
        ValueError: the rule cannot have stopped there; names the problem's position.
    """
    lost = np.zeros_like(n) if failed is None else failed
    is_by_success = (n > rule.pilot) & (c == rule.successes)
    is_by_pilot = (n == rule.pilot) & (c >= rule.successes)
    is_capped = (n + lost == rule.cap) & ((c < rule.successes) | (n <= rule.pilot))
    is_possible = (c >= 0) & (c <= n) & (lost >= 0) & (n >= 1) & (n + lost <= rule.cap)
    bad = np.flatnonzero(~is_possible | ~(is_by_success | is_by_pilot | is_capped))
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"problem {i} with c={c[i]}, n={n[i]} does not stand where sampling stops (pilot "
            f"{rule.pilot}, then {rule.successes} successes or {rule.cap} draws)"
        )
    known = is_by_success.astype(np.int64)
    return Paths(n - known, c - known)


def miss_of_stopped(
    n: IntArray, c: IntArray, rule: StoppingRule, k_max: int, failed: IntArray | None = None
) -> FloatArray:
    """Unbiased (1-p)^k for k = 1..k_max, one row a problem: the share of paths with k misses first.

    Each column is the last one times (m-s-k)/(m-k), as in `miss_table`; 0 where k goes beyond the
    free draws, since a path that long without a success would not have ended there.

    Args:
        n: Judged draws per problem when it stopped, shape (Q,).
        c: Correct ones among them, shape (Q,).
        rule: By which every problem was stopped.
        k_max: Largest k, at most the cap less the most draws that failed in one problem.
        failed: Draws without a judgement, shape (Q,); None for none. They count towards the cap
            only, so that failing may depend on the problem but not on being right.

    Returns:
        Shape (Q, k_max); column j holds k = j + 1.

    Raises:
        ValueError: a problem does not stand where the rule stops, or k_max is out of range.
    """
    paths = free_paths(n, c, rule, failed)
    reach = rule.cap - (0 if failed is None else int(failed.max(initial=0)))
    if not 1 <= k_max <= reach:
        raise ValueError(
            f"pass@{k_max} needs a cap of at least {k_max} judged draws, it is {reach}; "
            "raise the cap or ask for a smaller k"
        )
    left = paths.draws[:, None] - np.arange(k_max)
    wrong_left = np.maximum(left - paths.successes[:, None], 0)
    factors = np.where(left > 0, wrong_left / np.maximum(left, 1), 0.0)
    out: FloatArray = np.cumprod(factors, axis=1, dtype=np.float64)
    return out
