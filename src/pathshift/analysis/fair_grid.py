"""Runs of one model under several settings, brought to one grid that both sides offer.

An envelope is fair only if both models had the same settings to choose from, and on the same
problems. What stands here says which settings those are, and refuses what is not a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pathshift.analysis.draws import Draws
from pathshift.analysis.pairing import Pair, pair_up
from pathshift.errors import ConfigError, CountsError
from pathshift.records import CountTable, ProblemCount
from pathshift.stats.passk import IntArray

SAMPLING = ("temperature", "top_p", "top_k", "min_p")
PROMPTING = ("template_hash", "mode", "system")
AXES = (*SAMPLING, *PROMPTING)
"""What makes a setting; everything else must be equal, or is told."""

Setting = tuple[Any, ...]
"""Values of `AXES`; None where a run does not say."""

_SHORT = {"temperature": "T", "top_p": "top-p", "top_k": "top-k", "min_p": "min-p"}
_EQUAL = ("task", "max_tokens", "stop", "verifier", "dtype")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRun:
    """One model under one setting: its counts and, where they are known, its samples."""

    table: CountTable
    draws: Draws | None = None

    @property
    def setting(self) -> Setting:
        """Values of `AXES`, every number as a float, so that 1 and 1.0 are one temperature."""
        values = (self.table.settings.get(axis) for axis in AXES)
        return tuple(float(v) if isinstance(v, int | float) else v for v in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Runs by setting on the same problems in the same order.

    Attributes:
        labels: Names of the common settings, in their order.
        base, tuned: Runs under the common settings, in the order of `labels`.
        missing: Settings that only the other side has, by side.
        pair: The first base run against the first tuned one, for clusters and floors.
        counts_by_run: Counts of the common problems, by the identity of the run.
        notes: What a reader must know of the grid.
    """

    labels: tuple[str, ...]
    base: tuple[SettingRun, ...]
    tuned: tuple[SettingRun, ...]
    missing: Mapping[str, tuple[str, ...]]
    pair: Pair
    counts_by_run: Mapping[int, tuple[ProblemCount, ...]]
    notes: tuple[str, ...]

    def counts_of(self, run: SettingRun) -> IntArray:
        """Columns n and c of one run, shape (Q, 2)."""
        return np.array([(p.n, p.c) for p in self.counts_by_run[id(run)]], dtype=np.int64)

    def ids_of(self, run: SettingRun) -> list[str]:
        """The run's own ids of the problems, in their common order."""
        return [p.id for p in self.counts_by_run[id(run)]]

    def counts(self, side: str) -> IntArray:
        """Columns n and c of one side under the common settings, shape (S, Q, 2)."""
        return np.array([self.counts_of(run) for run in getattr(self, side)], dtype=np.int64)


def common_grid(
    base: Sequence[SettingRun], tuned: Sequence[SettingRun], *, common: bool = False
) -> Grid:
    """The settings that both sides have, on the problems that all runs have.

    Args:
        base, tuned: At least one run each; the first ones are the reference.
        common: Pass over problems that a run lacks.

    Raises:
        ConfigError: two runs of a side are different models or share a setting, a run does not
            say how it was sampled, or a rule that looked at outcomes ended its draws.
        CountsError: runs hold different problems.
    """
    notes: list[str] = []
    for side, runs in (("base", base), ("tuned", tuned)):
        _check_side(side, runs, notes)
    dropped = _apart(base, tuned)
    keys = [_keyed(runs, dropped) for runs in (base, tuned)]
    shared = sorted(keys[0].keys() & keys[1].keys(), key=_order)
    labels = _labels([*keys[0], *keys[1]])
    missing = {
        "base": _names(labels, keys[1].keys() - keys[0].keys()),
        "tuned": _names(labels, keys[0].keys() - keys[1].keys()),
    }
    aligned = _aligned([*base, *tuned], common=common)
    notes += [*_dropped_notes(dropped), *_missing_notes(missing), *_unequal([*base, *tuned])]
    pair = pair_up(base[0].table, tuned[0].table, common=common)
    tables = {id(run): aligned[i] for i, run in enumerate([*base, *tuned])}
    return Grid(
        labels=tuple(labels[key] for key in shared),
        base=tuple(keys[0][key] for key in shared),
        tuned=tuple(keys[1][key] for key in shared),
        missing=missing,
        pair=_restricted(pair, tables[id(base[0])], tables[id(tuned[0])]),
        counts_by_run=tables,
        notes=tuple(notes),
    )


def model_of(table: CountTable) -> str | None:
    """What tells models apart: the hash of the weights, else how the model was named."""
    known = table.settings.get("weights_hash") or table.settings.get("model")
    return None if known is None else str(known)


def _check_side(side: str, runs: Sequence[SettingRun], notes: list[str]) -> None:
    first = runs[0]
    seen: dict[Setting, SettingRun] = {}
    for run in runs:
        name = run.table.name
        if run.table.is_stopped:
            raise ConfigError(
                f"{name} was sampled with a rule that looks at outcomes; an envelope needs runs "
                "of a fixed n (sample without --stop-at)"
            )
        if all(value is None for value in run.setting):
            raise ConfigError(
                f"{name} does not say how it was sampled ({', '.join(SAMPLING)}, template); an "
                "envelope over settings needs run folders or logs that do"
            )
        ours, theirs = model_of(first.table), model_of(run.table)
        if ours != theirs:
            raise ConfigError(
                f"{first.table.name} and {name} stand on the {side} side and are different models "
                f"({_named(first.table)} and {_named(run.table)}); an envelope is over settings "
                "of one model"
            )
        if run.setting in seen:
            raise ConfigError(
                f"{seen[run.setting].table.name} and {name} have the same setting; join them with "
                "`pathshift merge` or leave one out"
            )
        seen[run.setting] = run
    if model_of(first.table) is None:
        notes.append(f"{side}: the runs do not say which model drew them; taken as one")


def _named(table: CountTable) -> str:
    model, weights = (table.settings.get(key) for key in ("model", "weights_hash"))
    return f"{model}" if weights is None else f"{model}, weights {str(weights)[:12]}"


def _apart(base: Sequence[SettingRun], tuned: Sequence[SettingRun]) -> tuple[str, ...]:
    """Prompt axes that are one value within each side and another on the other.

    A base model asked for a completion and its chat-tuned child never share a template; asking
    for equality there would leave no grid at all.
    """
    apart = []
    for axis in PROMPTING:
        values = [{repr(r.table.settings.get(axis)) for r in runs} for runs in (base, tuned)]
        if all(len(found) == 1 for found in values) and values[0] != values[1]:
            apart.append(axis)
    return tuple(apart)


def _keyed(runs: Sequence[SettingRun], dropped: Sequence[str]) -> dict[Setting, SettingRun]:
    places = [i for i, axis in enumerate(AXES) if axis not in dropped]
    return {
        tuple(run.setting[i] if i in places else None for i in range(len(AXES))): run
        for run in runs
    }


def _order(setting: Setting) -> tuple[Any, ...]:
    return tuple((value is not None, repr(type(value)), value) for value in setting)


def _labels(settings: Sequence[Setting]) -> dict[Setting, str]:
    """Names made of the axes that vary, the temperature always among them."""
    varying = [
        i for i, axis in enumerate(AXES)
        if axis == "temperature" or len({setting[i] for setting in settings}) > 1
    ]  # fmt: skip
    return {
        setting: " ".join(f"{_SHORT.get(AXES[i], AXES[i])}={_shown(setting[i])}" for i in varying)
        for setting in settings
    }


def _names(labels: Mapping[Setting, str], settings: set[Setting]) -> tuple[str, ...]:
    return tuple(labels[setting] for setting in sorted(settings, key=_order))


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:20]


def _aligned(runs: Sequence[SettingRun], *, common: bool) -> list[tuple[ProblemCount, ...]]:
    """Each run's counts of the problems that all have, in the order of the first run."""
    first = runs[0].table
    found: list[dict[str, ProblemCount]] = []
    for run in runs:
        pair = pair_up(first, run.table, common=common)
        both = zip(pair.base.counts, pair.tuned.counts, strict=True)
        found.append({ours.id: theirs for ours, theirs in both})
    shared = set.intersection(*(set(by_id) for by_id in found))
    if not shared:
        raise CountsError("no problem has a judged sample in every run")
    order = [p.id for p in first.counts if p.id in shared]
    return [tuple(by_id[name] for name in order) for by_id in found]


def _restricted(
    pair: Pair, base: tuple[ProblemCount, ...], tuned: tuple[ProblemCount, ...]
) -> Pair:
    return replace(
        pair, base=replace(pair.base, counts=base), tuned=replace(pair.tuned, counts=tuned)
    )


def _dropped_notes(dropped: Sequence[str]) -> list[str]:
    return [
        f"{axis} differs between the sides and is one on each: not part of the grid, and mixed "
        "with training"
        for axis in dropped
    ]


def _missing_notes(missing: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [
        f"{side} lacks {', '.join(labels)}: left out, so that both choose from the same settings"
        for side, labels in missing.items()
        if labels
    ]


def _unequal(runs: Sequence[SettingRun]) -> list[str]:
    notes = []
    for name in _EQUAL:
        values = {repr(run.table.settings[name]) for run in runs if name in run.table.settings}
        if len(values) > 1:
            shown = " and ".join(sorted(value[:40] for value in values)[:3])
            notes.append(f"{name} differs among the runs ({shown}); the envelope mixes it in")
    return notes
