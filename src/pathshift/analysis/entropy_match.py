"""The tuned model at the temperature where it is as random as the base.

Training sharpens, and a higher temperature undoes the sharpening. Yue et al. (2025) raise the
tuned model's temperature until the mean entropy of its tokens equals the base's at T=.6 (T=1.5 on
AIME24) and compare there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from pathshift.analysis.fair_grid import AXES, Grid, SettingRun
from pathshift.analysis.paired_rows import Curves, PairedRows, k_grid
from pathshift.analysis.result import plain_values
from pathshift.stats.envelope import success_table

NEAR = 0.05
"""Mismatch in nats from which on it is told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where on a ladder of settings a wanted entropy lies.

    Attributes:
        low, high: Names of the two settings it lies between; equal where one is taken as it is.
        share: Weight of `high`, from 0 to 1.
        entropy: What is reached, in nats.
        mismatch: Reached minus wanted, in nats; 0 between two settings.
    """

    low: str
    high: str
    share: float
    entropy: float
    mismatch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyMatch:
    """The base's first run against the tuned model at equal mean token entropy.

    Attributes:
        kind: "policy" (minus the mean ln p of the drawn tokens under the policy that drew them: the
            tempered distribution's entropy) or "logged" (whatever the tool behind the log says).
        base_entropy: Nats a token, of the base's first run.
        tuned_entropies: By tuned run; None where unknown.
        temperature: Where the entropies meet, linear between two temperatures.
        curves: Up to n; between two temperatures pass@k is taken as linear in the entropy.
    """

    kind: str
    base_run: str
    base_entropy: float
    tuned_entropies: Mapping[str, float | None]
    match: Match
    temperature: float | None
    curves: Curves
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain


def match_entropy(wanted: float, known: Mapping[str, float | None]) -> Match | None:
    """The setting, or the two neighbouring ones, whose mean entropy is the wanted one.

    Args:
        wanted: Nats a token.
        known: Entropy by setting; None where unknown, and passed over.

    Returns:
        None if no setting's entropy is known.

    >>> match_entropy(0.5, {"T=1": 0.4, "T=1.2": 0.6, "T=.6": None}).share
    0.5
    """
    ladder = sorted((value, name) for name, value in known.items() if value is not None)
    if not ladder:
        return None
    for (below, low), (above, high) in pairwise(ladder):
        if below <= wanted <= above and above > below:
            share = (wanted - below) / (above - below)
            return Match(low=low, high=high, share=share, entropy=wanted, mismatch=0.0)
    value, name = min(ladder, key=lambda step: abs(step[0] - wanted))
    return Match(low=name, high=name, share=0.0, entropy=value, mismatch=value - wanted)


def entropy_matched(
    grid: Grid,
    reference: SettingRun,
    tuned: Sequence[SettingRun],
    rows: PairedRows,
    level: float,
) -> EntropyMatch | None:
    """Compare at equal entropy; None where entropies are not known on both sides.

    Tuned runs that differ from the first one in more than the temperature are passed over: between
    two templates there is nothing to interpolate.
    """
    ladder = {r.table.name: r for r in tuned if _but_temperature(r) == _but_temperature(tuned[0])}
    for kind, entropy_of in _KINDS.items():
        wanted = entropy_of(reference)
        known = {name: entropy_of(run) for name, run in ladder.items()}
        match = None if wanted is None else match_entropy(wanted, known)
        if wanted is None or match is None:
            continue
        return EntropyMatch(
            kind=kind,
            base_run=reference.table.name,
            base_entropy=wanted,
            tuned_entropies=known,
            match=match,
            temperature=_temperature(match, ladder),
            curves=_compared(grid, reference, match, ladder, rows, level),
            note=_note(match),
        )
    return None


def _policy(run: SettingRun) -> float | None:
    return None if run.draws is None else run.draws.policy_entropy()


def _logged(run: SettingRun) -> float | None:
    value = run.table.settings.get("entropy")
    return float(value) if isinstance(value, int | float) else None


_KINDS: Mapping[str, Callable[[SettingRun], float | None]] = {"policy": _policy, "logged": _logged}
"""Both sides must be of one kind: two tools need not mean the same by entropy."""


def _but_temperature(run: SettingRun) -> tuple[object, ...]:
    return tuple(v for axis, v in zip(AXES, run.setting, strict=True) if axis != "temperature")


def _temperature(match: Match, ladder: Mapping[str, SettingRun]) -> float | None:
    ends = [ladder[name].table.settings.get("temperature") for name in (match.low, match.high)]
    low, high = (float(end) if isinstance(end, int | float) else None for end in ends)
    return None if low is None or high is None else low + match.share * (high - low)


def _compared(
    grid: Grid, reference: SettingRun, match: Match, ladder: Mapping[str, SettingRun],
    rows: PairedRows, level: float,
) -> Curves:  # fmt: skip
    runs = [reference, ladder[match.low], ladder[match.high]]
    counts = [grid.counts_of(run) for run in runs]
    k = k_grid(int(min(side[:, 0].min() for side in counts)))
    base, low, high = (success_table(side[None], k)[0] for side in counts)
    return rows.curves(base, (1 - match.share) * low + match.share * high, level, k=k)


def _note(match: Match) -> str:
    if abs(match.mismatch) < NEAR:
        return ""
    side = "above" if match.mismatch > 0 else "below"
    return (
        f"no tuned setting reaches the base's entropy: the nearest lies {abs(match.mismatch):.2f} "
        f"nats {side} it; a {'lower' if match.mismatch > 0 else 'higher'} temperature would meet it"
    )
