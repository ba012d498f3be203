"""How the samples ended, side by side, and what remains of the difference without the spoilt ones.

Covers the texts of the section. What is measured comes from `pathshift.analysis.hygiene`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pathshift.analysis.hygiene import EndsOfSide, Hygiene, Rate, Recount
from pathshift.report.formats import NO_BREAK, counted, interval, is_number, share, signed, whole
from pathshift.report.tables import Section, Table

NOTHING = "–"
CELLS = {
    "all": "all {problems}",
    "base_only": "{problems} solved by the base only",
    "tuned_only": "{problems} solved by the tuned model only",
}
SPOILT = {"truncated": "truncated", "unparsed": "unparsed", "either": "either of both"}
MEANINGS = (
    "Truncated: cut by the token limit. Unparsed: the verifier found no answer. The rest ended by"
    " itself, by a stop text or the end token. Intervals are 95%, over problems like these."
)
LEFT_OUT = (
    "The last table leaves out of both models the samples that were spoilt and not correct, as if"
    " they would have been right as often as the others of the same problem."
)
NOT_EXACT = (
    "Which of the spoilt samples were correct is not known here; none is taken to be, so the"
    " recount shows the most that the reason could do."
)
HARMLESS = (
    "They could not explain what was certified: no sign turns, and over no certified range does"
    " the difference shrink to less than half."
)


def ends_section(found: Hygiene | None) -> Section | None:
    """A table of endings for every set of problems that has any, and the recounts."""
    if found is None:
        return None
    recounts = () if not found.recounts else (_recount_table(found.recounts),)
    return Section(
        title="How the samples ended",
        tables=(*_by_cell(found.ends), *recounts),
        texts=(MEANINGS, *_explained(found)),
    )


def _explained(found: Hygiene) -> Iterable[str]:
    if not found.recounts:
        return
    yield LEFT_OUT if found.warnings else f"{LEFT_OUT} {HARMLESS}"
    if not all(recount.is_exact for recount in found.recounts):
        yield NOT_EXACT


def _by_cell(ends: Mapping[str, Mapping[str, EndsOfSide]]) -> Iterable[Table]:
    for cell, sides in ends.items():
        base, tuned = sides["base"], sides["tuned"]
        if base.problems:
            caption = CELLS[cell].format(problems=counted(base.problems, "problem"))
            yield Table(
                caption=f"{caption[0].upper()}{caption[1:]}",
                head=("", "base", "tuned"),
                rows=tuple(_rows(base, tuned)),
            )


def _rows(base: EndsOfSide, tuned: EndsOfSide) -> Iterable[tuple[str, str, str]]:
    yield "truncated", _share(base.truncated), _share(tuned.truncated)
    yield "unparsed", _share(base.unparsed), _share(tuned.unparsed)
    yield "ended by itself", _share(base.ended), _share(tuned.ended)
    if base.failed.value or tuned.failed.value:
        yield "without a judgement", _share(base.failed), _share(tuned.failed)
    yield "mean tokens", _mean(base.tokens), _mean(tuned.tokens)


def _share(rate: Rate) -> str:
    return NOTHING if rate.value is None else f"{share(rate.value)} {interval(*rate[1:], share)}"


def _mean(rate: Rate) -> str:
    return NOTHING if rate.value is None else f"{tokens(rate.value)} {interval(*rate[1:], tokens)}"


def tokens(value: float | None) -> str:
    """Mean tokens of a sample: digits after the point only where there are few before it.

    >>> tokens(1.25), tokens(1234.5), tokens(None)
    ('1.2', '1,234', '–')
    """
    if not is_number(value):
        return NOTHING
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _recount_table(recounts: Sequence[Recount]) -> Table:
    return Table(
        caption="The certified difference without spoilt samples",
        head=("left out", "base / tuned", "k", "difference", "without"),
        rows=tuple(
            (
                SPOILT[recount.reason],
                _beside(share(recount.share["base"]), share(recount.share["tuned"])),
                whole(k),
                signed(before),
                signed(after),
            )
            for recount in _apart(recounts)
            for k, before, after in zip(recount.k, recount.before, recount.after, strict=True)
        ),
    )


def _apart(recounts: Sequence[Recount]) -> Iterable[Recount]:
    """Both reasons together only where they spoil more than each of them alone."""
    alone = [dict(recount.share) for recount in recounts if recount.reason != "either"]
    return (r for r in recounts if r.reason != "either" or dict(r.share) not in alone)


def setting_table(ends: Mapping[str, Mapping[str, EndsOfSide]]) -> Table | None:
    """How samples ended under each setting; None where no run says so."""
    rates = [
        getattr(side, name).value
        for sides in ends.values()
        for side in sides.values()
        for name in ("truncated", "unparsed", "tokens")
    ]
    if all(value is None for value in rates):
        return None
    return Table(
        caption="How the samples ended: base / tuned",
        head=("", "truncated", "unparsed", "mean tokens"),
        rows=tuple(
            (
                label,
                _pair(sides["base"].truncated, sides["tuned"].truncated),
                _pair(sides["base"].unparsed, sides["tuned"].unparsed),
                _pair(sides["base"].tokens, sides["tuned"].tokens, tokens),
            )
            for label, sides in ends.items()
        ),
    )


def _pair(base: Rate, tuned: Rate, write: Callable[[float | None], str] = share) -> str:
    return _beside(
        *(NOTHING if rate.value is None else write(rate.value) for rate in (base, tuned))
    )


def _beside(base: str, tuned: str) -> str:
    return f"{base}{NO_BREAK}/{NO_BREAK}{tuned}"
