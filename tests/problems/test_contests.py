"""MATH-500, AIME and AMC from local rows in the schemas their copies have. Own problems only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import InputError
from pathshift.problems import load_problems

PAGE = "https://example.org/wiki/index.php"

MATH = [
    {
        "problem": "Add $1$ and $1$.",
        "solution": "It is $\\boxed{2}$.",
        "answer": "2",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": "test/prealgebra/1.json",
    },
    {"problem": "Halve $1$.", "answer": "\\frac{1}{2}", "subject": "Algebra", "level": 2},
]
AIME = [
    {"id": 60, "problem": "A?", "answer": "025", "url": f"{PAGE}/2024_AIME_I_Problems/Problem_1"},
    {"id": 61, "problem": "B?", "answer": 204, "url": f"{PAGE}/2024_AIME_II_Problems/Problem_2"},
]
AIME_BY_ID = [{"ID": "2024-II-4", "Problem": "C?", "Answer": 33, "Solution": "It is 33."}]
AMC = [
    {"id": 0, "problem": "D?", "answer": 27.0, "url": f"{PAGE}/2023_AMC_12A_Problems/Problem_1"},
    {"id": 1, "problem": "E?", "answer": -1.0, "url": None},
    {"id": 2, "problem": "F?", "answer": 3159.0},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_math500_rows_keep_subject_level_and_solution(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", MATH)
    first, second = load_problems("math500", {"path": str(path)})
    assert (first.id, first.source, first.gold) == ("math500-prealgebra/1", "Prealgebra", "2")
    assert first.data == {"level": 1, "solution": "It is $\\boxed{2}$."}
    assert (second.id, second.gold, second.data) == ("math500-1", "\\frac{1}{2}", {"level": 2})
    assert (first.floor, second.floor) == (0.001, 0)


def test_aime_golds_lose_leading_zeros_and_papers_are_clusters(tmp_path: Path) -> None:
    first, second = load_problems("aime24", {"path": str(write(tmp_path / "x.jsonl", AIME))})
    assert (first.id, first.gold, first.cluster) == ("aime24-60", "25", "2024_AIME_I")
    assert (second.gold, second.cluster, second.floor) == ("204", "2024_AIME_II", 0.001)


def test_aime_rows_without_a_page_name_their_paper_in_the_id(tmp_path: Path) -> None:
    (problem,) = load_problems("aime24", {"path": str(write(tmp_path / "x.jsonl", AIME_BY_ID))})
    assert (problem.id, problem.cluster) == ("aime24-2024-II-4", "2024_AIME_II")
    assert problem.data == {"solution": "It is 33."}


def test_amc_floats_become_whole_golds(tmp_path: Path) -> None:
    problems = load_problems("amc23", {"path": str(write(tmp_path / "x.jsonl", AMC))})
    assert [problem.gold for problem in problems] == ["27", "-1", "3159"]
    assert [problem.floor for problem in problems] == [0.001, 0, 0]
    assert [problem.cluster for problem in problems] == ["2023_AMC_12A", None, None]


def test_the_folder_variable_is_used_and_the_path_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "amc23.jsonl", AMC)
    other = write(tmp_path / "other.jsonl", AMC[:1])
    monkeypatch.setenv("PATHSHIFT_DATA", str(tmp_path))
    assert len(load_problems("amc23")) == 3
    assert len(load_problems("amc23", limit=2)) == 2
    assert len(load_problems("amc23", {"path": str(other)})) == 1


@pytest.mark.parametrize("name", ["math500", "aime24", "amc23"])
def test_without_any_source_the_ways_out_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATHSHIFT_DATA", raising=False)
    with pytest.raises(InputError, match=rf"path=FILE .*{name}\.jsonl .*PATHSHIFT_DATA.*hub=ID"):
        load_problems(name, {"hub": ""})


def test_a_folder_variable_that_names_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHSHIFT_DATA", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="names no folder"):
        load_problems("amc23")
