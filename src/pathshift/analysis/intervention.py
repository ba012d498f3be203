"""From which prefix on the base completes: access to a path against execution of it.

Reads the run folders that `pathshift intervene` draws. If the base, given the first tokens of a
tuned model's right answer, completes it far more often than it succeeds alone, then what it lacks
is the entrance, not the ability to go on ("Locked at the Entrance", arXiv 2608.29188: an unused
entrance raised completion from .018 to .212).

With the tuned model's own completions of the same prefixes the ratio of success rates splits
exactly, at each length: log(p_tuned / p_base) = log access + log execution, where execution is the
ratio of both models' completions from the same prefix, and access is the rest: what it is worth to
have come so far.

Covers problems like these, as `stats.bands`: clusters of problems are what is drawn at random. A
prefix that holds the answer is left out (`rollout.prefixes`), so a column speaks of the problems
that have not told it yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.intervention_result import (
    Curve,
    Estimate,
    Intervention,
    Point,
    ProblemPath,
    Split,
)
from pathshift.analysis.prefix_counts import Measured, measured
from pathshift.errors import ConfigError, RunError
from pathshift.stats.bands import rank_band
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.ragged import (
    Ragged,
    by_cluster,
    exponential_weights,
    log_mean_band,
    ragged_band,
    weighted_means,
)
from pathshift.store.prefixes import SOURCES, TUNED_RIGHT, TUNED_WRONG
from pathshift.store.run import RunFolder

FEW_CLUSTERS = 10
"""Below so many clusters of problems a note says that the band is mostly its end atoms."""


def intervention(
    base: Path,
    tuned: Path | None = None,
    *,
    level: float = 0.95,
    replicates: int = 4000,
    seed: int = 0,
) -> Intervention:
    """What prefixes of the tuned model's answers do for the base.

    Args:
        base: Run folder of the base's completions.
        tuned: The same of the tuned model, for the split into access and execution.
        level: Chance that a band holds at all lengths.

    Raises:
        RunError: a folder is of no prefix intervention, is not finished, or the two differ.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level must be above 0 and below 1, got {level}")
    config = RunFolder(base).manifest.config
    origin = config.get("prefixes")
    if not isinstance(origin, Mapping):
        raise RunError(f"{base} is no prefix intervention; make one with `pathshift intervene`")
    lengths = sorted(set(origin["at"]))
    ours = measured(base, lengths)
    theirs = None if tuned is None else measured(tuned, lengths)
    if theirs is not None and theirs.ids != ours.ids:
        raise RunError(f"{base} and {tuned} hold different problems; draw them by one command")
    settings = {"level": level, "replicates": replicates, "seed": seed,
                "base": dict(config), "selected": origin["problems"]}  # fmt: skip
    names = {"base": str(config.get("model")), "tuned": str(origin.get("model"))}
    return analysed(
        ours, theirs, names=names, unit=str(origin["unit"]), n=RunFolder(base).manifest.n,
        settings=settings,
    )  # fmt: skip


def analysed(
    ours: Measured,
    theirs: Measured | None,
    *,
    names: Mapping[str, str],
    unit: str,
    n: int,
    settings: Mapping[str, Any],
) -> Intervention:
    """The result from both models' arrays; `settings` holds level, replicates and seed."""
    level = settings["level"]
    n_clusters = len(set(ours.clusters))
    rng = np.random.default_rng(settings["seed"])
    weights = exponential_weights(n_clusters, settings["replicates"], rng)
    curves = [_curve(ours, source, weights, level) for source in SOURCES]
    right = curves[0].points[1:]
    held = [point for point in right if point.problems]
    certified = [p.length for p in held if p.gain.low is not None and p.gain.low > 0]
    first = _from_on([p.length for p in held], certified)
    over = _estimates(
        ours.rates[TUNED_RIGHT] - ours.rates[TUNED_WRONG], ours.cluster, weights, (-1.0, 1.0), level
    )
    return Intervention(
        names=names, unit=unit, n=n, n_problems=len(ours.ids), n_clusters=n_clusters,
        lengths=ours.lengths, curves=curves, over_wrong=over, certified=certified,
        certified_from=first,
        splits=None if theirs is None else _splits(ours, theirs, weights, level),
        sentence=_sentence(curves[0], first, certified, unit),
        problems=_problems(ours, theirs),
        notes=list(_notes(curves, over, n_clusters, names)), settings=settings,
    )  # fmt: skip


def _estimates(
    values: FloatArray,
    cluster: IntArray,
    weights: FloatArray,
    ends: tuple[float, float],
    level: float,
) -> list[Estimate]:
    """Mean of each column with its simultaneous band."""
    part = by_cluster(values, cluster)
    band = ragged_band(weights, part, ends, level)
    return [
        Estimate(*map(float, row)) if np.isfinite(row[0]) else Estimate(None)
        for row in zip(part.mean, band.low, band.high, strict=True)
    ]


def _curve(ours: Measured, source: str, weights: FloatArray, level: float) -> Curve:
    alone, rates = ours.alone[:, None], ours.rates[source]
    completion = _estimates(np.hstack([alone, rates]), ours.cluster, weights, (0.0, 1.0), level)
    gain = _estimates(rates - alone, ours.cluster, weights, (-1.0, 1.0), level)
    n_alone = int(np.isfinite(alone).sum())
    points = [
        Point(length=0.0, problems=n_alone, prefixes=0, leaked=0, short=0,
              completion=completion[0], gain=Estimate(0.0))
    ]  # fmt: skip
    for i, length in enumerate(ours.lengths):
        points.append(
            Point(
                length=length, problems=int(np.isfinite(rates[:, i]).sum()),
                prefixes=int(ours.prefixes[source][i]), leaked=int(ours.leaked[source][i]),
                short=int(ours.short[source][i]), completion=completion[i + 1], gain=gain[i],
            )
        )  # fmt: skip
    return Curve(source=source, points=points)


def _from_on(lengths: Sequence[float], certified: Sequence[float]) -> float | None:
    """The smallest length from which on all are certified."""
    found = None
    for length in reversed(lengths):
        if length not in certified:
            break
        found = length
    return found


def _splits(ours: Measured, theirs: Measured, weights: FloatArray, level: float) -> list[Split]:
    """Each length on the problems that both models have at it, so that the parts add up."""
    there = np.isfinite(ours.rates[TUNED_RIGHT] + theirs.rates[TUNED_RIGHT])
    there &= np.isfinite(ours.alone + theirs.alone)[:, None]
    sides = (
        ours.alone[:, None], theirs.alone[:, None],
        ours.rates[TUNED_RIGHT], theirs.rates[TUNED_RIGHT],
    )  # fmt: skip
    summed = [by_cluster(np.where(there, values, np.nan), ours.cluster) for values in sides]
    has_ratio = np.all([part.mean > 0 for part in summed], axis=0)
    told = iter(
        _ratios(
            [Ragged(p.sums[:, has_ratio], p.counts[:, has_ratio]) for p in summed], weights, level
        )
        if has_ratio.any()
        else []
    )
    nothing = (Estimate(None),) * 4
    return [
        _split(length, int(there[:, i].sum()), next(told) if has_ratio[i] else nothing)
        for i, length in enumerate(ours.lengths)
    ]


def _split(length: float, problems: int, parts: tuple[Estimate, ...]) -> Split:
    total, access, execution, share = parts
    return Split(
        length=length, problems=problems, total=total, access=access, execution=execution,
        share=share,
    )  # fmt: skip


def _ratios(
    parts: Sequence[Ragged], weights: FloatArray, level: float
) -> Iterable[tuple[Estimate, ...]]:
    """Total, access, execution and access's share of each column; all means are above 0.

    Args:
        parts: Base alone, tuned alone, base and tuned from the prefix.
    """
    combined = [(parts[:2], (-1, 1)), (parts, (-1, 1, 1, -1)), (parts[2:], (-1, 1))]
    bands = [log_mean_band(weights, some, signs, level) for some, signs in combined]
    base, tuned, base_at, tuned_at = (np.log(part.mean) for part in parts)
    executed = tuned_at - base_at
    values = (tuned - base, tuned - base - executed, executed)
    logs = [np.log(weighted_means(weights, part)) for part in parts]
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = (logs[1] - logs[0] - logs[3] + logs[2]) / (logs[1] - logs[0])
    shares = rank_band(np.nan_to_num(draws), level)
    for i in range(len(bands[0].low)):
        total, access, execution = (
            Estimate(float(value[i]), float(band.low[i]), float(band.high[i]))
            for value, band in zip(values, bands, strict=True)
        )
        share = Estimate(None)
        if bands[0].low[i] * bands[0].high[i] > 0:
            ratio = float(values[1][i] / values[0][i])
            share = Estimate(ratio, float(shares.low[i]), float(shares.high[i]))
        yield total, access, execution, share


def _problems(ours: Measured, theirs: Measured | None) -> list[ProblemPath]:
    found = []
    for i, name in enumerate(ours.ids):
        right = _counts(ours, i)
        tuned_right = _counts(theirs, i)
        tuned = None if theirs is None else (int(theirs.own[i, 0]), int(theirs.own[i, 1]))
        base = (int(ours.own[i, 0]), int(ours.own[i, 1]))
        total = _log_ratio(tuned, base)
        # Without the tuned model there is nothing to pair the counts with.
        execution = [_log_ratio(t, b) for t, b in zip(tuned_right, right, strict=False)]
        access = [None if total is None or x is None else total - x for x in execution]
        found.append(
            ProblemPath(
                id=name, cluster=ours.clusters[i], base=base, tuned=tuned, right=right,
                tuned_right=tuned_right, access=access, execution=execution,
            )
        )  # fmt: skip
    return found


def _counts(side: Measured | None, i: int) -> list[tuple[int, int] | None]:
    if side is None:
        return []
    pairs = zip(side.correct[TUNED_RIGHT][i], side.judged[TUNED_RIGHT][i], strict=True)
    return [(int(c), int(n)) if n else None for c, n in pairs]


def _log_ratio(above: tuple[int, int] | None, below: tuple[int, int] | None) -> float | None:
    if above is None or below is None or not above[0] or not below[0]:
        return None
    return float(np.log(above[0] / above[1] * below[1] / below[0]))


def spell(length: float, unit: str) -> str:
    """A length for a reader.

    >>> spell(4, "tokens"), spell(0.25, "characters")
    ('4 tokens', '25% of the characters')
    """
    if unit == "characters":
        return f"{length:.0%} of the characters"
    return f"{length:.0f} {unit if length != 1 else unit[:-1]}"


def _sentence(curve: Curve, first: float | None, certified: Sequence[float], unit: str) -> str:
    alone = curve.points[0].completion.value
    if first is not None:
        at = next(p for p in curve.points if p.length == first).completion
        return (
            f"From {spell(first, unit)} of the tuned model's right answers on, the base completes "
            f"more often than it succeeds alone: {at.value:.3f} [{at.low:.3f}, {at.high:.3f}] "
            f"against {alone:.3f}."
        )
    if certified:
        told = ", ".join(spell(length, unit) for length in certified)
        return f"The base completes more often than alone from {told}, not from all longer ones."
    return "undecided: from no length is the base certified to complete more often than alone."


def _notes(
    curves: Sequence[Curve], over: Sequence[Estimate], n_clusters: int, names: Mapping[str, str]
) -> Iterable[str]:
    right = curves[0].points[1:]
    leaked, short = (sum(getattr(p, name) for p in right) for name in ("leaked", "short"))
    if leaked:
        yield (
            f"{leaked} right prefixes hold the reference answer or are accepted as they are; they "
            "are left out, since completing them proves nothing: longer lengths speak of the "
            "problems whose answer comes later"
        )
    if short:
        yield f"{short} right prefixes are left out, their samples being no longer"
    if n_clusters < FEW_CLUSTERS:
        yield f"{n_clusters} independent clusters of problems: the bands are wide for that reason"
    if any(p.gain.low is not None and p.gain.low > 0 for p in curves[2].points[1:]):
        yield (
            "beginnings of wrong answers raise success too; what the right ones are worth above "
            "them is their difference"
        )
    if over and all(one.value is None for one in over):
        yield "no problem has both a right and a wrong beginning; the control is missing"
    if names["base"] == names["tuned"]:
        yield "the model continues its own kind of answers: this is a control, not an intervention"
