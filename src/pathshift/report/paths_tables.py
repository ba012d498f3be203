"""The tables of where answers come from. Texts in, no arithmetic left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pathshift.analysis.diversity_result import Diversity
from pathshift.analysis.diversity_result import Estimate as Compared
from pathshift.analysis.perplexity import Distribution, Part, Perplexities
from pathshift.analysis.reach_result import Profile, Reach
from pathshift.analysis.shift_result import Place, Shift, SideShift, TokenShift
from pathshift.analysis.spread import Spread
from pathshift.report.formats import MINUS, UNDEFINED, interval, is_number, percent, rate, whole
from pathshift.report.samples import line
from pathshift.report.tables import Table
from pathshift.stats.quantiles import Estimate

NOTHING = "–"
MEDIAN = 2
"""Place of the median among a spread's quantiles."""
TOKENS_SHOWN = 15
OWNERS = {"base": "base's own", "tuned": "tuned model's", "reference": "reference"}
CELL_NAMES = {"both": "both solved", "base only": "base only", "tuned only": "tuned only",
              "neither": "neither"}  # fmt: skip
MODELS = {"base": "the base", "tuned": "the tuned model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token with what stood before it; foreign text in `context` and `token`."""

    numbers: tuple[str, ...]
    context: str
    token: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """Tokens in their contexts; `head` names the numbers."""

    summary: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[TokenRow, ...]


def digits(value: float | None) -> str:
    """A positive number of any size, three digits.

    >>> digits(1.3), digits(2514.0), digits(None)
    ('1.30', '2,510', 'undefined')
    """
    if not is_number(value):
        return UNDEFINED
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e7 else f"{value:#.3g}"


def change(value: float | None) -> str:
    """A change in nats with its sign.

    >>> change(0.1304), change(-0.00261)
    ('+0.130', '−0.003')
    """
    return UNDEFINED if not is_number(value) else f"{value:+.3f}".replace("-", MINUS)


def with_interval(one: Estimate, write: Callable[[float | None], str] = rate) -> str:
    """A number and its interval; undefined or infinite ones in words."""
    if one.value == float("inf"):
        return "infinite"
    if not is_number(one.value):
        return UNDEFINED
    return f"{write(one.value)} {interval(one.low, one.high, write)}"


def perplexity_table(found: Perplexities, *, by_cell: bool = False) -> Table:
    """Medians by distribution and kind of sample, with what reach depends on beside them.

    Args:
        by_cell: By who solved the problem, in place of right and not.
    """
    by_token = found.measure == "perplexity"
    split = "by who solved the problem" if by_cell else "by right and not"
    return Table(
        caption=f"Median {found.measure}, {split}; ln p is that of whole samples, in nats",
        head=("whose", "scored by", "which", "samples", "problems", f"median {found.measure}",
              "middle half", "median ln p"),
        rows=tuple(
            _part_row(one, part, by_token=by_token)
            for one in found.distributions
            for part in one.parts
            if (part.name in CELL_NAMES) == by_cell
        ),
    )  # fmt: skip


def _part_row(one: Distribution, part: Part, *, by_token: bool) -> tuple[str, ...]:
    spread = part.perplexity if by_token else part.bits_per_byte
    return (
        OWNERS[one.samples],
        MODELS[one.model],
        CELL_NAMES.get(part.name, part.name),
        whole(part.n_samples),
        whole(part.n_problems),
        NOTHING if spread is None else with_interval(spread.quantiles[MEDIAN], digits),
        NOTHING if spread is None else _middle(spread),
        NOTHING if part.logprob is None else with_interval(
            part.logprob.quantiles[MEDIAN], _tenths
        ),
    )  # fmt: skip


def _middle(spread: Spread) -> str:
    return f"{digits(spread.quantiles[1].value)} to {digits(spread.quantiles[3].value)}"


def _tenths(value: float | None) -> str:
    return UNDEFINED if not is_number(value) else f"{value:.1f}".replace("-", MINUS)


def below_table(found: Perplexities) -> Table:
    """Where samples lie among the base's own."""
    return Table(
        caption=f"Against the base's own samples of each problem, by the base's {found.measure}",
        head=("samples", "below the base's median", "below a sample of the base", "problems"),
        rows=tuple(
            (OWNERS[one.samples], with_interval(one.share), with_interval(one.superiority),
             whole(one.n_problems))
            for one in found.below
        ),
    )  # fmt: skip


def certified_table(found: Reach, level: float) -> Table:
    """By k: problems certain to be within reach, and the base's pass@k at least."""
    false = percent(round(1 - level, 6))
    return Table(
        caption=(
            f"Base success rate certainly above 1/k, by k: of {whole(found.n_problems)} problems, "
            f"at most {false} of those named false"
        ),
        head=("k", "problems", "never solved by its own samples", "base pass@k at least"),
        rows=tuple(
            (whole(row.k), whole(row.problems), whole(row.never_solved), rate(row.pass_low))
            for row in found.certified
        ),
    )


def share_table(found: Reach) -> Table:
    """The numbers behind the profile and behind the absolute test."""
    profile = found.profiles[0] if found.profiles else None
    own, right = found.absolute.own, found.absolute.tuned_correct
    return Table(
        caption="Covered at N, and passing ln p ≥ −ln k, in numbers",
        head=("N, k", "covered", "passes: base's own", "passes: tuned model's right"),
        rows=tuple(
            (whole(k), _covered(profile, k), _at(own, i), _at(right, i))
            for i, k in enumerate(found.absolute.k)
        ),
    )


def _covered(profile: Profile | None, k: int) -> str:
    if profile is None or k not in profile.factor:
        return NOTHING
    i = profile.factor.index(k)
    return f"{rate(profile.share[i])} {interval(profile.low[i], profile.high[i])}"


def _at(shares: Sequence[float] | None, i: int) -> str:
    return NOTHING if shares is None else rate(shares[i])


def weight_table(found: Reach) -> Table:
    """What the bound rests on, and what would speak against it."""
    facts, agreed = found.weights, found.agreement
    checked = "not comparable" if agreed.conflicts is None else (
        f"{whole(agreed.conflicts)}, by chance up to {_tenths(agreed.expected)}"
    )  # fmt: skip
    return Table(
        caption="What the bound rests on",
        head=("fact", "value"),
        rows=(
            ("tuned samples used", f"{whole(facts.used)}, {whole(facts.correct)} right"),
            ("without a known weight, counted as 0", whole(facts.unknown)),
            ("impossible under the base's policy", whole(facts.excluded)),
            ("effective share of the samples, median", rate(facts.effective_share)),
            ("largest weight's share, median", rate(facts.largest)),
            ("mean weight (at most 1 if all is right)", rate(facts.mean)),
            ("correlation with the base's own samples", rate(agreed.r)),
            ("problems that contradict the bound", checked),
        ),
    )


def group_table(found: Shift, kind: str, caption: str) -> Table:
    """Groups of tokens: change, share of it, entropy of both models."""
    control = {} if found.base is None else {g.name: g for g in getattr(found.base, kind)}
    beside = () if found.base is None else ("mean change, base's own",)
    return Table(
        caption=caption,
        head=("tokens", "number", "mean change", "mean absolute", "share of all change",
              "entropy, base → tuned", *beside),
        rows=tuple(
            (
                group.name, whole(group.n_tokens), with_interval(group.mean, change),
                with_interval(group.size), share(group.share),
                f"{rate(group.base_entropy)} → {rate(group.tuned_entropy)}",
                *([with_interval(control[group.name].mean, change) if group.name in control
                   else NOTHING] if beside else []),
            )
            for group in getattr(found.tuned, kind)
        ),
    )  # fmt: skip


def share(value: float) -> str:
    """A part of a sum, which may be negative or above 1.

    >>> share(1.049), share(-0.0605)
    ('105%', '−6%')
    """
    return UNDEFINED if not is_number(value) else f"{value:.0%}".replace("-", MINUS)


def side_table(found: Shift) -> Table:
    """Sums over samples: change, divergence, entropy, entrance."""
    sides = [found.tuned] + ([] if found.base is None else [found.base])
    return Table(
        caption="By sample; KL goes from the model that drew to the other, under both policies",
        head=("samples", "samples, problems", "change a sample, nats", "KL a sample, nats",
              "entropy, base", "entropy, tuned", "before / after the first operation"),
        rows=tuple(_side_row(side) for side in sides),
    )  # fmt: skip


def _side_row(side: SideShift) -> tuple[str, ...]:
    return (
        OWNERS[side.samples],
        f"{whole(side.n_samples)}, {whole(side.n_problems)}",
        with_interval(side.per_sample, change),
        NOTHING if side.divergence is None else with_interval(side.divergence),
        with_interval(side.base_entropy),
        with_interval(side.tuned_entropy),
        with_interval(side.entrance, digits),
    )


def token_table(tokens: Sequence[TokenShift], summary: str, caption: str) -> TokenTable | None:
    """Kinds of token by their summed change, each with the place of its largest; None if none."""
    if not tokens:
        return None
    return TokenTable(
        summary=summary,
        caption=caption,
        head=("mean", "count", "sum"),
        rows=tuple(_token_row(one) for one in tokens[:TOKENS_SHOWN]),
    )


def _token_row(one: TokenShift) -> TokenRow:
    place = one.example
    return TokenRow(
        numbers=(change(one.mean), whole(one.count), _signed(one.total)),
        context="" if place is None else line(place.context),
        token=line_kept(one.token),
        where="" if place is None else _where(place),
    )


def place_table(places: Sequence[Place], summary: str, caption: str) -> TokenTable | None:
    """Single tokens with the largest changes, one of each place; None if none."""
    if not places:
        return None
    distinct: dict[tuple[str, int, str], Place] = {}
    for place in places:
        distinct.setdefault((place.problem_id, place.position, place.token), place)
    return TokenTable(
        summary=summary,
        caption=caption,
        head=("change", "ln p base", "ln p tuned"),
        rows=tuple(
            TokenRow(
                numbers=(change(p.change), _tenths(p.base_logprob), _tenths(p.tuned_logprob)),
                context=line(p.context), token=line_kept(p.token), where=_where(p),
            )
            for p in list(distinct.values())[:TOKENS_SHOWN]
        ),
    )  # fmt: skip


def line_kept(token: str) -> str:
    """A token with its spaces made visible: they are part of it."""
    return line(token.replace(" ", "␣"))


def _where(place: Place) -> str:
    return f"{line(place.problem_id)} #{place.sample_no}, token {place.position}"


def diversity_table(found: Diversity) -> Table:
    """Paths at equal numbers of right samples: all, by kind, by m; and the answers' entropy."""
    rows: list[tuple[str, ...]] = []
    if found.paths is not None:
        rows.append(_compared("distinct paths, each problem's m", found.paths))
    rows += [_compared(f"told apart by {kind}", one) for kind, one in found.by_kind.items()]
    rows += [_compared(f"in {whole(p.m)} right samples", p.paths) for p in found.curve]
    if found.answer_entropy is not None:
        rows.append(_compared("entropy of answers, nats", found.answer_entropy))
    return Table(
        caption="At equal numbers of samples, m on average",
        head=("what", "m", "base", "tuned", "tuned − base", "tuned / base", "problems"),
        rows=tuple(rows),
    )


def _compared(name: str, one: Compared) -> tuple[str, ...]:
    return (
        name, _tenths(one.m), hundredths(one.base), hundredths(one.tuned),
        f"{_signed(one.difference)} {interval(one.low, one.high, _signed)}",
        NOTHING if one.ratio is None else
        f"{hundredths(one.ratio)} {interval(one.ratio_low, one.ratio_high, hundredths)}",
        whole(one.n_problems),
    )  # fmt: skip


def hundredths(value: float | None) -> str:
    """Two digits after the point."""
    return UNDEFINED if not is_number(value) else f"{value:,.2f}"


def _signed(value: float | None) -> str:
    return UNDEFINED if not is_number(value) else f"{value:+.2f}".replace("-", MINUS)


def sides_table(found: Diversity) -> Table | None:
    """More of each side, at its own number of right samples; None if no problem is in."""
    if not found.sides:
        return None
    base, tuned = (found.sides[side] for side in ("base", "tuned"))
    facts: Mapping[str, tuple[float | None, float | None]] = {
        "right samples a problem": (base.correct, tuned.correct),
        "distinct paths among all of them (not comparable)": (base.distinct, tuned.distinct),
        "share of its ways that were seen": (base.coverage, tuned.coverage),
        "chance that two right samples take one path": (base.same, tuned.same),
        "effective number of paths": (base.effective, tuned.effective),
        "paths in all, lower bound": (base.fewest, tuned.fewest),
        "right samples without such a path": (base.left_out, tuned.left_out),
    }
    return Table(
        caption="Each side by itself, at its own number of right samples",
        head=("means over problems", "base", "tuned"),
        rows=tuple((name, *map(hundredths, values)) for name, values in facts.items()),
    )
