"""Fair envelopes and hygiene beside a comparison: what `compare` reads more, and says more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pathshift.cli.output import Speaker
from pathshift.cli.summary import short, signed

if TYPE_CHECKING:
    from pathshift.analysis.draws import Draws
    from pathshift.analysis.drilldown import SampleSource, Side
    from pathshift.analysis.entropy_match import EntropyMatch
    from pathshift.analysis.envelope import Envelope
    from pathshift.analysis.fair_grid import SettingRun
    from pathshift.analysis.fairness import Fairness
    from pathshift.analysis.hygiene import EndsOfSide, Hygiene, Rate
    from pathshift.analysis.paired_rows import Curves
    from pathshift.analysis.result import Comparison, Range
    from pathshift.records import CountTable
    from pathshift.rollout.ingest import Source

    Given = tuple[CountTable, SampleSource | None]

BaseFlag = Annotated[
    list[Path] | None,
    typer.Option(
        "--base", metavar="RUN",
        help="A further run of the base under another setting; repeat it. With --tuned: each side "
        "at its best setting (a fair envelope).",
    ),
]  # fmt: skip
TunedFlag = Annotated[
    list[Path] | None,
    typer.Option("--tuned", metavar="RUN", help="The same of the tuned model."),
]

SHOWN_BUDGETS = 5
ALERT_SHARE = 0.05
"""Share of cut or unreadable samples from which on it is told beside a setting."""


def fairness(
    result: Comparison,
    given: Mapping[Side, tuple[Path, Given]],
    more: Mapping[Side, Sequence[Path]],
    source: Source,
    speaker: Speaker,
    **options: Any,
) -> Fairness:
    """Tell the hygiene, and with further runs the envelopes; return what was told.

    Args:
        given: The two runs that were compared: where they are, and what was read of them.
        more: Further runs of each side.
        **options: common, level, replicates, seed and floor, as `fair_envelope` takes them.
    """
    from pathshift.analysis.fairness import Fairness

    draws = {side: _draws(path, read, source, every=any(more.values()))
             for side, (path, read) in given.items()}  # fmt: skip
    clean = _hygiene(result, {side: read[0] for side, (_, read) in given.items()}, draws,
                     common=bool(options.get("common")))  # fmt: skip
    if clean is not None:
        for line in hygiene_lines(clean, all_of_it=any(more.values())):
            speaker.say(line)
    if not any(more.values()):
        return Fairness(hygiene=clean)
    runs = _runs(given, more, draws, source)
    match = _ladder(runs, speaker, options)
    envelope = _envelope(runs, speaker, options) if match is None else None
    return Fairness(hygiene=clean, envelope=envelope, entropy=match)


def _hygiene(
    result: Comparison, tables: Mapping[Side, CountTable], draws: Mapping[Side, Draws | None],
    *, common: bool,
) -> Hygiene | None:  # fmt: skip
    from pathshift.analysis.hygiene import hygiene
    from pathshift.analysis.pairing import pair_up

    pair = pair_up(tables["base"], tables["tuned"], common=common)
    return hygiene(pair, result, {"base": draws["base"], "tuned": draws["tuned"]})


def _runs(
    given: Mapping[Side, tuple[Path, Given]], more: Mapping[Side, Sequence[Path]],
    draws: Mapping[Side, Draws | None], source: Source,
) -> dict[Side, list[SettingRun]]:  # fmt: skip
    from pathshift.analysis.fair_grid import SettingRun

    runs: dict[Side, list[SettingRun]] = {}
    for side, (_, read) in given.items():
        runs[side] = [SettingRun(table=read[0], draws=draws[side])]
        runs[side] += [_run(path, source) for path in more[side]]
    return runs


def _ladder(
    runs: Mapping[Side, Sequence[SettingRun]], speaker: Speaker, options: Mapping[str, Any]
) -> EntropyMatch | None:
    """Without further runs of the base: the tuned model at the base's entropy, if it is known."""
    from pathshift.analysis.envelope import equal_entropy

    if len(runs["base"]) > 1:
        return None
    match = equal_entropy(runs["base"][0], runs["tuned"], **options)
    if match is None:
        return None
    for line in ["", *entropy_lines(match)]:
        speaker.say(line)
    speaker.say("no fair envelope: it needs the base under the same settings (--base RUN)")
    return match


def _envelope(
    runs: Mapping[Side, Sequence[SettingRun]], speaker: Speaker, options: Mapping[str, Any]
) -> Envelope:
    from pathshift.analysis.envelope import fair_envelope

    envelope = fair_envelope(runs["base"], runs["tuned"], **options)
    for line in ["", *envelope_lines(envelope)]:
        speaker.say(line)
    return envelope


def _run(path: Path, source: Source) -> SettingRun:
    from pathshift.analysis.fair_grid import SettingRun
    from pathshift.cli.compare import read_side

    read = read_side(path, source)
    return SettingRun(table=read[0], draws=_draws(path, read, source, every=True))


def _draws(path: Path, read: Given, source: Source, *, every: bool) -> Draws | None:
    """The samples without their texts, for all that needs them or where some were cut.

    Those of a foreign log only if `every` is asked for, since they are judged again for it.
    """
    from pathshift.analysis.draws import draws_of, run_draws
    from pathshift.store.manifest import is_run

    is_wanted = every or any(problem.truncated for problem in read[0].counts)
    if is_run(path) and is_wanted:
        return run_draws(path, source.verifier)
    if read[1] is None or not every:
        return None
    return draws_of(read[1]({problem.id for problem in read[0].counts}))


def hygiene_lines(found: Hygiene, *, all_of_it: bool) -> list[str]:
    """The warnings, and on request how the samples of either side ended."""
    lines = [f"warning: {line}" for line in found.warnings]
    if not all_of_it:
        return lines
    table = ["how samples ended        truncated           unparsed      by themselves    tokens"]
    for cell, sides in found.ends.items():
        for side, ends in sides.items():
            if ends.problems:
                table.append(_ends(f"{cell.replace('_', ' ')} ({ends.problems}), {side}", ends))
    return ["", *table, *lines]


def _ends(name: str, ends: EndsOfSide) -> str:
    shares = "  ".join(_rate(rate) for rate in (ends.truncated, ends.unparsed, ends.ended))
    tokens = "-" if ends.tokens.value is None else f"{ends.tokens.value:,.0f}"
    return f"  {name:<20}  {shares}  {tokens:>7}"


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return f"{'-':>17}"
    return f"{rate.value:>6.1%} [{rate.low:4.0%},{rate.high:4.0%}]"


def envelope_lines(found: Envelope) -> list[str]:
    """Each setting alone, both envelopes, the mixed budget, equal tokens, equal entropy."""
    return [
        f"fair envelope over {', '.join(found.by_setting)} (each side its own best at every k, "
        "chosen on one half of the samples, reported on the other)",
        found.verdict.sentence,
        "",
        *_table(found),
        "",
        *_each_setting(found),
        _flip(found),
        *_other_problems(found),
        *_tokens(found),
        *([] if found.entropy is None else entropy_lines(found.entropy)),
        *(f"note: {note}" for note in found.notes),
    ]


def _table(found: Envelope) -> list[str]:
    lines = ["   k   base  tuned   difference [band]         naive   evenly over all settings"]
    naive = dict(zip(found.naive.k, found.naive.difference, strict=True))
    fair, mixed = found.fair, found.mixed
    for i, k in enumerate(found.k):
        if k not in {found.k[0], found.k[-1]} | {2**j for j in range(1, 31)}:
            continue
        even = _interval(mixed, i)
        lines.append(
            f"{k:>4}  {short(fair.base[i])}  {short(fair.tuned[i])}   {_interval(fair, i)}"
            f"{_mark(found, k)}  {_or_dash(naive.get(k))}   {even}"
        )
    return lines


def _or_dash(value: float | None) -> str:
    return "     -" if value is None else signed(value)


def _mark(found: Envelope, k: int) -> str:
    if _inside(found.gain_certified, k):
        return " gain"
    return " loss" if _inside(found.loss_certified, k) else "     "


def _inside(ranges: Sequence[Range], k: int) -> bool:
    return any(r.low <= k <= r.high for r in ranges)


def _interval(curves: Curves, i: int) -> str:
    low, high = signed(curves.low[i]), signed(curves.high[i])
    return f"{signed(curves.difference[i])} [{low}, {high}]"


def _each_setting(found: Envelope) -> list[str]:
    lines = []
    for label, curves in found.by_setting.items():
        assert curves.k is not None
        ends = "; ".join(
            f"pass@{curves.k[i]} {short(curves.base[i]).strip()} -> "
            f"{short(curves.tuned[i]).strip()}, {_interval(curves, i)}"
            for i in dict.fromkeys((0, len(curves.k) - 1))
        )
        lines.append(f"{label} alone: {ends}{_spoilt(found.ends[label])}")
    return lines


def _spoilt(ends: Mapping[str, EndsOfSide]) -> str:
    """Shares cut by the limit and unreadable, where either is worth a word."""
    parts = []
    for word, name in (("cut", "truncated"), ("unreadable", "unparsed")):
        shares = [getattr(ends[side], name).value for side in ("base", "tuned")]
        if None not in shares and max(shares) >= ALERT_SHARE:
            parts.append(f"{word} {shares[0]:.0%} / {shares[1]:.0%}")
    return f" ({', '.join(parts)})" if parts else ""


def _flip(found: Envelope) -> str:
    """Whether the sign at the largest k depends on the setting, and what the envelope says."""
    best = found.naive
    chosen = (
        f"at k={best.k[-1]} the best of all is {short(best.base[-1]).strip()} "
        f"({best.setting_base[-1]}) for the base, {short(best.tuned[-1]).strip()} "
        f"({best.setting_tuned[-1]}) for the tuned model, read off where they were chosen"
    )
    if turned := found.turned():
        up, down = map(", ".join, turned)
        return f"the setting turns the sign of the estimate ({up} up, {down} down); {chosen}"
    return chosen


def _other_problems(found: Envelope) -> list[str]:
    curves = found.other_problems
    if curves is None or curves.k is None:
        return []
    ends = "; ".join(
        f"pass@{curves.k[i]} {_interval(curves, i)}" for i in dict.fromkeys((0, len(curves.k) - 1))
    )
    return [f"chosen on half of the problems, reported on the others: {ends}"]


def _tokens(found: Envelope) -> list[str]:
    equal = found.tokens
    if equal is None:
        return []
    last = len(equal.budgets) - 1
    places = dict.fromkeys(round(last * j / (SHOWN_BUDGETS - 1)) for j in range(SHOWN_BUDGETS))
    shown = "; ".join(f"{equal.budgets[i]:,} {_interval(equal.curves, i)}" for i in places)
    words = [
        f"{word} certified for {' and '.join(f'{r.low:,} to {r.high:,}' for r in ranges)} tokens"
        for word, ranges in (("gain", equal.gain_certified), ("loss", equal.loss_certified))
        if ranges
    ]
    return [f"at equal tokens a problem: {shown} ({', '.join(words) or 'undecided'})"]


def entropy_lines(match: EntropyMatch) -> list[str]:
    """Where the entropies meet, and the difference there."""
    curves, at = match.curves, match.temperature
    assert curves.k is not None
    where = match.match.low if at is None else f"T={at:.2f}"
    ends = "; ".join(
        f"pass@{curves.k[i]} {_interval(curves, i)}" for i in dict.fromkeys((0, len(curves.k) - 1))
    )
    told = f" ({match.note})" if match.note else ""
    return [
        f"at equal entropy (base {match.base_entropy:.3f} nats a token, tuned at {where}): "
        f"{ends}{told}"
    ]
