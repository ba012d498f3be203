"""The bundled GSM8K test split is the published one."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib import resources

from pathshift.problems.gsm8k import Options, load

FOLDER = resources.files("pathshift.problems").joinpath("data")


def test_content_is_what_the_readme_says() -> None:
    packed = FOLDER.joinpath("gsm8k_test.jsonl.gz").read_bytes()
    stated = re.search(r"\b[0-9a-f]{64}\b", FOLDER.joinpath("README.md").read_text("utf-8"))
    assert stated is not None
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == stated[0]
    assert packed[4:8] == bytes(4), "a time in the file would make it differ at each packing"


def test_all_1319_problems_have_whole_number_golds_in_published_order() -> None:
    problems = load(Options(), limit=None)
    assert [problem.id for problem in problems] == [f"gsm8k-{i}" for i in range(1319)]
    assert all(re.fullmatch(r"-?\d+", problem.gold) for problem in problems)
    # First and last rows of the published file.
    assert problems[0].question.startswith("Janet’s ducks lay 16 eggs per day.")
    assert problems[0].gold == "18"
    assert problems[1318].gold == "14"


def test_gold_ends_the_worked_solution_but_for_its_commas() -> None:
    for problem in load(Options(), limit=None):
        last = problem.data["solution"].splitlines()[-1]
        assert last.replace(",", "") == f"#### {problem.gold}"


def test_floor_is_a_thousandth_for_golds_below_a_thousand_and_else_zero() -> None:
    for problem in load(Options(), limit=None):
        assert problem.floor == (0.001 if 0 <= int(problem.gold) < 1000 else 0)
