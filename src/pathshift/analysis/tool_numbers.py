"""What the tool that wrote a log reports itself, beside the number without its bias.

Three tools are known to be off: verl draws its best@k with replacement, lighteval divides pass@k
by the declared number of samples, and copies of Qwen2.5-Math's evaluation fill short rows up with
their last score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pathshift.analysis.pairing import Pair
from pathshift.analysis.result import ToolNumber
from pathshift.records import CountTable
from pathshift.stats.passk import best_with_replacement, miss_table


def tool_numbers(pair: Pair, k: int) -> list[ToolNumber]:
    """Every number of either side's tool that is known to be off.

    Args:
        k: The k at which best@k is shown.
    """
    return [n for side in ("base", "tuned") for n in numbers_of(side, getattr(pair, side), k)]


def numbers_of(side: str, table: CountTable, k: int) -> Iterator[ToolNumber]:
    """The same for one side alone."""
    settings = table.settings
    if settings.get("format") == "verl" and k > 1:
        n, c = _counts(table)
        yield ToolNumber(
            side=side, tool="verl", name=f"best@{k}", says=best_with_replacement(n, c, k),
            unbiased=_pass_at(table, k), why="it draws with replacement",
        )  # fmt: skip
    yield from _lighteval(side, table)
    if settings.get("padded_rows"):
        yield ToolNumber(
            side=side, tool="qwen2.5-math", name="pass@1", says=float(settings["padded_mean"]),
            unbiased=_pass_at(table, 1),
            why=f"{settings['padded_rows']} rows hold fewer than {settings['padded_to']} samples "
            "and are filled up with their last score",
        )  # fmt: skip


def _lighteval(side: str, table: CountTable) -> Iterator[ToolNumber]:
    settings = table.settings
    reported: Mapping[str, Any] = settings.get("reported") or {}
    for name, value in reported.items():
        digits = name.partition("k=")[2].partition("&")[0]
        k = int(digits) if digits.isdecimal() else 0
        if 1 <= k <= min(p.n for p in table.counts):
            yield ToolNumber(
                side=side, tool="lighteval", name=f"pass@{k}", says=float(value),
                unbiased=_pass_at(table, k),
                why=f"it divides by the declared {settings['declared_n']} samples, "
                f"{settings['drawn_n']} were drawn",
            )  # fmt: skip


def _counts(table: CountTable) -> tuple[Any, Any]:
    n, c = (np.array([getattr(p, name) for p in table.counts]) for name in ("n", "c"))
    return n, c


def _pass_at(table: CountTable, k: int) -> float:
    n, c = _counts(table)
    return float(1 - miss_table(n, c, k)[:, k - 1].mean())


def lines(numbers: list[ToolNumber]) -> list[str]:
    """One line a number of one tool, both sides in it."""
    told: dict[tuple[str, str, str], list[ToolNumber]] = {}
    for number in numbers:
        told.setdefault((number.tool, number.name, number.why), []).append(number)
    return [
        f"{tool} would report {name} "
        + ", ".join(f"{n.says:.3f} ({n.side}: in truth {n.unbiased:.3f})" for n in group)
        + f": {why}"
        for (tool, name, why), group in told.items()
    ]
