"""Rows of anybody: one table of samples in every file kind, under every known name of a column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    changed,
    json_rows,
    outcomes,
    read,
    without_seeds,
    world_words,
    write_rows,
)

from pathshift.errors import LogError
from pathshift.rollout.ingest import read_table
from pathshift.store.importers.generic import ALIASES

BASE = "generic/base.jsonl"


def rows() -> list[dict[str, Any]]:
    return json_rows(DATA / BASE)


def write(path: Path, content: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        return write_rows(path, content)
    if path.suffix == ".json":
        path.write_text(json.dumps(content), encoding="utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(content), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_file_kind_gives_the_same_samples(tmp_path: Path, suffix: str) -> None:
    found, wanted = read(write(tmp_path / f"x{suffix}", rows())), read(BASE)
    assert found.log.format == "generic"
    assert without_seeds(found) == without_seeds(wanted)
    assert outcomes(found) == world_words("base")


_TAKEN = {"reward_model"}  # a mapping, tested below


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (r, n)
        for r in ("question", "gold", "text", "correct")
        for n in ALIASES[r]
        if n not in _TAKEN
    ],
)
def test_a_column_is_found_by_every_name_of_its_role(tmp_path: Path, role: str, name: str) -> None:
    own = {"question": "question", "gold": "answer", "text": "response", "correct": "reward"}
    content = [{name if k == own[role] else k: v for k, v in row.items()} for row in rows()]
    # A log with these names may be another tool's; here the columns are what is tested.
    assembly = read(write_rows(tmp_path / "x.jsonl", content), format="generic")
    assert outcomes(assembly) == world_words("base")


def test_a_column_of_any_name_is_said_by_the_user(tmp_path: Path) -> None:
    names = {"question": "frage", "answer": "soll", "response": "ist", "reward": "gut"}
    path = write_rows(tmp_path / "x.jsonl", [{names[k]: v for k, v in r.items()} for r in rows()])
    with pytest.raises(LogError, match=r"not a log .*fields: frage, gut, ist, soll.*--column"):
        read(path)
    roles = {"question": "frage", "gold": "soll", "text": "ist", "correct": "gut"}
    assembly = read(path, format="generic", columns=roles)
    assert outcomes(assembly) == world_words("base")
    assert assembly.log.judged_by == "column-gut"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"colour": "reward"}, "--column colour=reward: roles are question, gold"),
        ({"text": "output"}, "--column text=output: columns are answer, question, response, rew"),
    ],
)
def test_a_role_or_a_column_that_is_not_there_is_named(columns: dict[str, str], says: str) -> None:
    with pytest.raises(LogError, match=says):
        read(BASE, columns=columns)


def test_score_names_the_column_that_counts(tmp_path: Path) -> None:
    path = changed(BASE, tmp_path, lambda found: [row.update(strict=0) for row in found])
    assert outcomes(read(path)) == world_words("base")
    assert outcomes(read(path, score="strict")) == ["wwww"] * 8


def grouped() -> list[dict[str, Any]]:
    """A row a problem, with lists."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows():
        one = {"problem": row["question"], "answer": row["answer"], "outputs": [], "scores": []}
        one = found.setdefault(row["question"], one)
        one["outputs"].append(row["response"])
        one["scores"].append(row["reward"])
    return list(found.values())


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_lists_in_a_row_are_its_samples(tmp_path: Path, suffix: str) -> None:
    assembly = read(write(tmp_path / f"x{suffix}", grouped()))
    assert outcomes(assembly) == world_words("base")


@pytest.mark.parametrize("key", ["outputs", "scores"])
def test_lists_of_unequal_length_name_the_row_and_both(tmp_path: Path, key: str) -> None:
    content = grouped()
    content[2][key].pop()
    with pytest.raises(LogError, match=r"row 3: \d entries in outputs and \d entries in scores"):
        read(write_rows(tmp_path / "x.jsonl", content))


def test_a_log_without_scores_is_judged_by_its_references(tmp_path: Path) -> None:
    content = [{k: v for k, v in row.items() if k != "reward"} for row in rows()]
    path = write_rows(tmp_path / "x.jsonl", content)
    assert [p.c for p in read_table(path).counts] == list(CORRECT["base"])


def test_without_references_too_it_is_refused(tmp_path: Path) -> None:
    content = [{"question": row["question"], "response": row["response"]} for row in rows()]
    path = write_rows(tmp_path / "x.jsonl", content)
    with pytest.raises(LogError, match=r"no column says what is right.*--column correct=NAME"):
        read(path, format="generic")


def test_verls_data_sets_keep_the_reference_in_reward_model(tmp_path: Path) -> None:
    content = [
        {"prompt": [{"role": "user", "content": row["question"]}], "responses": [row["response"]],
         "reward_model": {"style": "rule", "ground_truth": row["answer"]}}
        for row in rows()
    ]  # fmt: skip
    path = write_rows(tmp_path / "x.jsonl", content)
    table = read_table(path)
    assert [p.c for p in table.counts] == list(CORRECT["base"])
    assert [p.content_hash for p in table.counts] == [
        problem.content_hash for problem in read(BASE).problems
    ]


def test_chats_are_texts_and_a_system_turn_is_dress(tmp_path: Path) -> None:
    content = [
        {
            "prompt": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": row["question"]},
            ],
            "completion": [{"role": "assistant", "content": row["response"]}],
            "answer": row["answer"],
            "reward": row["reward"],
        }
        for row in rows()
    ]
    found = [(p.content_hash, s.text) for p, s, _ in read(
        write_rows(tmp_path / "x.jsonl", content), format="generic").rows()]  # fmt: skip
    assert found == [(p.content_hash, s.text) for p, s, _ in read(BASE).rows()]


def test_a_row_with_an_error_is_failed_whatever_its_score(tmp_path: Path) -> None:
    def spoil(found: list[Any]) -> None:
        for row in found:
            row["error"] = None
        found[0]["error"] = found[31]["error"] = "connection reset"

    words = outcomes(read(changed(BASE, tmp_path, spoil)))
    assert (words[0], words[7]) == ("fwww", "wwcf")


@pytest.mark.parametrize(
    ("column", "value", "letter"), [("error", "timeout", "f"), ("finish_reason", "length", "u")]
)
def test_a_column_that_only_later_rows_have_counts(
    tmp_path: Path, column: str, value: str, letter: str
) -> None:
    path = changed(BASE, tmp_path, lambda found: found[2].update({column: value}))
    assert outcomes(read(path))[0] == f"ww{letter}w"


@pytest.mark.parametrize("value", [None, float("nan"), "", "nan", "None"])
def test_a_row_without_a_score_is_failed(tmp_path: Path, value: object) -> None:
    path = changed(BASE, tmp_path, lambda found: found[0].update(reward=value))
    assert outcomes(read(path))[0] == "fwww"


@pytest.mark.parametrize("value", ["true", "True", "1", "1.0", "yes", 1, 1.0, True])
def test_right_is_said_in_many_ways(tmp_path: Path, value: object) -> None:
    path = changed(BASE, tmp_path, lambda found: found[0].update(reward=value))
    assert outcomes(read(path))[0] == "cwww"


def test_a_cut_sample_that_is_wrong_is_unparsed(tmp_path: Path) -> None:
    def cut(found: list[Any]) -> None:
        for row in found:
            row["finish_reason"] = "length"

    words = outcomes(read(changed(BASE, tmp_path, cut)))
    assert words == [word.replace("w", "u") for word in world_words("base")]


def test_beside_a_tools_own_log_plain_rows_are_its_by_products(tmp_path: Path) -> None:
    write_rows(tmp_path / "aa.jsonl", rows())
    write_rows(tmp_path / "7.jsonl", json_rows(DATA / "verl/val/300.jsonl"))
    assert read(tmp_path).log.format == "verl"
    assert [path.name for path in read(tmp_path).log.files] == ["7.jsonl"]
    assert [p.name for p in read(tmp_path, format="generic").log.files] == ["aa.jsonl"]
