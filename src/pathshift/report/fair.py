"""Sections beside the verdict: how samples ended, best settings, equal tokens, equal entropy.

Covers their texts and figures. What is measured comes from `pathshift.analysis.envelope`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pathshift.analysis.entropy_match import EntropyMatch
from pathshift.analysis.envelope import Envelope
from pathshift.analysis.equal_tokens import EqualTokens
from pathshift.analysis.fairness import Fairness
from pathshift.analysis.paired_rows import Curves
from pathshift.analysis.result import Range
from pathshift.report import fair_charts
from pathshift.report.endings import NOTHING, ends_section, setting_table
from pathshift.report.fair_charts import Pictured
from pathshift.report.formats import (
    NO_BREAK,
    interval,
    percent,
    ranges,
    rate,
    share,
    signed,
    whole,
)
from pathshift.report.parts import WORD_LABELS, Figure
from pathshift.report.samples import line, visible
from pathshift.report.tables import Section, Table

SHOWN_BUDGETS = 9
ONE_POINT = "There is one point only, so there is no curve to draw; the table has the number."
CHOICE = (
    "Chosen fairly: on one half of the samples, and reported on the other half, so k ends at half"
    " of the samples. Chosen on other problems: a setting picked on half of the problems, reported"
    " on the other half. Chosen on the same samples: what picking and reporting on the same samples"
    " would have said; picking the best of several noisy numbers makes both models look too good."
    " Evenly over all: k samples spread over all settings, which chooses nothing."
)
TOKENS = (
    "Here both models get the same number of tokens a problem, not the same number of samples: the"
    " chance that a correct sample ends within the budget, each model under its best setting at"
    " every budget, chosen on one half of the samples and reported on the other."
)
NO_ENVELOPE = (
    "There is no comparison at each one's best setting: it needs the base under the same settings"
    " (--base RUN)."
)
ENTROPY_KINDS = {
    "policy": "Entropy is minus the mean ln p of the drawn tokens under the policy that drew them.",
    "logged": "Entropy is what the tool behind the log calls so.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """A section of charts and tables; `word` and `sentence` where it has a verdict of its own.

    Attributes:
        numbers: What the charts show, folded away.
    """

    title: str
    word: str
    word_label: str
    sentence: str
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    numbers: Table
    tables: tuple[Table, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FairPart:
    """All that stands beside the verdict; None where it is not known."""

    warnings: tuple[str, ...]
    hygiene: Section | None
    best: Charted | None
    tokens: Charted | None
    entropy: Section | None

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Those of every section."""
        sections = (self.best, self.tokens)
        return tuple(f for part in sections if part is not None for f in part.figures)


def fair_part(found: Fairness | None) -> FairPart:
    """The sections of what was found; empty ones for None."""
    found = Fairness() if found is None else found
    envelope, clean = found.envelope, found.hygiene
    return FairPart(
        warnings=() if clean is None else tuple(visible(text) for text in clean.warnings),
        hygiene=ends_section(clean),
        best=None if envelope is None else _best(envelope),
        tokens=None if envelope is None else _tokens(envelope),
        entropy=(
            _entropy(found.entropy, NO_ENVELOPE) if envelope is None else _entropy(envelope.entropy)
        ),
    )


def _best(found: Envelope) -> Charted:
    naive = dict(zip(found.naive.k, found.naive.difference, strict=True))
    shown = Pictured(
        k=found.k, counts="k", axis="k (samples per problem)", value="pass@k", curves=found.fair,
        gain_certified=found.gain_certified, loss_certified=found.loss_certified,
        floor=found.floor, naive=[naive.get(k, float("nan")) for k in found.k],
    )  # fmt: skip
    certified = _certified(found.gain_certified, found.loss_certified, ranges, "k")
    ends = setting_table({line(label): sides for label, sides in found.ends.items()})
    return Charted(
        title="Each model at its best setting",
        word=found.verdict.word,
        word_label=WORD_LABELS[found.verdict.word],
        sentence=visible(found.verdict.sentence),
        notes=(_settings(found), *_flip(found), *(visible(note) for note in found.notes)),
        figures=(
            _curves_figure(shown, "fair_curves", "pass@k, each at its best setting"),
            _difference_figure(
                shown, "fair_difference", "The difference at the best settings", certified,
                f"{_band(found)} Dotted: what choosing on the same samples would have said.",
            ),
        ),
        numbers=_numbers(found, naive),
        tables=(_ways(found), _chosen(found), *(() if ends is None else (ends,))),
        texts=(CHOICE,),
    )  # fmt: skip


def _settings(found: Envelope) -> str:
    labels = ", ".join(line(label) for label in found.by_setting)
    return f"Both models choose among {labels}, each its own best at every k."


def _flip(found: Envelope) -> Iterable[str]:
    """A sentence where the setting turns the sign at the largest k."""
    if turned := found.turned():
        up, down = (map(line, labels) for labels in turned)
        yield (
            f"The setting turns the sign of the estimate at k = {whole(found.naive.k[-1])}: the"
            f" tuned model is ahead at {', '.join(up)} and behind at {', '.join(down)}."
        )


def _band(found: Envelope) -> str:
    level = percent(found.computed.get("level"))
    return f"The shade is a simultaneous {level} band." if level else "The shade is a band."


def _certified(
    gain: Sequence[Range], loss: Sequence[Range], write: Callable[[Sequence[Range]], str], one: str
) -> str:
    parts = [
        f"{word} certified for {write(found)}."
        for word, found in (("Gain", gain), ("Loss", loss))
        if found
    ]
    return " ".join(parts) or f"No gain and no loss is certified at any {one}."


def _curves_figure(shown: Pictured, name: str, title: str) -> Figure:
    curves, unit = shown.curves, shown.counts
    ends = f"from {unit} = {whole(shown.k[0])} to {whole(shown.k[-1])}"
    return Figure(
        id=name,
        title=title,
        caption="" if shown.floor is None else "Dashed is the floor: what blind guessing reaches.",
        label=(
            f"Line chart of {shown.value} {ends}. Base: {rate(curves.base[0])} to"
            f" {rate(curves.base[-1])}. Tuned: {rate(curves.tuned[0])} to {rate(curves.tuned[-1])}."
        ),
        spec=fair_charts.curves(shown) if len(shown.k) > 1 else None,
        instead=ONE_POINT,
    )


def _difference_figure(
    shown: Pictured, name: str, title: str, certified: str, caption: str
) -> Figure:
    return Figure(
        id=name,
        title=title,
        caption=f"{caption} {certified}",
        label=f"Line chart of tuned minus base. {certified}",
        spec=fair_charts.difference(shown) if len(shown.k) > 1 else None,
        instead=certified,
    )


def _numbers(found: Envelope, naive: Mapping[int, float]) -> Table:
    return Table(
        caption="pass@k at the best settings, in numbers",
        head=("k", "base", "tuned", "tuned − base", "on the same samples", "evenly over all"),
        rows=tuple(
            (
                whole(k),
                rate(found.fair.base[i]),
                rate(found.fair.tuned[i]),
                _gap(found.fair, i),
                signed(naive[k]) if k in naive else NOTHING,
                _gap(found.mixed, i),
            )
            for i, k in _powers(found.k)
        ),
    )


def _powers(k: Sequence[int]) -> list[tuple[int, int]]:
    """Positions and values of the powers of two and of the last k."""
    return [(i, x) for i, x in enumerate(k) if x & (x - 1) == 0 or x == k[-1]]


def _gap(curves: Curves, i: int) -> str:
    return f"{signed(curves.difference[i])} {interval(curves.low[i], curves.high[i], signed)}"


def _ways(found: Envelope) -> Table:
    """The difference by way to choose, at the ends: half of the samples for some, all for others.

    A band of single settings holds for all of them together.
    """
    half = max(set(found.k) & set(found.naive.k))
    shown = list(dict.fromkeys((found.k[0], half, found.naive.k[-1])))
    naive = dict(zip(found.naive.k, found.naive.difference, strict=True))
    rows = [(f"{line(label)} alone", curves) for label, curves in found.by_setting.items()]
    rows.append(("chosen fairly", found.fair))
    if found.other_problems is not None:
        rows.append(("chosen on other problems", found.other_problems))
    rows.append(("evenly over all", found.mixed))
    same = tuple(signed(naive[k]) for k in shown)
    return Table(
        caption="Tuned minus base, by the way to choose a setting",
        head=("", *(f"k = {whole(k)}" for k in shown)),
        rows=(
            *((name, *_at(curves, found.k, shown)) for name, curves in rows),
            ("chosen on the same samples", *same),
        ),
    )


def _at(curves: Curves, default: list[int], shown: Sequence[int]) -> tuple[str, ...]:
    k = default if curves.k is None else curves.k
    return tuple(_gap(curves, k.index(x)) if x in k else NOTHING for x in shown)


def _chosen(found: Envelope) -> Table:
    ends = sorted({0, len(found.k) - 1})
    columns = [(side, i) for side in ("base", "tuned") for i in ends]
    return Table(
        caption="How often each setting was the best one on a half of the samples",
        head=("", *(f"{side}, k{NO_BREAK}={NO_BREAK}{whole(found.k[i])}" for side, i in columns)),
        rows=tuple(
            (line(label), *(share(found.chosen[side][label][i]) for side, i in columns))
            for label in found.by_setting
        ),
    )


def _tokens(envelope: Envelope) -> Charted | None:
    found = envelope.tokens
    if found is None:
        return None
    shown = Pictured(
        k=found.budgets, counts="tokens", axis="tokens per problem", value="chance of success",
        curves=found.curves, gain_certified=found.gain_certified,
        loss_certified=found.loss_certified,
    )  # fmt: skip
    certified = _certified(found.gain_certified, found.loss_certified, _budgets, "budget")
    return Charted(
        title="With the same number of tokens",
        word="",
        word_label="",
        sentence=certified,
        notes=(),
        figures=(
            _curves_figure(shown, "token_curves", "Solved within a budget of tokens"),
            _difference_figure(
                shown, "token_difference", "The difference at equal tokens", certified,
                _band(envelope),
            ),
        ),
        numbers=_budget_table(found),
        tables=(),
        texts=(TOKENS,),
    )  # fmt: skip


def _budgets(parts: Sequence[Range]) -> str:
    found = (whole(a) if a == b else f"{whole(a)} to {whole(b)}" for a, b in parts)
    return f"{' and '.join(found)} tokens a problem"


def _budget_table(found: EqualTokens) -> Table:
    last = len(found.budgets) - 1
    places = dict.fromkeys(round(last * j / (SHOWN_BUDGETS - 1)) for j in range(SHOWN_BUDGETS))
    return Table(
        caption="Chance of success by tokens a problem, in numbers",
        head=("tokens", "base", "tuned", "tuned − base"),
        rows=tuple(
            (
                whole(found.budgets[i]),
                rate(found.curves.base[i]),
                rate(found.curves.tuned[i]),
                _gap(found.curves, i),
            )
            for i in places
        ),
    )


def _entropy(found: EntropyMatch | None, *more: str) -> Section | None:
    if found is None or found.curves.k is None:
        return None
    curves, k = found.curves, found.curves.k
    known = [(line(name), value) for name, value in found.tuned_entropies.items()]
    return Section(
        title="At equal entropy",
        tables=(
            Table(
                caption=f"pass@k: {_where(found)}",
                head=("k", "base", "tuned", "tuned − base"),
                rows=tuple(
                    (whole(x), rate(curves.base[i]), rate(curves.tuned[i]), _gap(curves, i))
                    for i, x in _powers(k)
                ),
            ),
            Table(
                caption="Entropy in nats a token",
                head=("run", "nats"),
                rows=(
                    (f"base: {line(found.base_run)}", rate(found.base_entropy)),
                    *((f"tuned: {n}", NOTHING if v is None else rate(v)) for n, v in known),
                ),
            ),
        ),
        texts=(*_entropy_texts(found), *more),
    )


def _where(found: EntropyMatch) -> str:
    at = found.temperature
    where = line(found.match.low) if at is None else f"T = {at:.2f}"
    return f"the base's first run, and the tuned model at {where}"


def _entropy_texts(found: EntropyMatch) -> Iterable[str]:
    if found.note:
        yield f"{visible(found.note[0].upper() + found.note[1:])}."
    between = ""
    if found.match.low != found.match.high:
        between = " Between two temperatures pass@k is taken as linear in the entropy."
    yield (
        "Training makes a model surer of its tokens, and a higher temperature undoes that. Here the"
        f" tuned model is as random as the base. {ENTROPY_KINDS[found.kind]}{between}"
    )
