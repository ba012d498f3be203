"""The boundary per training step: checkpoints against one base, the error shared by all looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from pathshift.analysis.pairing import Pair, drawn, pair_up
from pathshift.analysis.result import plain_values
from pathshift.analysis.settings import versions
from pathshift.analysis.verdict import allowed_by_floor
from pathshift.errors import ConfigError, CountsError
from pathshift.records import CountTable
from pathshift.stats.bands import Weights, dirichlet_weights
from pathshift.stats.looks import Looks
from pathshift.stats.passk import FloatArray, IntArray, floor_curve

WATCH_SCHEMA = 1
LOOKS = 64
REPLICATES = 20_000
"""A look may spend a 64th of 5%: 16 draws of so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How a run is watched.

    Attributes:
        level: Chance that all bands of all steps hold.
        looks: Steps among which the error is shared.
        replicates: Bootstrap draws.
        seed: Of the draws.
        floor: Null policy's success probability for every problem, where the data state none.
    """

    level: float = 0.95
    looks: int = LOOKS
    replicates: int = REPLICATES
    seed: int = 0
    floor: float | None = None

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 0.5 <= self.level < 1:
            raise ConfigError(f"level must be from .5 to below 1, got {self.level}; .95 is usual")
        if not 1 <= self.looks <= 1000:
            raise ConfigError(f"looks must be 1 to 1000, got {self.looks}")
        if not 200 <= self.replicates <= 1_000_000:
            raise ConfigError(f"replicates must be 200 to 1000000, got {self.replicates}")
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise ConfigError(f"floor must be a share from 0 to 1, got {self.floor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """Counts of one training step, and what the trainer says of it besides.

    `step` is None for a base that is no step of the run.
    """

    step: int | None
    table: CountTable
    entropy: float | None = None
    truncated: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStep:
    """One checkpoint.

    Attributes:
        k: Powers of two up to the smallest n, and that n.
        curve: pass@k at each k.
        difference, low, high: Against the base at each k; None where there is no band.
        n_problems: Problems with a judged sample.
        n_common: Those of them that the base has too.
        entropy: Mean entropy in nats.
        truncated: Share of samples cut by the token limit.
        is_pareto: No other step is better at pass@1 and pass@k both.
        why_not: Why there is no band.
        barred: k at which no word is given, because blind guessing reaches half of the base there.
    """

    step: int | None
    name: str
    n_problems: int
    n_common: int
    n_samples: int
    k: list[int]
    curve: list[float]
    difference: list[float] | None
    low: list[float] | None
    high: list[float] | None
    entropy: float | None
    truncated: float | None
    is_pareto: bool = False
    why_not: str = ""
    barred: list[int] = field(default_factory=list)

    @property
    def gain_at(self) -> list[int]:
        """k at which a gain is certified."""
        lows = zip(self.k, self.low or [], strict=False)
        return [k for k, low in lows if low > 0 and k not in self.barred]

    @property
    def loss_at(self) -> list[int]:
        """k at which a loss is certified."""
        highs = zip(self.k, self.high or [], strict=False)
        return [k for k, high in highs if high < 0 and k not in self.barred]

    @property
    def certified(self) -> str:
        """What is certified, in words: "gain k=1, 2; loss k=16"; empty if nothing is."""
        found = (("gain", self.gain_at), ("loss", self.loss_at))
        return "; ".join(f"{word} k={', '.join(map(str, ks))}" for word, ks in found if ks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A training run so far.

    Attributes:
        base: The base's own curve, as a step without difference.
        loss_since: First step of the unbroken run of steps, up to the last, at which a loss of
            coverage is certified; None if the last step has none.
    """

    base: WatchedStep
    steps: list[WatchedStep]
    loss_since: int | None
    sentence: str
    notes: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what `--json` writes."""
        values: dict[str, Any] = plain_values({"schema": WATCH_SCHEMA, **asdict(self)})
        for step, entry in zip(self.steps, values["steps"], strict=True):
            entry |= {"gain_at": step.gain_at, "loss_at": step.loss_at}
        return values


def watch_steps(
    base: StepTable, steps: Sequence[StepTable], settings: WatchSettings | None = None
) -> Watched:
    """Every step against the base, in their order; the same steps give the same bands, whatever
    comes after them.

    Args:
        base: What the steps are compared with, usually the first of them or the base model.
        steps: In the order of training.
    """
    settings = settings or WatchSettings()
    usable = [p for p in base.table.counts if p.n > 0]
    if not usable:
        raise CountsError(f"{base.table.name}: no problem has a judged sample")
    weights = _weights(len(usable), settings)
    looks = Looks(weights, settings.level, settings.looks)
    places = {p.id: i for i, p in enumerate(usable)}
    later = [_watched(s, base, places, looks, settings.floor) for s in steps]
    first, *watched = _with_pareto([_alone(base, ""), *later])
    since = _loss_since(watched)
    return Watched(
        base=first,
        steps=watched,
        loss_since=since,
        sentence=_sentence(watched, since, settings),
        notes=_notes(watched, looks, settings),
        settings={
            "level": settings.level, "looks": settings.looks, "looks_taken": looks.taken,
            "replicates": settings.replicates, "seed": settings.seed,
            "versions": versions(("pathshift", "numpy")),
        },
    )  # fmt: skip


def _weights(n_problems: int, settings: WatchSettings) -> Weights:
    rng = np.random.default_rng([settings.seed, 2])
    return dirichlet_weights(np.ones(n_problems), settings.replicates, rng)


def _grid(n_min: int) -> IntArray:
    return np.array(sorted({n_min, *(2**i for i in range(31) if 2**i <= n_min)}))


def _miss(table: CountTable, k: IntArray) -> FloatArray:
    return drawn(table).misses(int(k[-1]))[:, k - 1]


def _alone(step: StepTable, why_not: str) -> WatchedStep:
    """A step by itself, without a base."""
    judged = [p for p in step.table.counts if p.n > 0]
    alone = replace(step.table, counts=tuple(judged))
    k = _grid(int(drawn(alone).reach.min()) if judged else 1)
    miss = 1 - _miss(alone, k) if judged else np.zeros((1, 1))
    cut = [p.truncated for p in step.table.counts]
    total = sum(p.n + (p.failed or 0) for p in step.table.counts)
    known = None if None in cut or not total else sum(c or 0 for c in cut) / total
    entropy = step.entropy if step.entropy is not None else step.table.settings.get("entropy")
    return WatchedStep(
        step=step.step,
        name=step.table.name,
        n_problems=len(judged),
        n_common=0,
        n_samples=total,
        k=k.tolist(),
        curve=miss.mean(axis=0).tolist(),
        difference=None,
        low=None,
        high=None,
        entropy=entropy,
        truncated=step.truncated if known is None else known,
        why_not=why_not,
    )


def _watched(
    step: StepTable,
    base: StepTable,
    places: Mapping[str, int],
    looks: Looks,
    floor: float | None,
) -> WatchedStep:
    """A step against the base, on the problems that both were asked."""
    try:
        pair = pair_up(base.table, step.table, common=True)
    except CountsError:
        return _alone(step, "its problems are not the base's")
    if 2 * len(pair.base.counts) < len(places):
        return _alone(step, f"it shares {len(pair.base.counts)} of {len(places)} problems only")
    own = _alone(step, "")
    k = _grid(int(min(pair.drawn("base").reach.min(), pair.drawn("tuned").reach.min())))
    missed = _miss(pair.base, k)
    rows = missed - _miss(pair.tuned, k)
    band = looks.band(rows, np.array([places[p.id] for p in pair.base.counts]))
    return replace(
        own,
        n_common=len(pair.base.counts),
        k=k.tolist(),
        curve=(1 - _miss(pair.tuned, k)).mean(axis=0).tolist(),
        difference=rows.mean(axis=0).tolist(),
        low=None if band is None else band.low.tolist(),
        high=None if band is None else band.high.tolist(),
        why_not="the planned looks are spent (--looks)" if band is None else "",
        barred=_barred(pair, k, 1 - missed.mean(axis=0), floor),
    )


def _barred(pair: Pair, k: IntArray, base: FloatArray, floor: float | None) -> list[int]:
    stated = pair.floors(floor)
    curve = None if stated is None else floor_curve(stated, k)
    barred: list[int] = k[~allowed_by_floor(base, curve)].tolist()
    return barred


def _with_pareto(steps: list[WatchedStep]) -> list[WatchedStep]:
    """Marks the steps, base included, that no other beats at pass@1 and at the largest common k."""
    k_top = max(set.intersection(*(set(step.k) for step in steps)))
    points = [(s.curve[0], s.curve[s.k.index(k_top)]) for s in steps]
    return [
        replace(step, is_pareto=not any(_beats(other, point) for other in points))
        for step, point in zip(steps, points, strict=True)
    ]


def _beats(other: tuple[float, float], point: tuple[float, float]) -> bool:
    return other != point and other[0] >= point[0] and other[1] >= point[1]


def _loss_since(steps: Sequence[WatchedStep]) -> int | None:
    since = None
    for step in reversed(steps):
        if step.low is None:
            continue
        if not _loses_coverage(step):
            break
        since = step.step
    return since


def _loses_coverage(step: WatchedStep) -> bool:
    return any(k > 1 for k in step.loss_at)


def _sentence(steps: Sequence[WatchedStep], since: int | None, settings: WatchSettings) -> str:
    shared = f"{settings.level * 100:g}% over all {settings.looks} looks"
    if since is not None:
        last = next(s for s in reversed(steps) if s.low is not None)
        ks = [k for k in last.loss_at if k > 1]
        return (
            f"Coverage loss certified since step {since} (at step {last.step} for "
            f"k={ks[0]}{f'..{ks[-1]}' if len(ks) > 1 else ''}; {shared})."
        )
    lost = [step.step for step in steps if _loses_coverage(step)]
    if lost:
        return f"Coverage loss was certified at step {lost[-1]}, not at the last one ({shared})."
    gained = [step.step for step in steps if 1 in step.gain_at]
    gain = f" Gain at k=1 certified from step {gained[0]} on." if gained else ""
    return f"No coverage loss is certified at any step ({shared}).{gain}"


def _notes(steps: Sequence[WatchedStep], looks: Looks, settings: WatchSettings) -> list[str]:
    notes = [f"step {step.step}: no band, {step.why_not}" for step in steps if step.why_not]
    shown = notes[:3]
    if len(notes) > 3:
        shown.append(f"{len(notes) - 3} more steps have no band")
    partial = [step for step in steps if step.low is not None and step.n_common < step.n_problems]
    if partial:
        shown.append(f"{len(partial)} steps are compared on the problems they share with the base")
    return shown
