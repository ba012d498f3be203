"""Looks at two runs that are drawn on until the comparison is decided, the error shared by all.

Every look has its own cap, and its estimates are without bias for every k up to it, because each
side stops by its own outcomes (stats.stopping). When to look again depends on what was seen, so the
looks share one error: what all of them together claim falsely, they claim in at most 5% of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pathshift.analysis.pairing import Pair, pair_up
from pathshift.analysis.result import Range, plain_values
from pathshift.analysis.settings import versions
from pathshift.analysis.verdict import BoolArray, Certified, allowed_by_floor, certify, word_of
from pathshift.errors import ConfigError
from pathshift.records import CountTable
from pathshift.stats.bands import dirichlet_weights
from pathshift.stats.looks import Looks
from pathshift.stats.passk import FloatArray, IntArray, floor_curve

RETEST_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetestSettings:
    """How a retest is judged.

    Attributes:
        looks: Looks among which the error is shared; all of them planned before the first.
        at: The k at which it must be decided; None if any k will do.
        level: Chance that all bands of all looks hold.
        replicates: Bootstrap draws.
        seed: Of the draws.
        floor: Null policy's success probability for every problem, where the data state none.
    """

    looks: int
    at: int | None = None
    level: float = 0.95
    replicates: int = 20_000
    seed: int = 0
    floor: float | None = None

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if self.looks < 1:
            raise ConfigError(f"looks must be at least 1, got {self.looks}")
        if self.at is not None and self.at < 1:
            raise ConfigError(f"the k to decide at must be at least 1, got {self.at}")
        if not 0.5 <= self.level < 1:
            raise ConfigError(f"level must be from .5 to below 1, got {self.level}; .95 is usual")
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise ConfigError(f"floor must be a share from 0 to 1, got {self.floor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetestLook:
    """One look. Lists over k have the length of `k`.

    Attributes:
        cap: Draws at which a problem stopped anyway.
        samples: Judged samples of both models so far.
        open: Problems on which at least one model has not enough successes yet.
        is_decided: Whether the k asked for, or any, is certified.
    """

    cap: int
    samples: int
    open: int
    k: list[int]
    base: list[float]
    tuned: list[float]
    difference: list[float]
    low: list[float]
    high: list[float]
    gain_certified: list[Range]
    loss_certified: list[Range]
    is_decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Retested:
    """All looks and what they come to.

    Attributes:
        word: As in a comparison; from the last look, whose certified k are those of powers of two.
    """

    word: str
    sentence: str
    looks: list[RetestLook]
    settings: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values({"schema": RETEST_SCHEMA, **asdict(self)})
        return plain


class Retest:
    """Takes the looks in order of their caps.

    Args:
        base: Counts of the base at the first look: its problems are those of all looks, judged or
            not.
        tuned: The same of the tuned model.
    """

    def __init__(self, base: CountTable, tuned: CountTable, settings: RetestSettings) -> None:
        self.settings, self.taken = settings, list[RetestLook]()
        pair_up(base, tuned)  # refuses what no look could compare
        # Also those whose draws have all failed so far: a later look may have a judged one.
        ids = [p.id for p in base.counts]
        self._places = {problem_id: i for i, problem_id in enumerate(ids)}
        rng = np.random.default_rng([settings.seed, 3])
        weights = dirichlet_weights(np.ones(len(ids)), settings.replicates, rng)
        self._looks = Looks(weights, settings.level, settings.looks)

    def look(self, base: CountTable, tuned: CountTable) -> RetestLook:
        """The next look: both runs as they stood when their cap was the one in their settings."""
        pair = pair_up(base, tuned)
        sides = pair.drawn("base"), pair.drawn("tuned")
        rule = sides[0].rule
        assert rule is not None, "a retest looks at stopped runs"
        reach = int(min(side.reach.min() for side in sides))
        k = _grid(reach, self.settings.at)
        missed, caught = (side.misses(int(k[-1]))[:, k - 1] for side in sides)
        places = [self._places[p.id] for p in pair.base.counts]
        band = self._looks.band(missed - caught, np.array(places))
        assert band is not None, "more looks than were planned"
        certified = certify(k, band.low, band.high, self._allowed(pair, 1 - missed.mean(axis=0), k))
        ranges = [*certified.gain, *certified.loss]
        at = self.settings.at
        found = RetestLook(
            cap=rule.cap,
            samples=int(sum(side.n.sum() for side in sides)),
            open=int(np.logical_or(*(side.c < rule.successes for side in sides)).sum()),
            k=k.tolist(),
            base=(1 - missed.mean(axis=0)).tolist(),
            tuned=(1 - caught.mean(axis=0)).tolist(),
            difference=(missed - caught).mean(axis=0).tolist(),
            low=band.low.tolist(),
            high=band.high.tolist(),
            gain_certified=certified.gain,
            loss_certified=certified.loss,
            is_decided=any(at is None or r.low <= at <= r.high for r in ranges),
        )
        self.taken.append(found)
        return found

    def _allowed(self, pair: Pair, base: FloatArray, k: IntArray) -> BoolArray:
        stated = pair.floors(self.settings.floor)
        return allowed_by_floor(base, None if stated is None else floor_curve(stated, k))

    def result(self) -> Retested:
        """What the looks so far come to."""
        last = self.taken[-1]
        settings = self.settings
        return Retested(
            word=_word(last),
            sentence=_sentence(self.taken, settings),
            looks=self.taken,
            settings={**asdict(settings), "versions": versions(("pathshift", "numpy"))},
        )


def _grid(reach: int, at: int | None) -> IntArray:
    asked = {at} if at is not None and at <= reach else set()
    return np.array(sorted({reach, *asked, *(2**i for i in range(reach.bit_length()))}))


def _word(look: RetestLook) -> str:
    return word_of(Certified(look.gain_certified, look.loss_certified))


def _sentence(looks: Sequence[RetestLook], settings: RetestSettings) -> str:
    last = looks[-1]
    looks_shared = "one look" if settings.looks == 1 else f"all {settings.looks} looks"
    shared = f"{settings.level * 100:g}% over {looks_shared}"
    where = "" if settings.at is None else f" at k={settings.at}"
    parts = [
        f"{name} certified for {' and '.join(_spell(r) for r in ranges)}"
        for name, ranges in (("gain", last.gain_certified), ("loss", last.loss_certified))
        if ranges
    ]
    said = ", ".join(parts)
    if not last.is_decided:
        elsewhere = f"; {said}" if said else ""
        return f"Undecided{where} after {last.cap} draws a problem{elsewhere} ({shared})."
    return f"{said[0].upper()}{said[1:]} at look {len(looks)} ({shared})."


def _spell(found: Range) -> str:
    return f"k={found.low}" if found.low == found.high else f"k={found.low}..{found.high}"
