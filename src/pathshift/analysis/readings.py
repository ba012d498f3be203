"""What else the counts of one run say beside pass@k: reliability, guessing, verifier error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pathshift.analysis.pairing import Pair, drawn
from pathshift.analysis.settings import check_false_positive
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.cover import cover_at, g_pass_at_k, mg_pass_at_k
from pathshift.stats.drawn import Drawn
from pathshift.stats.floors import raised, solved_beyond_floor, without_false_positives
from pathshift.stats.passk import FloatArray, IntArray, floor_curve

TAU = 0.5
"""G-pass@k asks for this share of the k draws."""

COVER_AT = (0.01, 0.1, 0.5, 0.9)
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One k. Numbers are None where what they need is unknown or was not asked for.

    Attributes:
        floor: What blind guessing reaches.
        g_pass: Chance that at least half of k draws are right; None where a rule that looked at
            outcomes ended the draws.
        corrected: pass@k without the verifier's false positives; below 0 where their rate explains
            more than all successes.
        no_ability: What guessing and the verifier's false positives alone reach.
    """

    k: int
    value: float
    floor: float | None
    g_pass: float | None
    corrected: float | None
    no_ability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverPoint:
    """Share of problems with success probability at least tau; bounds hold in expectation."""

    tau: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BeyondFloor:
    """Problems solved beyond what guessing and the verifier's false positives explain.

    Attributes:
        problems: With at least one judged sample.
        any_success: Solved at least once: pass@n, guesses included.
        solved: Named solved, error controlled over all problems.
        by_chance: Expected to be solved at least once by the null alone.
    """

    problems: int
    any_success: int
    solved: int
    by_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything, for k at powers of two and at the smallest number of samples.

    Attributes:
        mg_pass: Mean G-pass@k over shares above one half, at the largest k; 0 at k = 1. It and
            `cover` are None where a rule that looked at outcomes ended the draws.
        beyond: None if a problem does not state its floor.
    """

    curve: list[CurvePoint]
    mg_pass: float | None
    cover: list[CoverPoint] | None
    beyond: BeyondFloor | None
    false_positive: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the curve's value is called `pass`."""
        plain = asdict(self)
        plain["curve"] = [{"pass": row.pop("value"), **row} for row in plain["curve"]]
        return plain


def readings(table: CountTable, *, false_positive: float | None = None) -> Readings | None:
    """Beside pass@k: G-pass@k, Cover@tau, floors and what is solved beyond them.

    Args:
        false_positive: Chance that the verifier takes a wrong answer for right, from 0 to below 1.

    Returns:
        None if no problem has a judged sample.

    Raises:
        ConfigError: The rate is out of its range.
    """
    check_false_positive(false_positive)
    usable = [p for p in table.counts if p.n]
    if not usable:
        return None
    counts = drawn(replace(table, counts=tuple(usable)))
    n, c, floor = counts.n, counts.c, floors_of(usable)
    k = ladder(int(counts.reach.min()))
    covered = [CoverPoint(tau=t, **cover_at(n, c, t, level=LEVEL)._asdict()) for t in COVER_AT]
    return Readings(
        curve=_curve(counts, k, floor, false_positive),
        mg_pass=None if table.is_stopped else mg_pass_at_k(n, c, int(k[-1])),
        cover=None if table.is_stopped else covered,
        # Under a stopping rule P(Bin(n, g) >= c) is still the chance of so many so soon.
        beyond=None if floor is None else beyond_floor(counts, floor, false_positive or 0.0),
        false_positive=false_positive,
    )


def pair_readings(
    pair: Pair, floors: FloatArray | None, *, false_positive: float | None = None
) -> dict[str, Readings]:
    """The readings of both sides of a comparison, by `base` and `tuned`, under one floor.

    Args:
        floors: Null policy's success probability by problem, shape (Q,); None if unknown.
    """
    known = [None] * len(pair.base.counts) if floors is None else floors.tolist()
    found = {
        name: readings(_with_floors(side, known), false_positive=false_positive)
        for name, side in (("base", pair.base), ("tuned", pair.tuned))
    }
    return {name: side for name, side in found.items() if side is not None}


def _with_floors(table: CountTable, floors: Sequence[float | None]) -> CountTable:
    pairs = zip(table.counts, floors, strict=True)
    return replace(table, counts=tuple(replace(p, floor=floor) for p, floor in pairs))


def ladder(largest: int) -> IntArray:
    """Powers of two up to `largest`, and `largest`."""
    return np.array(sorted({largest, *(2**i for i in range(31) if 2**i <= largest)}))


def floors_of(counts: Sequence[ProblemCount]) -> FloatArray | None:
    """The floors of all problems; None if one is unknown."""
    known = [p.floor for p in counts if p.floor is not None]
    return np.array(known) if len(known) == len(counts) else None


def beyond_floor(counts: Drawn, floor: FloatArray, false_positive: float = 0.0) -> BeyondFloor:
    """Count what `solved_beyond_floor` names, beside what plain pass@n would."""
    c = counts.c
    named = solved_beyond_floor(counts.n, c, floor, false_positive=false_positive, level=LEVEL)
    null = raised(floor, false_positive)
    return BeyondFloor(
        problems=len(c),
        any_success=int((c > 0).sum()),
        solved=int(named.is_solved.sum()),
        # A guesser under a rule goes on to the cap until it hits, wherever the model stopped.
        by_chance=float((1 - (1 - null) ** counts.reach).sum()),
    )


def _curve(
    counts: Drawn, k: IntArray, floor: FloatArray | None, rate: float | None
) -> list[CurvePoint]:
    values = counts.curve(int(k[-1]))[k - 1]
    floors = None if floor is None else floor_curve(floor, k)
    corrected = None if rate is None else without_false_positives(values, k, rate)
    guessing = np.zeros(1) if floor is None else floor
    alone = None if rate is None else floor_curve(raised(guessing, rate), k)
    return [
        CurvePoint(
            k=int(k[i]),
            value=float(values[i]),
            floor=None if floors is None else float(floors[i]),
            g_pass=None if counts.rule else g_pass_at_k(counts.n, counts.c, int(k[i]), TAU),
            corrected=None if corrected is None else float(corrected[i]),
            no_ability=None if alone is None else float(alone[i]),
        )
        for i in range(len(k))
    ]
