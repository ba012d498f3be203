"""Which kind serves both sides, and what is kept of a run's samples."""

from __future__ import annotations

import pytest

from pathshift.analysis.run_paths import Keys, ProblemPaths, common_kind
from pathshift.traces.paths import Kind


def side(n_equations: int, n: int, *, expression: bool = False) -> ProblemPaths:
    """n correct samples, the first of them with equations."""
    correct: list[Keys] = []
    for i in range(n):
        keys = {Kind.STEPS: b"s%d" % i}
        if i < n_equations:
            keys[Kind.EQUATIONS] = b"e%d" % (i % 3)
        if expression:
            keys[Kind.EXPRESSION] = b"x"
        correct.append(keys)
    return ProblemPaths(correct=correct)


@pytest.mark.parametrize(
    ("base", "tuned", "kind"),
    [
        (side(10, 10), side(10, 10), Kind.EQUATIONS),
        (side(9, 10), side(10, 10), Kind.EQUATIONS),
        (side(8, 10), side(10, 10), Kind.STEPS),
        (side(10, 10), side(8, 10), Kind.STEPS),
        (side(1, 2), side(2, 2), Kind.STEPS),
        (side(10, 10, expression=True), side(10, 10, expression=True), Kind.EXPRESSION),
        (side(10, 10, expression=True), side(10, 10), Kind.EQUATIONS),
    ],
)
def test_the_most_certain_kind_that_nearly_all_samples_of_both_sides_have(
    base: ProblemPaths, tuned: ProblemPaths, kind: Kind
) -> None:
    assert common_kind((base, tuned)) is kind


def test_samples_without_the_kind_are_not_counted() -> None:
    assert sorted(side(9, 10).counts(Kind.EQUATIONS)) == [3, 3, 3]
    assert side(9, 10).counts(Kind.STEPS) == [1] * 10
