"""Any field of any log replaced by a value of another kind: read, or refused in one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.store.importers.refusals import crash
from tests.store.importers.worlds import DATA, copied, json_rows, write_rows

from pathshift.store.importers.formats import FORMATS

VALUES: list[Any] = [None, 5, "x", [None], {"x": 1}]
Place = tuple[str | int, ...]

LINES = [
    ("evalscope/errors/reviews/world-tuned/gsm8k_default.jsonl", None),
    ("every-eval-ever/data/toy-world/toy/base/"
     "cae66217-2fd4-40bb-8cd7-10a769079c05_samples.jsonl", None),
    ("generic/base.jsonl", None),
    ("human-eval/base/samples.jsonl_results.jsonl", None),
    ("limit-of-rlvr/base/toy/test_qwen-boxed_-1_seed1_t0.6_s0_e4.jsonl", None),
    ("lm-eval/base/world__base/samples_world_math_2026-11-24T08-16-47.572297.jsonl", None),
    ("lm-eval/mc/world__base/samples_world_choice_2026-11-24T08-17-00.157813.jsonl", None),
    ("nemo-skills/judged/output-rs0.jsonl", "judgement"),
    ("scorio/base.jsonl", None),
    ("verifiers/errors/traces.jsonl", None),
    ("verifiers_legacy/errors/results.jsonl", None),
    ("verl/val_shaped/0.jsonl", None),
    ("verl/val_v1/300.jsonl", None),
]  # fmt: skip
WHOLES = [
    ("inspect-ai/base.json", None),
    ("skythought/base/results.json", None),
    ("skythought/older/base.json", "0.6"),
    ("livecodebench/base/codegeneration_4_0.2_eval_all.json", None),
    ("evalplus/base/samples_eval_results.json", None),
]
SIBLINGS = [
    ("verifiers_legacy/base", "metadata.json"),
    ("skythought/base", "summary.json"),
    ("every-eval-ever/data/toy-world/toy/base", "cae66217-2fd4-40bb-8cd7-10a769079c05.json"),
]
PARQUETS = [
    ("lighteval/short", None),
    ("trl/chat/completions/completions_00001.parquet", "has_letter_a"),
    ("verl/generation/tuned.parquet", None),
]


def places(value: Any, deepest: int) -> Iterator[Place]:
    """Where something stands in nested objects; of a list the first two entries."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value[:2]))
    for key, inner in items:
        yield (key,)
        if deepest > 1:
            yield from ((key, *rest) for rest in places(inner, deepest - 1))


def replaced(value: Any, place: Place, new: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return changed


def crashes(
    content: Any, write: Callable[[Any], Path], score: str | None, deepest: int = 5
) -> list[str]:
    """One line a kind of crash, with the first place and value that gave it."""
    found: dict[str, str] = {}
    for place in places(content, deepest):
        for new in VALUES:
            error = crash(write(replaced(content, place, new)), score=score)
            if error:
                found.setdefault(error, f"{error}: {place} = {new!r}")
    return list(found.values())


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(("source", "score"), LINES)
def test_a_row_of_json_lines(tmp_path: Path, source: str, score: str | None, row: int) -> None:
    rows = json_rows(DATA / source)[:2]
    path = tmp_path / "reviews" / "m" / Path(source).name

    def write(changed: Any) -> Path:
        return write_rows(path, [changed, rows[1]] if row == 0 else [rows[0], changed])

    assert crashes(rows[row], write, score) == []


def small(source: str) -> Any:
    """A JSON log with its first problems only, without what no reader looks at."""
    content = json.loads((DATA / source).read_text(encoding="utf-8"))
    if source.startswith("inspect"):
        content = {key: content[key] for key in ("version", "status", "eval", "plan", "samples")}
        content["samples"] = content["samples"][:1]
        for name in ("events", "timelines", "metadata", "store"):
            content["samples"][0].pop(name, None)
    elif source.startswith("skythought"):
        content = dict(list(content.items())[:2])
    elif isinstance(content, list):
        content = content[:1]
    return content


@pytest.mark.parametrize(("source", "score"), WHOLES)
def test_a_whole_json_file(tmp_path: Path, source: str, score: str | None) -> None:
    path = tmp_path / Path(source).name

    def write(changed: Any) -> Path:
        path.write_text(json.dumps(changed), encoding="utf-8")
        return path

    assert crashes(small(source), write, score) == []


@pytest.mark.parametrize(("source", "name"), SIBLINGS)
def test_the_description_beside_a_log(tmp_path: Path, source: str, name: str) -> None:
    folder = copied(source, tmp_path)
    content = json.loads((folder / name).read_text(encoding="utf-8"))

    def write(changed: Any) -> Path:
        (folder / name).write_text(json.dumps(changed), encoding="utf-8")
        return folder

    assert crashes(content, write, None, 4) == []


@pytest.mark.parametrize(("source", "score"), PARQUETS)
def test_a_column_of_a_parquet_file(tmp_path: Path, source: str, score: str | None) -> None:
    found = DATA / source
    found = found if found.is_file() else next(found.rglob("*.parquet"))
    row = pq.read_table(found).to_pylist()[0]
    path = tmp_path / "completions_00001.parquet"

    def write(changed: Any) -> Path:
        try:
            pq.write_table(pa.Table.from_pylist([changed]), path)
        except pa.ArrowException:  # a list of two types: no such file can be
            pq.write_table(pa.Table.from_pylist([row]), path)
        return path

    assert crashes(row, write, score) == []


OTHERS = [
    "verl/val/0.jsonl",
    "inspect-ai/base.eval",
    "inspect-ai/base.json",
    "llmonkeys/base/0.yaml",
    "trl/plain/completions/completions_00001.parquet",
    "skythought/base/results.json",
    "livecodebench/base/codegeneration_4_0.2_eval_all.json",
    "scorio/base.jsonl",
]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_format_than_the_user_says(name: str) -> None:
    found = {source: crash(DATA / source, format=name) for source in OTHERS}
    assert {source: error for source, error in found.items() if error} == {}
