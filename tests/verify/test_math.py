"""The symbolic verifier, through real workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.verify.samples import outcomes, problem

from pathshift.records import Outcome
from pathshift.verify import Judge, WorkerPool

pytest.importorskip("math_verify")

C, W, U, F = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED

MATH = [
    (r"\frac{1}{2}", r"\boxed{\dfrac12}", C, "spelling"),
    ("9", r"\boxed{There are 9 divisors of 36}", W, "a sentence is no value"),
    ("42", r"\boxed{41}. Wait ... \boxed{42}", C, "reflection: close boxes are no set"),
    ("41", r"\boxed{41}. Wait ... \boxed{42}", W, "nor is the first of them an answer"),
    (r"\sqrt{2}", r"\boxed{\frac{2}{\sqrt{2}}}", C, "symbolic equality"),
    (r"2\sqrt{3}", r"The answer is $\sqrt{12}$.", C, "phrase and dollars"),
    ("x^2-1", r"\boxed{(x-1)(x+1)}", C, "polynomials"),
    ("x=5", r"\boxed{5}", C, "an assignment is its value"),
    ("5", r"\boxed{x=5}", C, "on either side"),
    ("x=5", r"\boxed{y=5}", W, "but the letter counts if both have one"),
    ("5", r"\boxed{5 \text{ cm}}", C, "unit in text mode"),
    (r"5\pi", r"\boxed{5pi}", C, "pi without its backslash"),
    (r"5\sqrt{2}", r"\boxed{5\sqrt{2}\text{ cm}^2}", C, "unit behind a root"),
    (r"\sqrt{2}", r"\boxed{1.414214}", C, "a decimal of seven digits of an irrational"),
    (r"\sqrt{2}", r"\boxed{1.4142}", W, "a shorter one"),
    (r"\sqrt{2}/2^{40}", r"\boxed{0.0}", W, "six places are not six digits"),
    ("1/3", r"\boxed{0.333333}", W, "two numbers are compared exactly"),
    (r"50\%", r"\boxed{0.5}", W, "percent is a unit"),
    ("3x-y+13=0", r"\boxed{3x+4y+14=0}", W, "another line [math-verify 0.9 has said yes]"),
    ("3x-y+13=0", r"\boxed{0}", W, "its right side is not the answer"),
    ("3x-y+13=0", r"\boxed{y=3x+13}", C, "the same line"),
    (r"\frac{1}{2^{99}}", r"\boxed{\frac{1}{2^{98}}}", W, "small numbers [yes in math-verify 0.9]"),
    ("1/2004!", r"\boxed{1/2006!}", W, "small numbers [yes in math-verify 0.9]"),
    (r"1-1/\mathrm{e}", r"\boxed{1+1/\mathrm{e}}", W, "e is no unit [yes in math-verify 0.9]"),
    (r"1-1/\mathrm{e}", r"\boxed{1-\frac{1}{e}}", C, "roman e is e"),
    (r"x/2^{99}", r"\boxed{x/2^{98}}", W, "small coefficients [yes in math-verify 0.9]"),
    (r"(1/2^{99},1)", r"\boxed{(1/2^{98},1)}", W, "small numbers in a pair"),
    (r"\{1/2^{99},1\}", r"\boxed{\{1/2^{98},1\}}", W, "small numbers in a set"),
    ("(1,2)", r"\boxed{[1,2]}", W, "open is not closed"),
    ("(1,2)", r"\boxed{(2,1)}", W, "order of a pair"),
    ("1,2", r"\boxed{2,1}", C, "a list is a set"),
    ("1,2", r"\boxed{1}", W, "part of a set"),
    (r"\text{no solution}", r"\boxed{\text{No solution}}", C, "words, any case"),
    ("Monday", r"\boxed{Damony}", W, "an anagram is no word [yes as a product of letters]"),
    (r"\text{(B)}", r"\boxed{B}", C, "letter of a choice"),
    ("ab", r"\boxed{ba}", C, "a product commutes"),
    ("5", r"\boxed{}", U, "empty box"),
    ("5", r"\boxed{1+}", W, "no formula"),
    ("5", r"\boxed{__import__('os').abort()}", W, "code is no formula"),
    ("5", r"\boxed{\frac{1}{0}}", W, "no number"),
    ("5", "five", U, "no mark"),
]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge("math", timeout_s=20) as judging:
        yield judging


@pytest.mark.parametrize(("gold", "text", "expected", "why"), MATH)
def test_math(judge: Judge, gold: str, text: str, expected: Outcome, why: str) -> None:
    assert outcomes(judge, problem(gold), [text]) == [expected], why


LEFT_LENIENT = [
    ("(1,2)", r"\boxed{1,2}", C, "a pair without its brackets is read as the pair"),
    ("y=2x+3", r"\boxed{2x+3}", C, "the right side stands for the function"),
    ("f(x)=x^2", r"\boxed{x^2}", C, "likewise"),
]


@pytest.mark.parametrize(("gold", "text", "expected", "why"), LEFT_LENIENT)
def test_leniency_that_is_left(
    judge: Judge, gold: str, text: str, expected: Outcome, why: str
) -> None:
    assert outcomes(judge, problem(gold), [text]) == [expected], why


def test_plain_answers_start_no_worker() -> None:
    with WorkerPool(["/nowhere/no-such-program"]) as pool, Judge("math", pool=pool) as judge:
        texts = [r"\boxed{18}", r"\boxed{17}", r"\boxed{\text{18}}", "nothing"]
        assert outcomes(judge, problem("18"), texts) == [C, W, C, U]


def test_no_correct_answer_is_lost_beside_hanging_ones() -> None:
    # Equal only symbolically, so that each goes through the worker.
    texts = [rf"\boxed{{\frac{{{n}\sqrt{{4}}}}{{{2 * n}}}+{n}-{n}}}" for n in range(1, 201)]
    for hanging in (50, 150):
        texts[hanging] = rf"\boxed{{{hanging}^{{9^{{9^{{9}}}}}}+1}}"
    with Judge("math", timeout_s=3) as judge:
        found = outcomes(judge, problem("1"), texts)
    assert found[50] is F
    assert found[150] is F
    assert found.count(C) == 198
