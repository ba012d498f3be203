"""A user's programs with tests: rows in MBPP's form, and what is a mistake in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.verify.samples import outcomes

from pathshift.errors import ConfigError, InputError
from pathshift.problems import load_problems
from pathshift.records import Outcome, Problem
from pathshift.verify import Judge

ROW = {
    "task_id": 11,
    "text": "Write a function to remove the first and last occurrence of a character.",
    "code": "def remove_Occ(s,ch): \r\n"
    "    return s.replace(ch, '', 1)[::-1].replace(ch, '', 1)[::-1]",
    "test_list": [
        "assert remove_Occ('hello','l') == 'heo'", "assert remove_Occ('abcda','a') == 'bcd'",
    ],
    "test_setup_code": "",
    "challenge_test_list": [],
}  # fmt: skip


def load(folder: Path, *rows: dict[str, Any], **pairs: str) -> list[Problem]:
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_problems(f"mbpp:{path}", pairs)


def judged(problem: Problem, *answers: str) -> list[Outcome]:
    with Judge("code-tests") as judge:
        return outcomes(judge, problem, answers)


def test_a_row_becomes_a_problem_that_shows_its_first_test(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, ROW)
    assert problem.id == "mbpp-11"
    assert problem.source == "own"
    assert problem.floor is None
    assert problem.question.endswith(f"pass this test:\n\n{ROW['test_list'][0]}")  # type: ignore[index]
    assert ROW["test_list"][1] not in problem.question  # type: ignore[index]
    assert problem.data["names"] == ["remove_Occ"]
    assert judged(problem, problem.gold, "def remove_Occ(s, ch):\n    return s") == [
        "correct",
        "wrong",
    ]


def test_more_or_no_tests_can_be_shown(tmp_path: Path) -> None:
    assert "these tests" in load(tmp_path, ROW, shown="2")[0].question
    assert "assert" not in load(tmp_path, ROW, shown="0")[0].question
    with pytest.raises(ConfigError, match="shown"):
        load(tmp_path, ROW, shown="-1")


PAIR = {
    "task_id": 601,
    "prompt": "Longest chain of pairs.",
    "code": "import math\nclass Pair(object):\n"
    "    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
    "def chain(arr): return math.floor(sum(p.a for p in arr))",
    "test_list": [
        "assert chain([Pair(5, 24), Pair(15, 25)]) == 20",
        "assert math.isclose(chain(LIST), 1.0)",
    ],
    "test_setup_code": "LIST = []\nfor x in 'a': LIST = LIST",
    "test_imports": ["import math"],
    "floor": 0.25,
}


def test_classes_setup_and_imports_of_a_row_reach_the_tests(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, {**PAIR, "test_setup_code": "LIST = []"})
    assert problem.floor == 0.25
    assert problem.data["names"] == ["Pair", "chain"]
    assert judged(problem, problem.gold) == [Outcome.WRONG], "chain([]) is 0, not 1"
    (problem,) = load(tmp_path, {**PAIR, "test_list": PAIR["test_list"][:1]})  # type: ignore[index]
    assert judged(problem, problem.gold) == [Outcome.CORRECT]


def test_imports_of_the_solution_serve_the_tests_that_use_them(tmp_path: Path) -> None:
    row = {
        "text": "Half.",
        "code": "import math, package_of_nobody as p\ndef half(x): return x / 2",
        "test_list": ["assert math.isclose(half(1), .5)"],
    }  # fmt: skip
    (problem,) = load(tmp_path, row)
    assert problem.data["setup"] == "import math"
    assert judged(problem, "def half(x): return x * .5") == [Outcome.CORRECT]


def test_a_function_named_like_a_built_in_is_the_programs_own_only_if_the_solution_says_so(
    tmp_path: Path,
) -> None:
    own = {
        "text": "Sum.",
        "code": "def sum(a, b): return a + b",
        "test_list": ["assert sum(1, 2) == 3"],
    }
    (problem,) = load(tmp_path, own)
    assert judged(problem, "def sum(a, b): return 3", "def total(a, b): return 3") == [
        "correct",
        "wrong",
    ]
    other = {**own, "code": "def f(x): return x", "test_list": ["assert sum(f([1, 2])) == 3"]}
    (problem,) = load(tmp_path, other)
    assert judged(problem, "def sum(x): return 3\ndef f(x): return []") == ["wrong"]


def test_a_row_without_id_gets_one_from_its_content(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != "task_id"}
    first, second = load(tmp_path, row)[0], load(tmp_path, row)[0]
    assert first.id == second.id != load(tmp_path, {**row, "text": "Other."})[0].id


def test_tables_hold_lists_as_json(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        'task_id,text,code,test_list\n1,T,def f(): return 1,"[""assert f() == 1""]"\n'
        "2,T,def f(): return 1,assert f() == 1\n",
        encoding="utf-8",
    )
    tests = [problem.data["tests"] for problem in load_problems(f"mbpp:{path}")]
    assert tests == ["assert f() == 1\n"] * 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"code": None}, "needs the field code"),
        ({"code": "def f(:"}, "code is no valid Python"),
        ({"test_list": []}, "at least one test"),
        ({"test_list": [3]}, "list of texts"),
        ({"test_list": ["assert remove_Occ("]}, "test_list is no valid Python"),
        ({"test_list": ["assert len('a') == 1"]}, "call nothing that the code defines"),
        ({"test_list": ["assert remove_Occ(other) == 1"]}, "'other', which neither"),
        ({"test_setup_code": "x ="}, "setup_code is no valid"),
        ({"text": ""}, "needs one of the fields question"),
        ({"floor": 2}, "from 0 to 1"),
        ({"code": "(" * 300 + ")" * 300}, "code is no valid Python"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says) as error:
        load(tmp_path, ROW, {**ROW, "task_id": 12, **change})
    assert "row 2" in str(error.value)


def test_a_file_is_needed() -> None:
    with pytest.raises(ConfigError, match="mbpp:FILE"):
        load_problems("mbpp")
