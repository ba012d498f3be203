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
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pathshift.records import Outcome

MIN_EVIDENCE = 6.0
"""Tenfold steps of chance: one in a million, over all pairs that are looked at."""

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
    has_shards = len({draw.shard for _, draw in placed}) > 1
    by_shard = _twins([(draw.shard, (i, draw)) for i, draw in placed], said) if has_shards else []
    by_number = _twins([(draw.number, (i, draw)) for i, draw in placed], said)
    if by_shard:
        return _told("file", by_shard)
    return _told("sample", by_number) if by_number else None


@dataclass(slots=True)
class _Series:
    """A sample number or the number of a file, with its draws."""

    key: int
    draws: list[Placed] = field(default_factory=list)
    texts: Counter[tuple[int, bytes]] = field(default_factory=Counter)


def _twins(
    keyed: Sequence[tuple[int, Placed]], said: Sequence[Counter[bytes]]
) -> list[tuple[_Series, _Series]]:
    """Series, each with an earlier one that says all it says and hardly does so by chance."""
    series: dict[int, _Series] = {}
    for key, placed in keyed:
        one = series.setdefault(key, _Series(key))
        one.draws.append(placed)
        one.texts[placed[0], placed[1].text_digest] += 1
    pairs = max(1, len(series) * (len(series) - 1) // 2)
    by_text: dict[tuple[int, bytes], list[_Series]] = {}
    found = []
    for key in sorted(series):
        one = series[key]
        evidence = _evidence(one, said)
        if evidence >= math.log10(pairs / len(series)):
            rarest = min(one.texts, key=lambda text: said[text[0]][text[1]])
            earlier = (other for other in by_text.get(rarest, ()) if one.texts <= other.texts)
            twin = next(earlier, None)
            if twin is not None:
                found.append((evidence, one, twin))
                continue
        for text in one.texts:
            by_text.setdefault(text, []).append(one)
    return [(one, twin) for _, one, twin in _surely(found, pairs)]


def _surely(
    found: list[tuple[float, _Series, _Series]], pairs: int
) -> list[tuple[float, _Series, _Series]]:
    """As many of the found as are, taken together, beyond chance.

    So many pairs were looked at that m of them may agree in pairs^m / m! ways: the evidence of all
    m has to outweigh that.
    """
    found = sorted(found, key=lambda one: -one[0])
    total, kept = 0.0, 0
    for m, (evidence, _, _) in enumerate(found, 1):
        total += evidence
        ways = m * math.log10(pairs) - math.lgamma(m + 1) / math.log(10)
        if total >= MIN_EVIDENCE + ways:
            kept = m
    return sorted(found[:kept], key=lambda one: one[1].key)


def _evidence(one: _Series, said: Sequence[Counter[bytes]]) -> float:
    """How unlikely it is that other draws say all this again, in tenfold steps."""
    n_mine = Counter(index for index, _ in one.draws)
    total = 0.0
    for index, draw in one.draws:
        # Without one copy of the series: what is left says how usual a text is.
        others = max(1, said[index].total() - n_mine[index])
        same = max(1, said[index][draw.text_digest] - one.texts[index, draw.text_digest])
        total += math.log10(others / same) if others > same else 0.0
        if others == same and draw.n_chars >= LONG_CHARS:
            total += LONG_EVIDENCE
    return total


def _told(what: str, found: Sequence[tuple[_Series, _Series]]) -> Doubled:
    one, twin = found[0]
    n_problems = len({index for index, _ in one.draws})
    start = 1 if what == "file" else 0
    return Doubled(
        f"{what} {one.key + start} repeats {what} {twin.key + start} word for word in all "
        f"{n_problems} problems ({len(found)} such {'copy' if len(found) == 1 else 'copies'})",
        frozenset((index, draw.number) for copied, _ in found for index, draw in copied.draws),
    )
