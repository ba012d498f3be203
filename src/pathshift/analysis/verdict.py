"""The verdict's word and sentence, made from intervals and the floor only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pathshift.analysis.result import Range, Verdict, WouldDecide
from pathshift.stats.passk import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]


class Certified(NamedTuple):
    """Ranges of k at which the band excludes zero and the floor allows a word."""

    gain: list[Range]
    loss: list[Range]


def allowed_by_floor(base: FloatArray, floor: FloatArray | None) -> BoolArray:
    """Where a word may be given: the floor is at most half of the base's pass@k."""
    if floor is None:
        return np.ones(len(base), dtype=bool)
    allowed: BoolArray = floor <= base / 2
    return allowed


def certify(k: IntArray, low: FloatArray, high: FloatArray, allowed: BoolArray) -> Certified:
    """Runs of neighbouring k at which the difference is certified."""
    return Certified(_ranges(k, (low > 0) & allowed), _ranges(k, (high < 0) & allowed))


def _ranges(k: IntArray, flags: BoolArray) -> list[Range]:
    padded = np.concatenate([[False], flags, [False]])
    starts = np.flatnonzero(padded[1:] & ~padded[:-1])
    ends = np.flatnonzero(~padded[1:] & padded[:-1]) - 1
    return [Range(int(k[a]), int(k[b])) for a, b in zip(starts, ends, strict=True)]


def word_of(certified: Certified) -> str:
    """One of `WORDS`: what comes first along k, then what comes after it."""
    first_gain = certified.gain[0].low if certified.gain else None
    first_loss = certified.loss[0].low if certified.loss else None
    if first_gain is None and first_loss is None:
        return "undecided"
    if first_loss is None:
        return "gain"
    if first_gain is None:
        return "loss"
    return "gain_then_loss" if first_gain < first_loss else "loss_then_gain"


def first_loss(k: IntArray, certified: Certified) -> Range | None:
    """Where the loss begins: after the initial run of certified gain, up to the first certified k.

    None without a certified loss, or on a grid with gaps, where the statement would not hold.
    """
    is_dense = len(k) == int(k[-1])
    if not certified.loss or not is_dense:
        return None
    starts_with_gain = bool(certified.gain) and certified.gain[0].low == 1
    return Range(certified.gain[0].high + 1 if starts_with_gain else 1, certified.loss[0].low)


def verdict(
    certified: Certified, level: float, plan: WouldDecide | None, *, barred: bool
) -> Verdict:
    """Word and sentence.

    Args:
        plan: What would decide an undecided comparison.
        barred: The band excludes zero somewhere, but only where the floor allows no word.
    """
    word = word_of(certified)
    band = f"{level * 100:g}% simultaneous band"
    if word == "undecided" and barred:
        return Verdict(
            word=word,
            sentence="Undecided: wherever the band excludes zero, blind guessing reaches more than "
            "half of the base's pass@k.",
        )
    if word == "undecided":
        return Verdict(
            word=word, sentence=f"Undecided: the {band} holds zero at every k{_way(plan)}."
        )
    parts = [
        f"gain certified for {_spell(certified.gain)}",
        f"loss certified for {_spell(certified.loss)}",
    ]
    if word == "loss_then_gain":
        parts.reverse()
    said = ", ".join(part for part in parts if not part.endswith("for "))
    return Verdict(word=word, sentence=f"{said[0].upper()}{said[1:]} ({band}).")


def _way(plan: WouldDecide | None) -> str:
    if plan is None:
        return ""
    tokens = f", {_short(plan.tokens)} tokens" if plan.tokens else ""
    return (
        f"; about {plan.problems:,} problems like these ({_short(plan.samples)} samples{tokens}) "
        "would decide it"
    )


def _short(number: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{number / (size if letter != 'k' else 1000):.1f}{letter}"
    return f"{number:,}"


def _spell(ranges: Sequence[Range]) -> str:
    return " and ".join(f"k={r.low}" if r.low == r.high else f"k={r.low}..{r.high}" for r in ranges)
