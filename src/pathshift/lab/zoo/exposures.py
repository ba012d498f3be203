"""How much of a skill must stand in pre-training before reinforcement learning brings it out.

Three bases that differ in their share of depth 3 alone (none, .1%, 1%: the design of "Interplay",
arXiv:2512.07783, section 3), each with a GRPO child trained on depths 2 and 3, measured at depth 3
and at depth 4, which none of the six was trained on. Each child is set against its own base on the
same problems. One seed a base: what is found hangs on it, and the verdicts say nothing of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathshift.analysis.comparison import compare
from pathshift.lab.zoo.building import Told, build
from pathshift.lab.zoo.measuring import RUNS, measure
from pathshift.lab.zoo.recipe import Recipe, read_recipe

PAIRS = (
    ("compose-base-none", "compose-none-grpo"),
    ("compose-base-tenth", "compose-tenth-grpo"),
    ("compose-base", "compose-grpo"),
)
"""Base and child, by rising share of depth 3 in the base's corpus."""
SETS = ("compose-3", "compose-4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A child against its base on one set.

    Attributes:
        share: Of depth 3 among the base's documents.
        k: Numbers of tries that `base`, `tuned` and `floor` are given at.
        floor: What blind guessing reaches.
        word, sentence: The verdict of `pathshift compare`.
    """

    base_name: str
    tuned_name: str
    set_name: str
    share: float
    k: Sequence[int]
    base: Sequence[float]
    tuned: Sequence[float]
    floor: Sequence[float]
    word: str
    sentence: str


def exposures(
    out: Path,
    told: Told | None = None,
    *,
    recipes: Sequence[tuple[Recipe, Recipe]] | None = None,
    sets: Sequence[str] = SETS,
) -> list[Found]:
    """Build, measure and compare all pairs, as far as it is not done.

    Args:
        recipes: Base and child of each pair; None for `PAIRS`.
        sets: Evaluation sets, of those that the recipes name.
    """
    pairs = recipes or [(read_recipe(base), read_recipe(tuned)) for base, tuned in PAIRS]
    found: list[Found] = []
    for pair in pairs:
        numbers = []
        for recipe in pair:
            build(recipe, out, told)
            numbers.append(measure(recipe, out, told))
        found += [_found(pair, name, out, numbers) for name in sets]
    return found


def _found(
    pair: tuple[Recipe, Recipe], name: str, out: Path, numbers: Sequence[dict[str, Any]]
) -> Found:
    base, tuned = pair
    runs = [out / recipe.name / RUNS / name for recipe in pair]
    verdict = compare(*runs, names=(base.name, tuned.name)).verdict
    before, after = (one["sets"][name] for one in numbers)
    return Found(
        base_name=base.name, tuned_name=tuned.name, set_name=name,
        share=dict(base.corpus_plan.shares).get(3, 0.0), k=before["k"], base=before["value"],
        tuned=after["value"], floor=before["floor"], word=verdict.word, sentence=verdict.sentence,
    )  # fmt: skip


def lines(found: Sequence[Found]) -> list[str]:
    """The table for a terminal, a line a pair and set, then the verdicts."""
    rows = [f"{'depth 3':>8}  {'set':<10}{'k':>6}{'base':>8}{'child':>8}{'blind':>8}"]
    for one in found:
        for i, k in enumerate(one.k):
            if k in (1, 16, one.k[-1]):
                head = f"{one.share:>8.1%}  {one.set_name:<10}{k:>6}"
                rows.append(f"{head}{one.base[i]:>8.3f}{one.tuned[i]:>8.3f}{one.floor[i]:>8.3f}")
    return [*rows, *(f"{one.tuned_name}, {one.set_name}: {one.sentence}" for one in found)]
