"""Base against tuned at each one's best setting: fair envelopes over temperature and template.

One temperature can turn a verdict: on AIME24 the tuned model of Yue et al. (2025) ends below its
base at T=.6 and above it at T=1.2. So both models get the same grid of settings, each its own best
at every k, chosen on one half of the samples and reported on the other; beside it a budget spread
over all settings, which chooses nothing, and equal budgets of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Unpack

import numpy as np

from pathshift.analysis.entropy_match import EntropyMatch, entropy_matched
from pathshift.analysis.equal_tokens import EqualTokens, equal_tokens
from pathshift.analysis.fair_grid import Grid, SettingRun, common_grid
from pathshift.analysis.hygiene import EndsOfSide, ends_of
from pathshift.analysis.notes import scale_of, shared_level
from pathshift.analysis.paired_rows import Curves, PairedRows, k_grid
from pathshift.analysis.result import Range, Verdict, plain_values
from pathshift.analysis.settings import Options, Settings, versions
from pathshift.analysis.verdict import allowed_by_floor, certify, verdict
from pathshift.errors import ConfigError
from pathshift.stats import envelope as stats
from pathshift.stats.passk import FloatArray, floor_curve

ENVELOPE_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Each side's best setting by k, chosen and read off on the same samples: biased upwards.

    Lists over `k`; `setting_base` and `setting_tuned` name the settings.
    """

    k: list[int]
    base: list[float]
    tuned: list[float]
    difference: list[float]
    setting_base: list[str]
    setting_tuned: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Both models at their best setting. Lists over k have the length of `k`.

    Attributes:
        settings: The common grid; every setting names the runs of both sides.
        missing: Settings that a side lacks, left out.
        k: Up to half of the samples, since one half chooses.
        fair: The envelopes, chosen on one half and reported on the other, and their difference.
        floor: What blind guessing reaches; None where unknown.
        chosen: By side and setting, the share of choices that fell on it at each k.
        naive: What choosing and reporting on the same samples would have said, at every k up to n.
        other_problems: Chosen on half of the problems and reported on the other half, up to n; None
            with fewer than two independent problems.
        mixed: k draws spread evenly over all settings: chooses nothing.
        by_setting: Both models under each setting alone, up to n; bands hold for all settings
            together.
        ends: By setting and side, how the samples ended.
        tokens: The same at equal budgets of tokens; None where samples do not say what they cost.
        entropy: The base's first run against the tuned model at equal entropy; None where unknown.
    """

    names: Mapping[str, str]
    verdict: Verdict
    n_problems: int
    settings: list[Mapping[str, Any]]
    missing: Mapping[str, Sequence[str]]
    k: list[int]
    fair: Curves
    floor: list[float] | None
    gain_certified: list[Range]
    loss_certified: list[Range]
    chosen: Mapping[str, Mapping[str, list[float]]]
    naive: Best
    other_problems: Curves | None
    mixed: Curves
    by_setting: Mapping[str, Curves]
    ends: Mapping[str, Mapping[str, EndsOfSide]]
    tokens: EqualTokens | None
    entropy: EntropyMatch | None
    notes: list[str]
    computed: Mapping[str, Any]

    def turned(self) -> tuple[list[str], list[str]] | None:
        """Settings with the tuned model ahead at the largest k, and behind; None unless both."""
        last = {label: curves.difference[-1] for label, curves in self.by_setting.items()}
        up, down = ([label for label, d in last.items() if d * sign > 0] for sign in (1, -1))
        return (up, down) if up and down else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what `compare --json` writes under `envelope`."""
        plain: dict[str, Any] = plain_values({"schema": ENVELOPE_SCHEMA, **asdict(self)})
        return plain


def fair_envelope(
    base: Sequence[SettingRun],
    tuned: Sequence[SettingRun],
    *,
    common: bool = False,
    splits: int = stats.SPLITS,
    **options: Unpack[Options],
) -> Envelope:
    """Whether the tuned model gained or lost against its base when both choose their setting.

    Args:
        base: Runs of the base under several settings; the first is the reference.
        tuned: The same of the tuned model.
        common: Compare the problems that all runs have, and pass over the others.
        splits: Random halvings that are averaged.
        **options: level, replicates, seed and floor of `Settings`.

    Raises:
        ConfigError: the runs make no grid (see `common_grid`), or fewer than two settings are
            common to both sides.
    """
    grid = common_grid(base, tuned, common=common)
    if len(grid.labels) < 2:
        raise ConfigError(_no_grid(grid))
    if int(min(grid.counts(s)[..., 0].min() for s in ("base", "tuned"))) < 2:
        raise ConfigError(
            "a fair envelope chooses on one half of the samples and reports on the other: every "
            "problem needs at least 2 judged samples in every run"
        )
    return _Fair(grid, base[0], tuned, Settings(**options), splits).result()


def equal_entropy(
    base: SettingRun,
    tuned: Sequence[SettingRun],
    *,
    common: bool = False,
    **options: Unpack[Options],
) -> EntropyMatch | None:
    """One run of the base against the tuned model at equal entropy: needs no grid.

    Args:
        tuned: Runs at several temperatures.
        **options: level, replicates and seed of `Settings`.

    Returns:
        None where entropies are not known on both sides.
    """
    grid, settings = common_grid([base], tuned, common=common), Settings(**options)
    rows = PairedRows.over(
        len(grid.pair.base.counts), grid.pair.clusters(), replicates=settings.replicates,
        rng=np.random.default_rng([settings.seed, 70, 0]),
    )  # fmt: skip
    level = shared_level(grid.pair, settings.level)
    return entropy_matched(grid, base, tuned, rows, level)


def _no_grid(grid: Grid) -> str:
    lacks = "; ".join(
        f"{side} lacks {', '.join(labels)}" for side, labels in grid.missing.items() if labels
    )
    has = f"only {grid.labels[0]}" if grid.labels else "none"
    return (
        f"a fair envelope needs the same settings on both sides, at least two; common: {has}"
        f"{' (' + lacks + ')' if lacks else ''}; draw the missing ones and name them with --base "
        "and --tuned"
    )


class _Fair:
    """Intermediate arrays of one envelope, each computed once."""

    def __init__(
        self, grid: Grid, reference: SettingRun, tuned: Sequence[SettingRun], settings: Settings,
        splits: int,
    ) -> None:  # fmt: skip
        self.grid, self.reference, self.all_tuned = grid, reference, tuned
        self.settings, self.splits = settings, splits
        self.counts = {side: grid.counts(side) for side in ("base", "tuned")}
        smallest = int(min(table[..., 0].min() for table in self.counts.values()))
        self.k, self.full_k = k_grid(smallest // 2), k_grid(smallest)

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, 70, purpose])

    @cached_property
    def level(self) -> float:
        return shared_level(self.grid.pair, self.settings.level)

    @cached_property
    def rows(self) -> PairedRows:
        """Bands over these problems, or over their clusters."""
        return PairedRows.over(
            len(self.grid.pair.base.counts), self.grid.pair.clusters(),
            replicates=self.settings.replicates, rng=self._rng(0),
        )  # fmt: skip

    @cached_property
    def cross(self) -> dict[str, stats.CrossFitted]:
        return {
            side: stats.cross_fitted(table, self.k, self._rng(1 + i), splits=self.splits)
            for i, (side, table) in enumerate(self.counts.items())
        }

    @cached_property
    def floor(self) -> FloatArray | None:
        stated = self.grid.pair.floors(self.settings.floor)
        return None if stated is None else floor_curve(stated, self.k)

    @cached_property
    def success(self) -> dict[str, FloatArray]:
        """pass@k by setting and problem up to n."""
        return {s: stats.success_table(table, self.full_k) for s, table in self.counts.items()}

    def result(self) -> Envelope:
        """Everything, assembled."""
        fair = self.rows.curves(self.cross["base"].rows, self.cross["tuned"].rows, self.level)
        low, high = np.array(fair.low), np.array(fair.high)
        allowed = allowed_by_floor(np.array(fair.base), self.floor)
        certified = certify(self.k, low, high, allowed)
        barred = bool((((low > 0) | (high < 0)) & ~allowed).any())
        by_setting = self._by_setting()
        tokens = equal_tokens(self.grid, self.rows, level=self.level, rng=self._rng(4))
        return Envelope(
            names={side: getattr(self.grid.pair, side).name for side in ("base", "tuned")},
            verdict=verdict(certified, self.level, None, barred=barred),
            n_problems=len(self.grid.pair.base.counts),
            settings=[
                {"label": label, "base": b.table.name, "tuned": t.table.name}
                for label, b, t in zip(
                    self.grid.labels, self.grid.base, self.grid.tuned, strict=True
                )
            ],
            missing=self.grid.missing,
            k=self.k.tolist(),
            fair=fair,
            floor=None if self.floor is None else self.floor.tolist(),
            gain_certified=certified.gain,
            loss_certified=certified.loss,
            chosen={
                side: dict(zip(self.grid.labels, found.chosen.tolist(), strict=True))
                for side, found in self.cross.items()
            },
            naive=self._naive(),
            other_problems=self._other_problems(),
            mixed=self._mixed(),
            by_setting=by_setting,
            ends=self._ends(),
            tokens=tokens,
            entropy=entropy_matched(
                self.grid, self.reference, self.all_tuned, self.rows, self.level
            ),
            notes=[*self.grid.notes, *self._missing_notes(tokens)],
            computed={
                "level": self.settings.level, "seed": self.settings.seed, "splits": self.splits,
                "replicates": self.settings.replicates, "scale": scale_of(self.grid.pair),
                "pointwise_error": fair.pointwise, "versions": versions(("pathshift", "numpy")),
            },
        )  # fmt: skip

    def _naive(self) -> Best:
        base, tuned = (stats.naive_envelope(self.success[s]) for s in ("base", "tuned"))
        return Best(
            k=self.full_k.tolist(),
            base=base.value.tolist(),
            tuned=tuned.value.tolist(),
            difference=(tuned.value - base.value).tolist(),
            setting_base=[self.grid.labels[i] for i in base.setting],
            setting_tuned=[self.grid.labels[i] for i in tuned.setting],
        )

    def _other_problems(self) -> Curves | None:
        group = self.rows.cluster
        if group is None:
            group = np.arange(len(self.grid.pair.base.counts))
        if group.max() < 1:
            return None
        base, tuned = (
            stats.chosen_on_other_problems(
                self.success[side], group, self._rng(5 + i), splits=self.splits
            ).rows
            for i, side in enumerate(("base", "tuned"))
        )
        return self.rows.curves(base, tuned, self.level, k=self.full_k)

    def _mixed(self) -> Curves:
        base, tuned = (stats.mixed_budget(self.counts[s], self.k) for s in ("base", "tuned"))
        return self.rows.curves(base, tuned, self.level)

    def _by_setting(self) -> dict[str, Curves]:
        """Equal shares of the error among the settings (Bonferroni)."""
        level = 1 - (1 - self.level) / len(self.grid.labels)
        pairs = zip(self.success["base"], self.success["tuned"], strict=True)
        found = [self.rows.curves(base, tuned, level, k=self.full_k) for base, tuned in pairs]
        return dict(zip(self.grid.labels, found, strict=True))

    def _ends(self) -> dict[str, dict[str, EndsOfSide]]:
        rng, runs = self._rng(7), zip(self.grid.base, self.grid.tuned, strict=True)
        return {
            label: {
                side: ends_of(self.grid.counts_by_run[id(run)], rng)
                for side, run in (("base", base), ("tuned", tuned))
            }
            for label, (base, tuned) in zip(self.grid.labels, runs, strict=True)
        }

    def _missing_notes(self, tokens: EqualTokens | None) -> list[str]:
        if tokens is not None:
            return []
        return [
            "no equal token budgets: a run's samples do not say how many tokens they took (run "
            "folders of `pathshift sample` do)"
        ]
