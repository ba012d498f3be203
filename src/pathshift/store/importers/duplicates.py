"""Draws that stand in a log twice: one seed drawn twice, or greedy decoding asked n times.

Short answers repeat honestly, so a repeated text proves nothing. What does is a whole series:
sample number a and sample number b (or one file and another) word for word equal in every problem,
where the other samples of these problems say that this is no chance. The chance is estimated for
each text as the share of its problem's other samples that say the same; from one in a million on
the two are one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from pathshift.records import Outcome

MIN_EVIDENCE = 6.0
"""Tenfold steps of chance: one in a million."""

LONG_CHARS = 400
"""Two texts of this length are hardly ever equal by chance,"""

LONG_EVIDENCE = 1.5
"""so where no other sample speaks, they count as one in thirty."""


class Draw(NamedTuple):
    """What counting and the search for copies need of one sample."""

    number: int
    shard: int
    text_digest: bytes
    n_chars: int
    outcome: Outcome | None
    finish_reason: str
    n_tokens: int | None


class Doubled(NamedTuple):
    """What was found: a sentence, and the copies as (index of the problem, sample number)."""

    sentence: str
    copies: frozenset[tuple[int, int]]


Placed = tuple[int, Draw]
"""Index of the problem, and one of its draws."""


def doubled_draws(problems: Sequence[Sequence[Draw]]) -> Doubled | None:
    """Sample numbers or files that repeat an earlier one in every problem; None if there are none.

    Samples without text (a dead server's) are passed over: they are no draws.
    """
    placed = [(i, draw) for i, draws in enumerate(problems) for draw in draws if draw.n_chars]
    said = [Counter(draw.text_digest for draw in draws) for draws in problems]
    by_shard = _twins([(draw.shard, (i, draw)) for i, draw in placed], said)
    by_number = _twins([(draw.number, (i, draw)) for i, draw in placed], said)
    if by_shard:
        return _told("file", by_shard)
    return _told("sample", by_number) if by_number else None


Series = tuple[int, list[Placed]]
"""A sample number or the number of a file, and its draws."""


def _twins(
    keyed: Sequence[tuple[int, Placed]], said: Sequence[Counter[bytes]]
) -> list[list[Series]]:
    """Groups of series that hold the same texts and hardly do so by chance."""
    series: dict[int, list[Placed]] = {}
    for key, placed in keyed:
        series.setdefault(key, []).append(placed)
    groups: dict[Hashable, list[Series]] = {}
    for key in sorted(series):
        texts = tuple(sorted((index, draw.text_digest) for index, draw in series[key]))
        groups.setdefault(texts, []).append((key, series[key]))
    return [
        twins
        for twins in groups.values()
        if len(twins) > 1 and _evidence(twins[0][1], len(twins), said) >= MIN_EVIDENCE
    ]


def _evidence(draws: Sequence[Placed], copies: int, said: Sequence[Counter[bytes]]) -> float:
    """How unlikely it is that other draws say all this again, in tenfold steps."""
    mine = Counter((index, draw.text_digest) for index, draw in draws)
    n_mine = Counter(index for index, _ in draws)
    total = 0.0
    for index, draw in draws:
        # Without the copies: this series once, and all that is no copy of it.
        others = said[index].total() - (copies - 1) * n_mine[index]
        same = said[index][draw.text_digest] - (copies - 1) * mine[index, draw.text_digest]
        total += math.log10(others / same)
        if others == same and draw.n_chars >= LONG_CHARS:
            total += LONG_EVIDENCE
    return total


def _told(what: str, found: Sequence[Sequence[Series]]) -> Doubled:
    (first, draws), (second, _) = found[0][:2]
    n_problems = len({index for index, _ in draws})
    extra = sum(len(twins) - 1 for twins in found)
    start = 1 if what == "file" else 0
    return Doubled(
        f"{what} {second + start} repeats {what} {first + start} word for word in all {n_problems} "
        f"problems ({extra} such {'copy' if extra == 1 else 'copies'})",
        frozenset(
            (index, draw.number)
            for twins in found
            for _, copied in twins[1:]
            for index, draw in copied
        ),
    )
