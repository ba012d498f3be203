"""Real samples for the reader's own eyes: grouped by problem, bounded in number and length.

Text of models is kept as it is, save characters that no page can hold or show. Escaping is the
template's part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pathshift.analysis.result import ProblemRow, SampleView
from pathshift.report.formats import whole

MOST_PROBLEMS = 30
MOST_SAMPLES = 8
"""Samples shown of one problem and one model."""
HEAD, TAIL = 1600, 800
"""Characters shown of a long text: where it starts, and where its answer stands."""
QUESTION_LENGTH = 2000
LINE_LENGTH = 200

# Control characters get their visible symbols: a page may not hold NUL, and an escape sequence
# that nobody sees would hide what a model wrote. Lone surrogates have no bytes in UTF-8.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_VISIBLE |= {0x7F: 0x2421} | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSample:
    """A sample as it stands on the page; `cut` says what was left out between head and tail."""

    side: str
    label: str
    outcome: str
    answer: str
    head: str
    cut: str
    tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A problem with its samples side by side; `more` says how many are not shown."""

    id: str
    counts: str
    question: str
    gold: str
    base: tuple[ShownSample, ...]
    tuned: tuple[ShownSample, ...]
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillDown:
    """The problems shown, and one line on those that are not."""

    problems: tuple[ShownProblem, ...]
    more: str


def drill_down(samples: Sequence[SampleView], rows: Iterable[ProblemRow]) -> DrillDown:
    """The first problems in the order given, with the first samples of each."""
    groups: dict[str, list[SampleView]] = {}
    for sample in samples:
        groups.setdefault(sample.problem_id, []).append(sample)
    counts = {row.id: row for row in rows}
    shown = [_problem(group, counts) for group in list(groups.values())[:MOST_PROBLEMS]]
    left = len(groups) - len(shown)
    more = f"{whole(left)} more problems have samples that are not shown here." if left else ""
    return DrillDown(problems=tuple(shown), more=more)


def _problem(group: list[SampleView], counts: Mapping[str, ProblemRow]) -> ShownProblem:
    first = group[0]
    base, tuned = ([s for s in group if s.side == side] for side in ("base", "tuned"))
    left = sum(max(0, len(part) - MOST_SAMPLES) for part in (base, tuned))
    return ShownProblem(
        id=line(first.problem_id),
        counts=_counts(counts.get(first.problem_id)),
        question=shortened(first.question, QUESTION_LENGTH),
        gold=line(first.gold),
        base=tuple(_sample(s) for s in base[:MOST_SAMPLES]),
        tuned=tuple(_sample(s) for s in tuned[:MOST_SAMPLES]),
        more=f"{whole(left)} more samples of this problem are not shown." if left else "",
    )


def _counts(row: ProblemRow | None) -> str:
    if row is None:
        return ""
    return f"base {row.c_base} of {row.n_base}, tuned {row.c_tuned} of {row.n_tuned} correct"


def _sample(sample: SampleView) -> ShownSample:
    head, cut, tail = ends(sample.text)
    return ShownSample(
        side=sample.side,
        label=f"{sample.side} #{sample.sample_no}",
        outcome=line(sample.outcome),
        answer="no answer found" if sample.answer is None else f"answer: {line(sample.answer)}",
        head=head,
        cut=cut,
        tail=tail,
    )


def ends(text: str) -> tuple[str, str, str]:
    """Start and end of a text with a note on what lies between; all of it if it is short.

    >>> ends("short")
    ('short', '', '')
    >>> ends("x" * 5000)[1]
    '… 2,600 characters left out …'
    """
    if len(text) <= HEAD + TAIL:
        return visible(text), "", ""
    left = len(text) - HEAD - TAIL
    return visible(text[:HEAD]), f"… {whole(left)} characters left out …", visible(text[-TAIL:])


def line(text: str) -> str:
    """A text on one line of bounded length."""
    return " ".join(shortened(text, LINE_LENGTH).split())


def shortened(text: str, most: int) -> str:
    """A text of bounded length; an ellipsis with a count stands for the rest."""
    if len(text) <= most:
        return visible(text)
    return f"{visible(text[:most])} … ({whole(len(text) - most)} more characters)"


def visible(text: str) -> str:
    r"""Control characters by their symbols, line ends as one newline.

    >>> visible("a\x1b[2J\r\n")
    'a␛[2J\n'
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)
