"""One adversarial table a verifier: (text, outcome, why). Every wrong verdict found goes in."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from tests.verify.samples import outcomes, problem

from pathshift.errors import ConfigError, MissingExtra, UnknownName
from pathshift.records import Outcome
from pathshift.verify import VERIFIERS, Judge, verifier_named
from pathshift.verify.pool import worker_command
from pathshift.verify.verifiers import check_installed

C, W, U, F = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED

NUMBER = [
    ("18", r"\boxed{18}", C, "plain"),
    ("18", "#### 18", C, "grade-school style"),
    ("18", "The answer is 18 dollars.", C, "unit and period"),
    ("18", "So the answer is $18.", C, "currency"),
    ("18", "The answer is 18, because 3 * 6 = 18.", C, "a reason follows"),
    ("18", "The answer is 3 * 6 = 18.", C, "right side of an equation"),
    ("18", "18", C, "the text is the number"),
    ("1234", "Answer: 1,234", C, "thousands comma in the answer"),
    ("1,234", "Answer: 1234.00", C, "thousands comma in the reference"),
    ("1/2", r"\boxed{0.5}", C, "exact decimal of a fraction"),
    ("-3", "The answer is \u22123.", C, "minus sign of typography"),
    ("50", r"\boxed{50\%}", C, "percent is a unit"),
    ("0.5", r"\boxed{50\%}", W, "and never a hundredth"),
    ("50", r"\boxed{0.5}", W, "value/100 is another value"),
    ("0.5", r"\boxed{50}", W, "value*100 is another value"),
    ("18", r"\boxed{18.0001}", W, "no relative tolerance"),
    ("1/3", r"\boxed{0.333333}", W, "a rounded decimal is another number"),
    ("5", r"\boxed{5 million}", W, "a word changes the value"),
    ("5", "The answer is 5 or 6.", U, "a hedge is no answer"),
    ("5", "The answer is 5, 6 or 7.", U, "a list is no answer"),
    ("5", r"\boxed{5, 6}", W, "a list in a box answers something else"),
    ("5", r"\boxed{4} or \boxed{5}... \boxed{6}", W, "only the last box counts"),
    ("3", r"The answer is 3x + 2", U, "a coefficient is no answer"),
    ("3", "The answer is 3 + 2", U, "nor is a term of a sum"),
    ("3", "The answer is 18, since x = 3", W, "an equation in the reason is not the answer"),
    ("6", r"\boxed{3x = 6}", W, "an equation is no number"),
    ("0", r"\boxed{3x-y+13=0}", W, "an equation is no number"),
    ("6", r"\boxed{\text{Total cost} = 6}", C, "a name before the equals sign"),
    ("18", "The answer is unclear.", U, "a phrase without a number"),
    ("18", "First 17, then 18", U, "no mark, no answer"),
    ("18", "", U, "empty"),
    ("18", r"\boxed{" + "1" * 3000 + "}", U, "too long to be an answer"),
    ("12", r"\boxed{١٢}", W, "digits of another script"),
]

LENIENT = [
    ("18", "First 17, then 18", C, "the last number counts"),
    ("18", "First 18, then 17", W, "the last number counts, also against"),
    ("18", r"\boxed{\text{none}}, about 18", C, "falls back from an answer that is no number"),
    ("-18", "x is -18 then", C, "sign"),
    ("18", "range 3-18", C, "a dash between digits is no sign"),
    ("18", r"\boxed{17} not 18", W, "a mark goes first"),
    ("18", "no digits", U, "nothing to fall back to"),
]

COUNTDOWN = [
    ("<answer>(2+3)*4</answer>", C, "plain"),
    ("<answer>(2+3)*4 = 20</answer>", C, "one equals sign and the target"),
    ("<answer>4*(3+2)</answer> and so on\nUser: more", C, "text may follow"),
    ("Answer: (2+3)*4", C, "marker"),
    ("(2+3)×4 = 20", C, "a line that is an expression"),
    (r"\boxed{(2+3)\times 4}", C, "box"),
    ("<answer>-(-(2+3))*4</answer>", C, "unary minus"),
    ("<answer>4/(3/2)+2</answer>", W, "not the target"),
    ("<answer>(2+3)*4 = 21</answer>", W, "a false equation"),
    ("<answer>20 = (2+3)*4</answer>", W, "the equation backwards"),
    ("<answer>4*5</answer>", W, "numbers that were not given"),
    ("<answer>2*3*4-4</answer>", W, "a number used twice"),
    ("<answer>20</answer>", W, "the target itself"),
    ("<answer>2+3</answer> <answer>(2+3)*4</answer>", W, "the first complete answer counts"),
    ("<answer>2**3*4</answer>", W, "power"),
    ("<answer>4**2+3+1</answer>", W, "power"),
    ("<answer>43//2</answer>", W, "floor division and joined digits"),
    ("<answer>4//3+2</answer>", W, "floor division"),
    ("<answer>2.3*4</answer>", W, "digits joined by a point"),
    ("<answer>(2)(3)(4)</answer>", W, "a call"),
    ("<answer>2_3*4</answer>", W, "underscore"),
    ("<answer>02+3*4</answer>", W, "leading zero"),
    ("<answer>(２+3)*4</answer>", W, "digit of another script"),
    ("<answer>(²+3)*4</answer>", W, "a superscript is no digit"),
    ("<answer>4/(2-2)+3</answer>", W, "division by zero"),
    ("<answer>4/(3-3)*2</answer>", W, "division by zero"),
    ("<answer>9**9**9</answer>", W, "would run for ever"),
    ("<answer>" + "9" * 1999 + "</answer>", W, "huge number"),
    ("<answer>" + "(" * 150 + "2" + ")" * 150 + "</answer>", W, "too long"),
    ("<answer>" + "-" * 190 + "2" + "</answer>", W, "deep"),
    ("<answer>" + "(" * 99 + "2" + ")" * 99 + "</answer>", W, "nested"),
    ("<answer>__import__('os')</answer>", W, "code"),
    ("<answer>(2+3)*4 if 1 else 0</answer>", W, "code"),
    ("<answer>(2+3)*4#</answer>", W, "comment"),
    ("<answer>True+2+3*4</answer>", W, "True is no number here"),
    ("<answer>2<3<4</answer>", W, "comparison"),
    ("<answer>(2+3)\n*4</answer>", W, "an expression is one line"),
    ("<answer></answer>", U, "empty tag"),
    ("<answer>(2+3)*4", U, "no complete answer"),
    ("I give up", U, "no expression"),
    ("20", U, "a number alone is no expression"),
    ("", U, "empty"),
    ("(" * 100_000, U, "hostile"),
    ("1+" * 50_000, U, "hostile"),
]

STRICT = [
    ("think\n<answer>(2+3)*4</answer>", C, "tag ends the text"),
    ("think\nAnswer: (2+3)*4 = 20", C, "marker on the last line"),
    ("think\n(2+3)*4", C, "bare last line"),
    ("<answer>(2+3)*4</answer>\n", C, "white space at the end is no line"),
    ("<answer>1</answer> <answer>(2+3)*4</answer>", C, "last tag of the line"),
    ("<answer>(2+3)*4</answer>\nUser:", U, "a line follows"),
    ("<answer>(2+3)*4</answer> Done.", U, "text follows on the line"),
    ("<answer>(2+3)\n*4</answer>", U, "a tag over two lines"),
    ("think\n<answer>2**3*4</answer>", W, "power"),
    ("", U, "empty"),
]

TEXT = [
    ("abC", "The answer is abC.", C, "plain"),
    ("abC", '"abC"', C, "quotes"),
    ("abC", r"\boxed{\text{abC}}", C, "LaTeX dress"),
    ("abC", "<answer> 'abC' </answer>", C, "tag and quotes"),
    ('"abC"', "abC", C, "quotes in the reference"),
    ("abC", "abc", W, "case counts"),
    ("abC", "a bC", W, "inner space counts"),
    ("abC", "abCabC", W, "no prefix match"),
    ("abC", "abC\nor maybe abc", U, "two lines without a mark"),
    ("abC", "", U, "empty"),
]


@pytest.mark.parametrize(("gold", "text", "expected", "why"), NUMBER)
def test_number(gold: str, text: str, expected: Outcome, why: str) -> None:
    with Judge("number") as judge:
        assert outcomes(judge, problem(gold), [text]) == [expected], why


@pytest.mark.parametrize(("gold", "text", "expected", "why"), LENIENT)
def test_number_lenient(gold: str, text: str, expected: Outcome, why: str) -> None:
    with Judge("number-lenient") as judge:
        assert outcomes(judge, problem(gold), [text]) == [expected], why


@pytest.mark.parametrize(("text", "expected", "why"), COUNTDOWN)
def test_countdown(text: str, expected: Outcome, why: str) -> None:
    with Judge("countdown") as judge:
        asked = problem("(2+3)*4", numbers=[2, 3, 4], target=20)
        assert outcomes(judge, asked, [text]) == [expected], why


@pytest.mark.parametrize(("text", "expected", "why"), STRICT)
def test_countdown_strict(text: str, expected: Outcome, why: str) -> None:
    with Judge("countdown-strict") as judge:
        asked = problem("(2+3)*4", numbers=[2, 3, 4], target=20)
        assert outcomes(judge, asked, [text]) == [expected], why


@pytest.mark.parametrize(("gold", "text", "expected", "why"), TEXT)
def test_text(gold: str, text: str, expected: Outcome, why: str) -> None:
    with Judge("text") as judge:
        assert outcomes(judge, problem(gold), [text]) == [expected], why


@pytest.mark.parametrize(
    ("numbers", "target", "exploit"),
    [([2, 3], 8, "2**3"), ([7, 2], 3, "7//2"), ([3, 5, 2], 7, "3.5*2"), ([1, 2], 12, "1_2")],
)
def test_exploits_that_other_countdown_rewards_credit_are_wrong(
    numbers: list[int], target: int, exploit: str
) -> None:
    with Judge("countdown") as judge:
        asked = problem("", numbers=numbers, target=target)
        assert outcomes(judge, asked, [f"<answer>{exploit}</answer>"]) == [W]


def test_countdown_values_are_exact_fractions() -> None:
    with Judge("countdown") as judge:
        asked = problem("", numbers=[8, 3, 8, 3], target=24)
        assert outcomes(judge, asked, ["8/(3-8/3)"]) == [C]


def test_an_unknown_verifier_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'nmuber'.*number-lenient.*reasoning_gym"):
        verifier_named("nmuber")


def test_every_verifier_is_listed_under_its_own_name_with_a_summary() -> None:
    assert all(verifier.name == name for name, verifier in VERIFIERS.items())
    assert all(0 < len(verifier.summary) < 90 for verifier in VERIFIERS.values())


def test_a_missing_package_is_reported_before_any_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"math-verify is not installed.*pathshift\[math\]"):
        check_installed(VERIFIERS["math"])
    check_installed(VERIFIERS["number"])


@pytest.mark.parametrize("name", ["countdown", "number", "reasoning_gym"])
def test_a_problem_of_another_kind_is_refused_and_not_called_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace())
    with Judge(name) as judge, pytest.raises(ConfigError, match="problem p"):
        outcomes(judge, problem("a word"), ["<answer>1+1</answer> The answer is 1"])


def test_importing_the_package_loads_no_algebra() -> None:
    root = worker_command("math")[-2]
    program = (
        f"import sys; sys.path.insert(0, {root!r}); import pathshift.verify\n"
        "sys.exit(bool({'math_verify', 'sympy', 'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
