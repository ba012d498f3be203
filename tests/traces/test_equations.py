"""Worked steps against a data set that marks its own: the calculator notes of GSM8K's solutions."""

from __future__ import annotations

import gzip
import json
import re
from importlib.resources import files

import pytest

from pathshift.traces.equations import equation_steps, equations_key, unordered
from pathshift.traces.expression_tree import parse_expression


def gsm8k_solutions() -> list[str]:
    data = files("pathshift") / "problems" / "data" / "gsm8k_test.jsonl.gz"
    lines = gzip.decompress(data.read_bytes()).decode().splitlines()
    return [str(json.loads(line)["answer"]) for line in lines]


def marked(solution: str) -> set[str]:
    """Steps as the data set's authors marked them: <<48/2=24>>."""
    found = set()
    for note in re.findall(r"<<([^<>]*)>>", solution):
        left, _, right = note.partition("=")
        sides = [parse_expression(side.replace(",", "").replace("$", "")) for side in (left, right)]
        if sides[0] and sides[1] and sides[0].operations:
            found.add(f"{sides[0].key}={sides[1].key}")
    return found


def test_nearly_all_steps_that_gsm8k_marks_are_found_without_the_marks() -> None:
    total = hits = 0
    for solution in gsm8k_solutions():
        wanted = marked(solution)
        found = set(equation_steps(re.sub(r"<<[^<>]*>>", "", solution)))
        total, hits = total + len(wanted), hits + len(wanted & found)
    assert total > 4000
    # 40% is 40 here and .4 or 40*.01 there; some steps stand in words.
    assert hits / total > 0.95


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("3 + 4 = 7", ["(+3+4)=7"]),
        ("4 + 3 = 7.0", ["(+3+4)=7"]),
        ("$1,200 + $300 = $1,500.00", ["(+1200+300)=1500"]),
        ("20% * 50 = 10", ["(*20*50)=10"]),
        (r"\(5 \times 3 = 15\), \[15 \div 5 = \boxed{3}\]", ["(*3*5)=15", "(*15/5)=3"]),
        (r"\frac{3}{4} \cdot 8 = 6", ["(*3*8/4)=6"]),
        (r"\frac12 \times 8 = 4", ["(*1*8/2)=4"]),
        ("2 x 3 = 6; 6×2=12; 12÷4=3", ["(*2*3)=6", "(*2*6)=12", "(*12/4)=3"]),
        ("5 apples + 3 apples = 8 apples", ["(+3+5)=8"]),
        ("20 GB/minute * 3 minutes = 60 GB", ["(*20*3)=60"]),
        ("x = 3 + 4 = 7", ["(+3+4)=7"]),
        ("7 = 3 + 4", ["(+3+4)=7"]),
        ("3*4+2 = 12+2 = 14", ["(+(*3*4)+2)=(+12+2)", "(+12+2)=14"]),
        ("1. 3+4=7\n- 7*2=14", ["(+3+4)=7", "(*2*7)=14"]),
        ("**Step 1:** 3 + 4 = **7**", ["(+3+4)=7"]),
        ("First 3+4=7. Then 7+1=8.", ["(+3+4)=7", "(+1+7)=8"]),
        ("(so 3+4=7)", ["(+3+4)=7"]),
        ("-3 + 5 = 2", ["(+5-3)=2"]),
        ("3 + 4 = 8", ["(+3+4)=8"]),
    ],
)
def test_spellings_come_to_one_form(text: str, steps: list[str]) -> None:
    assert equation_steps(text) == steps


@pytest.mark.parametrize(
    "text",
    ["", "The answer is 7.", "x = 7", "2**3 = 8", "x + 3*4 = 12", "a = b = c", "= = =", "7 = 7"],
)  # fmt: skip
def test_what_is_no_worked_step_is_none(text: str) -> None:
    assert equations_key(text) is None


def test_checking_the_work_makes_no_new_path() -> None:
    work = "3 + 4 = 7, 7 * 2 = 14"
    assert equations_key(work + ". Check: 4 + 3 = 7, and 2 * 7 = 14.") == equations_key(work)


def test_the_order_counts_unless_it_is_taken_off() -> None:
    one, other = equations_key("3+4=7, 2*5=10"), equations_key("2*5=10, 3+4=7")
    assert one is not None
    assert other is not None
    assert one != other
    assert unordered(one) == unordered(other)
