"""Where the tuned model's answers come from, as lines for a terminal: sentences, then tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathshift.analysis.diversity_result import Diversity
    from pathshift.analysis.diversity_result import Estimate as DiversityEstimate
    from pathshift.analysis.origins import Missing, Origins
    from pathshift.analysis.perplexity import Distribution, Perplexities
    from pathshift.analysis.reach_result import Profile, Reach
    from pathshift.analysis.shift_result import GroupShift, Shift, SideShift, TokenShift
    from pathshift.analysis.spread import Spread
    from pathshift.stats.quantiles import Estimate

SHOWN_K = (1, 16, 64, 256, 1024)
SHOWN_TOKENS = 5
CONTEXT = 18
TOKEN = 12
UNKNOWN = "-"


def lines(found: Origins) -> Iterator[str]:
    """All of it, with nothing in it that a terminal would obey."""
    parts = (
        _head(found), _sentences(found), _perplexity(found.perplexity),
        _reach(found.reach, found.level), _shift(found), _diversity(found.diversity),
        _notes(found),
    )  # fmt: skip
    for part in parts:
        for line in part:
            yield printable(line)


def printable(line: str) -> str:
    """One line without control characters: ids, names and tokens are foreign text."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _head(found: Origins) -> Iterator[str]:
    floor = "" if found.floor is None else f" · a blind guess is right in {found.floor:.3f}"
    yield f"{found.names['base']} -> {found.names['tuned']}"
    yield (
        f"{found.n_problems:,} problems · scale: {found.scale}{floor} · {found.level:.0%} "
        "intervals over problems like these"
    )


def _sentences(found: Origins) -> Iterator[str]:
    yield ""
    for name in ("perplexity", "reach", "shift"):
        part = getattr(found, name)
        if name == "shift" and part is not None and found.is_one_model:
            yield f"shift: {_one_model(part)}"
        elif part is not None:
            yield f"{name}: {part.sentence}"
    yield f"diversity: {found.diversity.summary}"
    if found.reach is not None:
        yield from (f"ALARM (reach): {alarm}" for alarm in found.reach.alarms)
    yield from _missing(found.missing)


def _one_model(found: Shift) -> str:
    from pathshift.analysis.origins import ONE_MODEL

    return f"{ONE_MODEL}; {_by_sample(found.tuned)}"


def _missing(missing: Sequence[Missing]) -> Iterator[str]:
    """One line with all commands, in their order; one more for every part that none can mend."""
    made = [one for one in missing if one.command]
    if made:
        parts = dict.fromkeys(part for one in made for part in one.parts)
        commands = " && ".join(str(one.command) for one in made)
        yield f"missing for {', '.join(parts)}: {commands}   (or add --score)"
    for one in missing:
        if not one.command:
            yield f"no {' and '.join(one.parts)}: {one.reason}"


def _perplexity(found: Perplexities | None) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield f"{'median ' + found.measure + ' of samples':<38} {'right':<24} not right"
    for one in found.distributions:
        spreads = [_spread(one, name, found.measure) for name in ("correct", "not correct")]
        whose = f"{_owner(one.samples)} under the {_model(one.model)}"
        yield f"  {whose:<36} {spreads[0]:<24} {spreads[1]}"


def _owner(samples: str) -> str:
    return {"base": "base's own", "tuned": "tuned model's"}.get(samples, samples)


def _model(name: str) -> str:
    return "base" if name == "base" else "tuned model"


def _spread(one: Distribution, name: str, measure: str) -> str:
    part = next((part for part in one.parts if part.name == name), None)
    if part is None:
        return UNKNOWN
    found: Spread | None = part.perplexity if measure == "perplexity" else part.bits_per_byte
    return UNKNOWN if found is None else _plain(found.quantiles[2])


def _reach(found: Reach | None, level: float) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield f"reach, in {found.n_problems} problems ({_check(found)})"
    profile = found.profiles[0] if found.profiles else None
    yield f"{'':>6}  base above 1/k:       base     right answers with     passes ln p >= -ln k:"
    yield f"{'k':>6}  certain*  unsolved*  pass@k>  p_tuned/p_base <= k    base's own  tuned right"
    own, right = found.absolute.own, found.absolute.tuned_correct
    for i, row in enumerate(found.certified):
        if row.k in SHOWN_K:
            shares = [UNKNOWN if x is None else f"{x[i]:.3f}" for x in (own, right)]
            yield (
                f"{row.k:>6}  {row.problems:>8}  {row.never_solved:>9}  {row.pass_low:>7.3f}  "
                f"{_covered(profile, row.k):<21}  {shares[0]:>10}  {shares[1]:>11}"
            )
    yield (
        f"  * problems, false ones at most {1 - level:.0%} of them; unsolved: never by the base's "
        "own samples"
    )
    yield f"  the last test is the wrong one: {found.absolute.why_wrong}"


def _check(found: Reach) -> str:
    agreed = found.agreement
    r = "" if agreed.r is None else f"r {agreed.r:.2f} with its own samples, "
    if agreed.conflicts is None or agreed.expected is None:
        return f"{r}drawn otherwise, so they are no check"
    return f"{r}{agreed.conflicts} contradict it, by chance up to {agreed.expected:.1f} would"


def _covered(profile: Profile | None, k: int) -> str:
    if profile is None or k not in profile.factor:
        return UNKNOWN
    i = profile.factor.index(k)
    return f"{profile.share[i]:.3f} [{profile.low[i]:.3f}, {profile.high[i]:.3f}]"


def _shift(everything: Origins) -> Iterator[str]:
    found = everything.shift
    if found is None or everything.is_one_model:
        return
    yield ""
    control = "-" if found.base is None else "on the base's own samples"
    yield f"{'ln p_tuned - ln p_base a token':<31} {'on tuned samples':<28} {'share':>6}  {control}"
    for kind in ("by_class", "by_fork"):
        for row in getattr(found.tuned, kind):
            other = None if found.base is None else _named(getattr(found.base, kind), row.name)
            beside = UNKNOWN if other is None else _signed(other.mean)
            yield f"  {row.name:<29} {_signed(row.mean):<28} {_share(row):>6}  {beside}"
    fork = f"a fork: entropy of the base above {found.fork_entropy:.2f} nats"
    yield f"  {fork}; {_totals(found.tuned)}"
    yield f"  {_by_sample(found.tuned)}"
    yield from _tokens(found.tuned)


def _named(rows: Iterable[GroupShift], name: str) -> GroupShift | None:
    return next((row for row in rows if row.name == name), None)


def _share(row: GroupShift) -> str:
    return f"{row.share:.0%}" if math.isfinite(row.share) else UNKNOWN


def _totals(side: SideShift) -> str:
    return f"entropy {_plain(side.base_entropy)} -> {_plain(side.tuned_entropy)} nats"


def _by_sample(side: SideShift) -> str:
    """Change and divergence of a whole sample; the latter is of the policies."""
    found = side.divergence
    if found is None:
        apart = "unknown, for a policy is"
    elif math.isinf(found.value):
        apart = f"infinite: the base's policy leaves out {side.excluded:,} samples"
    else:
        apart = f"{_plain(found)} nats"
    return f"a tuned sample: ln p {_signed(side.per_sample)}, KL of the policies {apart}"


def _tokens(side: SideShift) -> Iterator[str]:
    """Tokens raised and lowered most in all, beside each other: mean change, count, context."""
    if side.raised or side.lowered:
        yield f"  {'raised most, after what':<47}  lowered most, after what"
    pairs = zip_longest(side.raised[:SHOWN_TOKENS], side.lowered[:SHOWN_TOKENS])
    for raised, lowered in pairs:
        yield f"  {_token(raised):<47}  {_token(lowered)}".rstrip()


def _token(one: TokenShift | None) -> str:
    if one is None:
        return ""
    context = "" if one.example is None else one.example.context
    tail = context if len(context) <= CONTEXT else "…" + context[1 - CONTEXT :]
    return f"{one.mean:+.2f} x{one.count:<6,} {_quoted(one.token):<14} {tail}"


def _quoted(text: str) -> str:
    return f"'{text if len(text) <= TOKEN else text[: TOKEN - 1] + '…'}'"


def _diversity(found: Diversity) -> Iterator[str]:
    if found.paths is None and found.answer_entropy is None:
        return
    yield ""
    yield f"{'diversity':<31} {'base':<8} {'tuned':<8} {'tuned - base':<26} problems"
    if found.paths is not None:
        yield _compared(f"paths, {found.paths.m:.1f} right samples", found.paths)
    if found.answer_entropy is not None:
        yield _compared("entropy of answers, nats", found.answer_entropy)
    if found.sides:
        base, tuned = (found.sides[side] for side in ("base", "tuned"))
        yield f"  {'share of its ways seen':<29} {base.coverage:<8.2f} {tuned.coverage:.2f}"


def _compared(name: str, one: DiversityEstimate) -> str:
    difference = f"{one.difference:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"
    return f"  {name:<29} {one.base:<8.2f} {one.tuned:<8.2f} {difference:<26} {one.n_problems}"


def _notes(found: Origins) -> Iterator[str]:
    parts = {
        "perplexity": found.perplexity, "reach": found.reach, "shift": found.shift,
        "diversity": found.diversity,
    }  # fmt: skip
    for name, part in parts.items():
        yield from (f"note ({name}): {note}" for note in (part.notes if part else ()))


def _plain(one: Estimate) -> str:
    return UNKNOWN if math.isnan(one.value) else f"{one.value:.3g} [{one.low:.3g}, {one.high:.3g}]"


def _signed(one: Estimate) -> str:
    if math.isnan(one.value):
        return UNKNOWN
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
