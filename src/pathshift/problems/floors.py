"""What blind guessing reaches: the null policies that several families share.

Covers one try at a whole-number answer, one try at an arrangement of known letters, and what
either reaches in k tries. A family whose null is its own (countdown, compose) keeps it at home.
"""

from __future__ import annotations

import math
import re
from collections import Counter

_WHOLE = re.compile(r"-?[0-9]{1,300}")


def blind_whole_number(gold: str, *, low: int = 0, high: int = 999) -> float:
    """Chance that a uniform whole number from `low` to `high`, both included, is `gold`.

    0 where `gold` is no whole number or lies outside the range: this policy never says it.

    >>> blind_whole_number("72")
    0.001
    >>> blind_whole_number("7/2")
    0.0
    """
    if high < low:
        raise ValueError(f"the range needs low <= high, got {low}..{high}")
    text = gold.strip()
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        return 0.0
    return 1 / (high - low + 1)


def blind_arrangement(gold: str, *, letters: str) -> float:
    """Chance that a uniform shuffle of `letters` is `gold`; 0 if the letters differ.

    >>> blind_arrangement("aba", letters="aab")
    0.3333333333333333
    """
    counts = Counter(letters)
    if Counter(gold) != counts:
        return 0.0
    same = math.prod(math.factorial(count) for count in counts.values())
    return same / math.factorial(len(letters))


def reached_in(floor: float, *, tries: int) -> float:
    """Chance that at least one of `tries` independent tries succeeds: 1 - (1 - floor)^tries.

    >>> round(reached_in(0.001, tries=128), 3)
    0.12
    """
    if not 0 <= floor <= 1 or tries < 0:
        raise ValueError(f"needs a floor in [0, 1] and tries >= 0, got {floor} and {tries}")
    if floor == 1:
        return float(tries > 0)
    return -math.expm1(tries * math.log1p(-floor))
