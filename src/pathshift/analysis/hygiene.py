"""How samples ended, side by side, and whether that alone could explain a difference.

A model that runs into the token limit, or whose answers the verifier cannot read, looks as if it
could not solve a problem. The rule here: leave out of both sides the samples that were cut (or
unreadable) and not correct, as if they would have been right as often as the others of the same
problem, and see what remains of the difference where it was certified.

Stop texts and end tokens are not told apart: the store says only that a sample ended by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pathshift.analysis.draws import Draws
from pathshift.analysis.pairing import Pair
from pathshift.analysis.result import Comparison, Range, plain_values
from pathshift.records import CountTable, Outcome, ProblemCount
from pathshift.stats.bands import bayesian_band, dirichlet_weights
from pathshift.stats.passk import FloatArray, IntArray, miss_table
from pathshift.stats.thinning import thinned_miss

CELLS = ("all", "base_only", "tuned_only")
"""All problems; solved at least once by the base and never by the tuned model; the reverse."""

REASONS = ("truncated", "unparsed", "either")
LEFT = 0.5
"""A difference of which less than this share remains is one that the reason could account for."""


class Rate(NamedTuple):
    """A mean over problems with its 95% interval; None where nothing is known."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndsOfSide:
    """How one side's samples ended, over one set of problems.

    Attributes:
        problems: In the set.
        truncated: Share cut by the token limit.
        unparsed: Share in which the verifier found no answer.
        ended: Share that ended by itself, by a stop text or the end token.
        failed: Share without a judgement.
        tokens: Mean tokens of a sample.
    """

    problems: int
    truncated: Rate
    unparsed: Rate
    ended: Rate
    failed: Rate
    tokens: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """The difference at certified k without the samples that a reason spoilt.

    Attributes:
        reason: One of `REASONS`.
        share: Of both sides' samples, left out.
        k: Certified k that were looked at.
        before, after: tuned minus base.
        turns: k at which the sign is another afterwards, or nothing remains.
        shrinks: Certified ranges throughout which less than half remains. Where both curves near 1
            a difference shrinks by itself, so one k alone says nothing.
        is_exact: Whether it is known which of the spoilt samples were correct; else none of them is
            taken to be, and the recount shows the most that the reason could do.
    """

    reason: str
    share: Mapping[str, float]
    k: list[int]
    before: list[float]
    after: list[float]
    turns: list[int]
    shrinks: list[Range]
    is_exact: bool

    @property
    def warning(self) -> str | None:
        """One line where the reason could explain the difference; None where it could not."""
        inside = [k for r in self.shrinks for k in self.k if r.low <= k <= r.high]
        flagged = self.turns or inside
        if not flagged:
            return None
        i = max(map(self.k.index, flagged), key=lambda at: abs(self.before[at]))
        word = "turn" if self.turns else "account for most of"
        limit = "" if self.is_exact else " at most"
        return (
            f"{_NOUN[self.reason]} alone could {word} this: without such samples "
            f"({self.share['base']:.0%} of the base's, {self.share['tuned']:.0%} of the tuned "
            f"model's) the difference at k={self.k[i]} is {self.after[i]:+.3f}{limit} instead of "
            f"{self.before[i]:+.3f}"
        )


_NOUN = {
    "truncated": "truncation",
    "unparsed": "unreadable answers",
    "either": "truncation and unreadable answers together",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """Both sides by cell, the recounts, and the warnings that follow from them."""

    ends: Mapping[str, Mapping[str, EndsOfSide]]
    recounts: list[Recount]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what `compare --json` writes under `hygiene`."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain


def hygiene(
    pair: Pair,
    result: Comparison,
    draws: Mapping[str, Draws | None] | None = None,
    *,
    seed: int = 0,
    replicates: int = 2000,
) -> Hygiene | None:
    """How samples ended on either side, and whether it could explain what was certified.

    Args:
        pair: The counts that were compared.
        result: The comparison: where it certified a difference.
        draws: The samples of "base" and "tuned", where they can be read: then it is known which
            truncated ones were correct.

    Returns:
        None if neither side says how its samples ended. No recount where a rule that looks at
        outcomes ended the draws.
    """
    if not any(_says(table) for table in (pair.base, pair.tuned)):
        return None
    rng = np.random.default_rng([seed, 71])
    cells = _cells(pair)
    ends = {
        cell: {
            side: ends_of(_picked(getattr(pair, side), flags), rng, replicates)
            for side in ("base", "tuned")
        }
        for cell, flags in cells.items()
    }
    is_plain = not (pair.base.is_stopped or pair.tuned.is_stopped)
    recounts = _recounts(pair, result, draws or {}) if is_plain else []
    said = [recount.warning for recount in recounts]
    # Both reasons together are only worth a line where neither alone got one.
    alone = [line for line in said[:2] if line]
    warnings = alone or [line for line in said if line]
    return Hygiene(ends=ends, recounts=recounts, warnings=warnings)


def _says(table: CountTable) -> bool:
    return any(p.truncated is not None or p.unparsed is not None for p in table.counts)


def _cells(pair: Pair) -> dict[str, npt.NDArray[np.bool_]]:
    base, tuned = (pair.counts(side)[:, 1] > 0 for side in ("base", "tuned"))
    return {
        "all": np.ones(len(base), dtype=bool),
        "base_only": base & ~tuned,
        "tuned_only": ~base & tuned,
    }


def _picked(table: CountTable, flags: npt.NDArray[np.bool_]) -> list[ProblemCount]:
    return [p for p, keep in zip(table.counts, flags, strict=True) if keep]


def ends_of(
    counts: Sequence[ProblemCount], rng: np.random.Generator, replicates: int = 2000
) -> EndsOfSide:
    """How the samples of some problems ended; the intervals are over problems like these."""

    def share(field: Callable[[ProblemCount], int | None]) -> Rate:
        return _rate([_per_sample(p, field(p)) for p in counts], rng, replicates)

    return EndsOfSide(
        problems=len(counts),
        truncated=share(lambda p: p.truncated),
        unparsed=share(lambda p: p.unparsed),
        ended=share(_ended),
        failed=share(lambda p: p.failed),
        tokens=_mean_tokens([_per_sample(p, p.n_tokens) for p in counts], rng, replicates),
    )


def _ended(p: ProblemCount) -> int | None:
    """Samples neither cut nor failed."""
    if p.truncated is None:
        return None
    return max(0, p.n - p.truncated)


def _per_sample(p: ProblemCount, total: int | None) -> float | None:
    return None if total is None else total / max(1, p.n + (p.failed or 0))


def _rate(values: Sequence[float | None], rng: np.random.Generator, replicates: int) -> Rate:
    """Mean share over problems with the house's interval; problems are what could differ."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return Rate(None, None, None)
    weights = dirichlet_weights(np.ones(len(known)), replicates, rng)
    band = bayesian_band(weights, np.array(known)[:, None], (0.0, 1.0), 0.95)
    return Rate(float(np.mean(known)), float(band.low[0]), float(band.high[0]))


def _mean_tokens(values: Sequence[float | None], rng: np.random.Generator, replicates: int) -> Rate:
    """Tokens have no upper end, so no end atoms: the plain Bayesian bootstrap of Rubin (1981)."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return Rate(None, None, None)
    gamma = rng.standard_exponential((replicates, len(known)))
    means = gamma @ np.array(known) / gamma.sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Rate(float(np.mean(known)), float(low), float(high))


def _recounts(pair: Pair, result: Comparison, draws: Mapping[str, Draws | None]) -> list[Recount]:
    ranges = [*result.gain_certified, *result.loss_certified]
    if not ranges:
        return []
    found = [_recount(reason, pair, draws, ranges, result.k) for reason in REASONS]
    return [recount for recount in found if recount is not None]


def _looked_at(ranges: Sequence[Range], grid: Sequence[int]) -> IntArray:
    """Both ends and the middle of every certified range."""
    found = set()
    for low, high in ranges:
        inside = [k for k in grid if low <= k <= high]
        found |= {inside[0], inside[len(inside) // 2], inside[-1]}
    return np.array(sorted(found))


def _recount(
    reason: str, pair: Pair, draws: Mapping[str, Draws | None], ranges: Sequence[Range],
    grid: Sequence[int],
) -> Recount | None:  # fmt: skip
    spoilt = {
        side: _spoilt(reason, getattr(pair, side), draws.get(side)) for side in ("base", "tuned")
    }
    if any(lost is None for lost in spoilt.values()):
        return None
    lost = {side: found for side, found in spoilt.items() if found is not None}
    if not any(found.any() for found in lost.values()):
        return None
    counts = {side: pair.counts(side) for side in lost}
    k, none = _looked_at(ranges, grid), np.zeros(len(pair.base.counts), dtype=np.int64)
    before = _difference(counts["base"], counts["tuned"], none, none, k)
    after = _difference(counts["base"], counts["tuned"], lost["base"], lost["tuned"], k)
    left = after * np.sign(before)
    is_small = left < LEFT * np.abs(before)
    return Recount(
        reason=reason,
        share={side: float(lost[side].sum() / counts[side][:, 0].sum()) for side in lost},
        k=k.tolist(),
        before=before.tolist(),
        after=after.tolist(),
        turns=k[left <= 0].tolist(),
        shrinks=[r for r in ranges if is_small[(k >= r.low) & (k <= r.high)].all()],
        is_exact=reason == "unparsed" or all(draws.get(side) is not None for side in lost),
    )


def _spoilt(reason: str, table: CountTable, draws: Draws | None) -> IntArray | None:
    """Judged samples of each problem that the reason spoilt and that were not correct, (Q,)."""
    if draws is not None:
        is_lost = ~np.isin(draws.outcome, (Outcome.CORRECT.value, Outcome.FAILED.value))
        flags = {"truncated": draws.finish == "length", "unparsed": draws.outcome == "unparsed"}
        flags["either"] = flags["truncated"] | flags["unparsed"]
        return draws.counted(flags[reason] & is_lost, [p.id for p in table.counts])
    fields = ("truncated", "unparsed") if reason == "either" else (reason,)
    columns = [[getattr(p, field) for p in table.counts] for field in fields]
    if any(value is None for column in columns for value in column):
        return None
    most = np.array([p.n - p.c for p in table.counts], dtype=np.int64)
    return np.asarray(np.minimum(np.array(columns, dtype=np.int64).sum(axis=0), most))


def _difference(
    base: IntArray, tuned: IntArray, lost_base: IntArray, lost_tuned: IntArray, k: IntArray
) -> FloatArray:
    """Mean pass@k, tuned minus base, with some wrong samples of each problem left out, shape (K,).

    Up to what remains of a problem on the smaller side it is unbiased. Beyond, both sides are cut
    to that many samples and drawn from with replacement: too low, but for both alike. A problem of
    which nothing remains counts as one that could have been solved.
    """
    sides = [
        np.column_stack([s[:, 0] - m, s[:, 1]]) for s, m in ((base, lost_base), (tuned, lost_tuned))
    ]
    smaller = np.minimum(sides[0][:, 0], sides[1][:, 0])
    base_miss, tuned_miss = (
        _misses(side, np.where(smaller > 0, smaller, side[:, 0]), k) for side in sides
    )
    mean: FloatArray = (base_miss - tuned_miss).mean(axis=0)
    return mean


def _misses(counts: IntArray, size: IntArray, k: IntArray) -> FloatArray:
    """Chance that k draws miss, by problem, of counts (n, c) cut to a size where k exceeds it."""
    out = np.zeros((len(counts), len(k)))
    for i, ((n, c), m) in enumerate(zip(counts, size, strict=True)):
        if n == 0:
            continue
        known = k[k <= m]
        if len(known):
            out[i, : len(known)] = miss_table(np.array([n]), np.array([c]), int(known[-1]))[
                0, known - 1
            ]
        beyond = k[k > m]
        if len(beyond):
            out[i, len(known) :] = thinned_miss(int(n), int(c), int(m), beyond)
    return out
