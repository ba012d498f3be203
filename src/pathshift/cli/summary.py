"""A comparison as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pathshift.analysis.result import Comparison

if TYPE_CHECKING:
    from pathshift.analysis.readings import Readings

ALARMING_CHANGE = 0.05
"""Change of the truncated share from which on it may explain a difference."""
HALF = 0.5
FLOOR_MATTERS = 0.02
"""Floor at the largest k from which on it is said who solves how much beyond it."""


def lines(result: Comparison) -> list[str]:
    """All of it: verdict, table, details."""
    return [*headline(result), "", *table(result), "", *details(result)]


def headline(result: Comparison) -> list[str]:
    """Who was compared on what, and the verdict."""
    names = result.names
    return [
        f"{names['base']} -> {names['tuned']}",
        f"{result.n_problems:,} problems x {_samples(result)} samples{_said_of_samples(result)}",
        "",
        result.verdict.sentence,
    ]


def _said_of_samples(result: Comparison) -> str:
    """Whether the prompts match, and how much was cut on either side, where that is known."""
    parts = []
    if (same := result.settings.get("prompts_match")) is not None:
        parts.append("prompts match" if same else "prompts differ (!)")
    cut = [_share_cut(result, side) for side in ("base", "tuned")]
    if None not in cut and any(cut):
        alarm = " (!)" if abs((cut[1] or 0) - (cut[0] or 0)) >= ALARMING_CHANGE else ""
        parts.append(f"truncated {cut[0]:.0%} -> {cut[1]:.0%}{alarm}")
    return "".join(f" · {part}" for part in parts)


def _share_cut(result: Comparison, side: str) -> float | None:
    outcomes = result.outcomes[side]
    cut = outcomes.get("truncated")
    drawn = sum(outcomes.get(name) or 0 for name in ("correct", "wrong", "unparsed", "failed"))
    return None if cut is None or not drawn else cut / drawn


def _samples(result: Comparison) -> str:
    sizes = [*result.n["base"].values(), *result.n["tuned"].values()]
    return str(sizes[0]) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


def table(result: Comparison) -> list[str]:
    """Curves and difference at powers of two."""
    lines = ["   k   base  tuned   difference [band]          floor"]
    for i in _rows(result.k):
        mark = " gain" if result.low[i] > 0 else " loss" if result.high[i] < 0 else ""
        is_barred = mark and not _is_certified(result, result.k[i])
        floor = "    -" if result.floor is None else short(result.floor[i])
        lines.append(
            f"{result.k[i]:>4}  {short(result.base[i])}  {short(result.tuned[i])}   "
            f"{signed(result.difference[i])} [{signed(result.low[i])}, {signed(result.high[i])}]"
            f"  {floor}{' (floor too high)' if is_barred else mark}"
        )
    return lines


def _rows(k: Sequence[int]) -> list[int]:
    shown = {k[0], k[-1]} | {2**i for i in range(1, 31)}
    return [i for i, value in enumerate(k) if value in shown]


def _is_certified(result: Comparison, k: int) -> bool:
    return any(r.low <= k <= r.high for r in [*result.gain_certified, *result.loss_certified])


def details(result: Comparison) -> list[str]:
    """Amplification, cells, the split-half null, the gap, and every caveat."""
    cells = result.cells
    lines = [
        amplification(result),
        f"solved within k={cells.k}: both {cells.both}, base only {cells.base_only}, tuned only "
        f"{cells.tuned_only}, neither {cells.neither} (McNemar exact p{p_value(cells.mcnemar_p)})",
    ]
    if result.null is not None:
        null = result.null
        lines.append(
            f"at k={null.k} the base alone solves {null.observed_base_only:.1f} problems (against "
            f"itself, by chance, {null.base_only:.1f}), the tuned model alone "
            f"{null.observed_tuned_only:.1f} ({null.tuned_only:.1f})"
        )
    lines += [*_certain(result), *_support(result), *_readings(result)]
    gap = result.delta_se
    lines.append(
        f"sampling-efficiency gap: base pass@{gap.k} - tuned pass@1 = {signed(gap.value)} "
        f"[{signed(gap.low)}, {signed(gap.high)}]"
    )
    return [*lines, *_beyond(result), *(f"note: {note}" for note in result.notes)]


def _beyond(result: Comparison) -> list[str]:
    from pathshift.analysis.beyond import lines

    return [] if result.beyond is None else lines(result.beyond)


def _certain(result: Comparison) -> list[str]:
    found = result.certainty
    if found is None:
        return []
    return [
        f"certain of single problems: gained {found.gained}, lost {found.lost}, both "
        f"{found.both}, undecided {found.undecided} (never solved means p below {found.below:.3g} "
        "with 95%)"
    ]


def _support(result: Comparison) -> list[str]:
    found = result.support
    if found is None or found.nscr.value is None:
        return []
    names = {"kept": found.srr, "new": found.ndr, "net": found.nscr}
    parts = [
        f"{name} {share.value:+.3f} [{share.low:+.3f}, {share.high:+.3f}]"
        if name == "net"
        else f"{name} {share.value:.3f} [{share.low:.3f}, {share.high:.3f}]"
        for name, share in names.items()
        if share.value is not None
    ]
    return [f"support at k={found.k}: {', '.join(parts)}"]


def _readings(result: Comparison) -> list[str]:
    """Cover@.5, what is solved beyond a floor that matters, and verifier error if asked for."""
    if result.readings is None:
        return []
    base, tuned = result.readings["base"], result.readings["tuned"]
    covered = [
        next((at.share for at in side.cover or [] if at.tau == HALF), None)
        for side in (base, tuned)
    ]
    lines = []
    if covered[0] is not None and covered[1] is not None:
        said = f"base {covered[0]:.3f}, tuned {covered[1]:.3f}"
        lines.append(f"problems right in at least half of the samples (Cover@{HALF:g}): {said}")
    matters = result.floor is not None and result.floor[-1] > FLOOR_MATTERS
    if matters and base.beyond is not None and tuned.beyond is not None:
        null = "guessing" if base.false_positive is None else "guessing and the verifier's slips"
        lines.append(
            f"solved beyond what {null} explain{'s' if null == 'guessing' else ''}: "
            f"base {base.beyond.solved}, tuned {tuned.beyond.solved} of {base.beyond.problems}"
        )
    return [*lines, *_slips(base, tuned)]


def _slips(base: Readings, tuned: Readings) -> list[str]:
    both = {point.k: point for point in base.curve}
    pairs = [(both[point.k], point) for point in tuned.curve if point.k in both]
    b, t = pairs[-1]
    if b.corrected is None or t.corrected is None or base.false_positive is None:
        return []
    return [
        f"if the verifier takes {base.false_positive:.3%} of wrong answers for right: pass@{b.k} "
        f"base {max(0.0, b.corrected):.3f}, tuned {max(0.0, t.corrected):.3f} without them; no "
        f"ability reaches {b.no_ability:.3f}"
    ]


def amplification(result: Comparison) -> str:
    """One tuned sample in base samples."""
    worth = result.amplification
    if worth.base_k is None and result.tuned[0] == 0:
        return "what a tuned sample is worth cannot be said: neither model solved anything"
    if worth.base_k is None:
        return f"tuned pass@{worth.k} lies above all the base reaches within k={result.k[-1]}"
    low = "?" if worth.low is None else f"{worth.low:.2f}"
    high = f"over {result.k[-1]}" if worth.high is None else f"{worth.high:.2f}"
    what = "one tuned sample is" if worth.k == 1 else f"{worth.k} tuned samples are"
    return f"{what} worth {worth.base_k:.2f} base samples [{low}, {high}]"


def short(share: float) -> str:
    """A share with three decimals and no leading zero: .604."""
    return f"{share:5.3f}"


def signed(value: float) -> str:
    """With its sign and three decimals."""
    return f"{value:+.3f}"


def p_value(p: float) -> str:
    """=0.0025 with two significant digits, or <.0001."""
    return "<.0001" if p < 1e-4 else f"={p:.2g}"
