"""The second opinion on its own, in this process."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pathshift.records import Outcome
from pathshift.verify import equality, gym

pytest.importorskip("sympy")
pytest.importorskip("math_verify")


def tree(text: str) -> Any:
    return importlib.import_module("sympy").sympify(text, evaluate=False)


DIFFER = [
    ("2**-99", "2**-98", "15 digits after the point do not tell"),
    ("1/factorial(2004)", "1/factorial(2006)", "nor for factorials"),
    ("x*2**-99", "x*2**-98", "nor for coefficients"),
    ("sqrt(2)*2**-40", "0.0", "a decimal needs six right digits"),
    ("Eq(3*x - y + 13, 0)", "Eq(3*x + 4*y + 14, 0)", "two lines"),
    ("Eq(x, 2**-99)", "2**-98", "an assignment against a value"),
    ("Tuple(1, 2**-99)", "Tuple(1, 2**-98)", "tuples"),
    ("FiniteSet(1, 2**-99)", "FiniteSet(1, 2**-98)", "sets"),
    ("Interval(0, 2**-99)", "Interval(0, 2**-98)", "intervals"),
    ("Matrix([[1, 2**-99]])", "Matrix([[1, 2**-98]])", "matrices"),
]

AGREE = [
    ("sqrt(2)*sqrt(3) - sqrt(6)", "0", "a zero in disguise"),
    ("sqrt(2)", "1.4142136", "a rounded decimal"),
    ("(x - 1)*(x + 1)", "x**2 - 1", "two forms of a polynomial"),
    ("Eq(x**2 + y**2, 1)", "Eq(2*x**2 + 2*y**2, 2)", "a multiple of an equation"),
    ("Eq(1/x, y)", "Eq(x*y, 1)", "an equation with a denominator"),
    ("FiniteSet(1, 2)", "FiniteSet(2, 1)", "a set has no order"),
    ("Eq(sin(x), y)", "Eq(sin(x), y)", "not refuted where it cannot tell"),
    ("Eq(1, 1, evaluate=False)", "Eq(1, 1, evaluate=False)", "an equation without symbols"),
    ("a + b + c + d + f", "a + b + c + d + g", "more symbols than points have places"),
    ("oo", "oo", "no number"),
    ("S.Reals", "S.Reals", "no value at all"),
]


@pytest.mark.parametrize(("gold", "answer", "why"), DIFFER)
def test_a_wrong_yes_is_overturned(gold: str, answer: str, why: str) -> None:
    assert equality.refuted(tree(gold), tree(answer)), why


@pytest.mark.parametrize(("gold", "answer", "why"), AGREE)
def test_a_right_yes_stands(gold: str, answer: str, why: str) -> None:
    assert not equality.refuted(tree(gold), tree(answer)), why


def test_the_grader_of_the_worker_says_the_outcome() -> None:
    grade = equality.load()
    assert grade({"gold": r"\sqrt{2}", "answer": r"\frac{2}{\sqrt{2}}"}) is Outcome.CORRECT
    assert grade({"gold": r"\sqrt{2}", "answer": "1+"}) is Outcome.WRONG


def test_the_gym_grader_shows_the_scorer_harmless_text_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def score(answer: str, entry: dict[str, Any]) -> float:
        seen.append(answer)
        return float(answer)

    stand_in = SimpleNamespace(get_score_answer_fn=lambda name: score)
    monkeypatch.setitem(sys.modules, "reasoning_gym", stand_in)
    grade = gym.load()
    entry = {"answer": "ref", "metadata": {"output": [[1]], "valid_answers": ["ref"]}}
    found = [
        grade({"dataset": dataset, "entry": entry, "answer": answer})
        for dataset, answer in [
            ("n_queens", "1"),
            ("n_queens", "f()"),
            ("countdown", "0.98"),
            ("countdown", "f.g"),
            ("countdown", "exec(1)"),
            ("arc_agi", "x"),
        ]
    ]
    assert found == ["correct", "wrong", "wrong", "wrong", "wrong", "unparsed"]
    assert seen == ["1", "0.98", "x"]
