"""Both files of Every Eval Ever against the tables of its schema 0.3.0 (SOURCE.md of the fixture).

`make test-tools` has the tool's own validator say the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.store.exporters.exports import (
    LOGS,
    MADE_AT,
    NASTY,
    counts,
    export,
    nasty_log,
    run_command,
    write_log,
)

from pathshift.errors import InputError

TEXT, NUMBER, WHOLE, FLAG, LIST, OBJECT = (str,), (int, float), (int,), (bool,), (list,), (dict,)
ROW: dict[str, tuple[type, ...]] = {
    "schema_version": TEXT, "evaluation_id": TEXT, "model_id": TEXT, "evaluation_name": TEXT,
    "sample_id": TEXT, "interaction_type": TEXT, "input": OBJECT, "output": OBJECT,
    "answer_attribution": LIST, "evaluation": OBJECT,
    "evaluation.score": NUMBER, "evaluation.is_correct": FLAG,
    "input.raw": TEXT, "input.reference": LIST, "output.raw": LIST,
}  # fmt: skip
ROW_OPTIONAL: dict[str, tuple[type, ...]] = {
    "evaluation_result_id": TEXT, "sample_hash": TEXT, "error": TEXT, "metadata": OBJECT,
}  # fmt: skip
ATTRIBUTION: dict[str, tuple[type, ...]] = {
    "turn_idx": WHOLE, "source": TEXT, "extracted_value": TEXT, "extraction_method": TEXT,
    "is_terminal": FLAG,
}  # fmt: skip
AGGREGATE: dict[str, tuple[type, ...]] = {
    "schema_version": TEXT, "evaluation_id": TEXT, "retrieved_timestamp": TEXT,
    "source_metadata": OBJECT, "source_metadata.source_type": TEXT,
    "source_metadata.source_organization_name": TEXT,
    "source_metadata.evaluator_relationship": TEXT,
    "eval_library": OBJECT, "eval_library.name": TEXT, "eval_library.version": TEXT,
    "model_info": OBJECT, "model_info.name": TEXT, "model_info.id": TEXT,
    "model_info.additional_details": OBJECT, "evaluation_results": LIST,
    "detailed_evaluation_results": OBJECT, "detailed_evaluation_results.format": TEXT,
    "detailed_evaluation_results.file_path": TEXT, "detailed_evaluation_results.total_rows": WHOLE,
}  # fmt: skip
RESULT: dict[str, tuple[type, ...]] = {
    "evaluation_name": TEXT, "source_data": OBJECT, "source_data.dataset_name": TEXT,
    "source_data.source_type": TEXT, "metric_config": OBJECT,
    "metric_config.lower_is_better": FLAG, "metric_config.score_type": TEXT,
    "metric_config.min_score": NUMBER, "metric_config.max_score": NUMBER,
    "score_details": OBJECT, "score_details.score": NUMBER,
}  # fmt: skip
RESULT_OPTIONAL: dict[str, tuple[type, ...]] = {
    "evaluation_result_id": TEXT, "generation_config": OBJECT,
}  # fmt: skip
ARGUMENTS = {"temperature", "top_p", "top_k", "max_tokens", "prompt_template"}
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def check(value: dict[str, Any], required: dict[str, tuple[type, ...]], *, more: Any = ()) -> None:
    """All required fields are there and of their type, and no other stands at the top."""
    for path, kinds in required.items():
        found: Any = value
        for key in path.split("."):
            assert key in found, path
            found = found[key]
        assert isinstance(found, kinds), path
        assert kinds == FLAG or not isinstance(found, bool), path
    assert value.keys() <= {path.split(".")[0] for path in required} | set(more)


class Pair(NamedTuple):
    aggregate: dict[str, Any]
    rows: list[dict[str, Any]]
    path: Path


def exported(source: Path, folder: Path, *flags: object) -> Pair:
    samples, aggregate = export(source, "every-eval-ever", folder, *flags)
    lines = samples.read_text(encoding="ascii").splitlines()
    return Pair(json.loads(aggregate.read_bytes()), [json.loads(line) for line in lines], aggregate)


@pytest.fixture(params=[*LOGS, "native", "nasty"])
def source(request: pytest.FixtureRequest, native: Path, tmp_path: Path) -> Path:
    nasty = nasty_log(tmp_path / "nasty.jsonl")
    return {**LOGS, "native": native, "nasty": nasty}[request.param]


def test_rows_have_the_fields_of_the_schema(source: Path, tmp_path: Path) -> None:
    for row in exported(source, tmp_path).rows:
        check(row, ROW, more=ROW_OPTIONAL)
        assert row["interaction_type"] == "single_turn"
        assert all(isinstance(text, str) for text in row["input"]["reference"])
        assert all(isinstance(text, str) for text in row["output"]["raw"])
        for found in row["answer_attribution"]:
            check(found, ATTRIBUTION)
        assert all(isinstance(value, str) for value in row["metadata"].values())


def test_the_aggregate_has_the_fields_of_the_schema(source: Path, tmp_path: Path) -> None:
    aggregate = exported(source, tmp_path).aggregate
    check(aggregate, AGGREGATE)
    details = aggregate["model_info"]["additional_details"]
    assert details == {
        "deployment_type": "unknown",
        "model_availability": "unknown",
        "spec": "toy/model",
    }
    for result in aggregate["evaluation_results"]:
        check(result, RESULT, more=RESULT_OPTIONAL)
        assert all(isinstance(v, str) for v in result["score_details"]["details"].values())
        generation = result["generation_config"]
        assert generation["generation_args"].keys() <= ARGUMENTS
        assert all(isinstance(v, str) for v in generation["additional_details"].values())


def test_the_two_files_belong_together(source: Path, tmp_path: Path) -> None:
    aggregate, rows, path = exported(source, tmp_path)
    about = aggregate["detailed_evaluation_results"]
    samples = path.with_name(f"{path.stem}_samples.jsonl")
    assert about["total_rows"] == len(rows)
    assert about["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    assert (tmp_path / "store" / about["file_path"]).samefile(samples)
    assert re.fullmatch(rf"data/[^/]+/toy/model/{UUID4}_samples\.jsonl", about["file_path"])
    results = {result["evaluation_result_id"] for result in aggregate["evaluation_results"]}
    for row in rows:
        assert row["evaluation_id"] == aggregate["evaluation_id"]
        assert row["model_id"] == aggregate["model_info"]["id"] == "toy/model"
        assert row["evaluation_result_id"] in results


def test_the_aggregate_states_pass_at_k_of_the_counts(source: Path, tmp_path: Path) -> None:
    aggregate = exported(source, tmp_path).aggregate
    found = [(count.n, count.c) for count in counts(source).values() if count.n]
    most = min(n for n, _ in found)
    ks = [r["metric_config"]["metric_parameters"]["k"] for r in aggregate["evaluation_results"]]
    assert ks == sorted({1, 2, 4, 8} & set(range(most)) | {most} | {1})
    for k, result in zip(ks, aggregate["evaluation_results"], strict=True):
        solved = [1 - comb(n - c, k) / comb(n, k) for n, c in found]
        assert result["score_details"]["score"] == pytest.approx(sum(solved) / len(solved))


def test_failed_samples_carry_their_error(tmp_path: Path) -> None:
    rows = exported(LOGS["inspect-errors"], tmp_path).rows
    errors = [row["error"] for row in rows if "error" in row]
    assert sorted(errors) == ["RuntimeError('the sandbox went away')", "no score", "no score"]
    assert all(row["metadata"]["outcome"] == "failed" for row in rows if "error" in row)
    assert not any(row["evaluation"]["is_correct"] for row in rows if "error" in row)


def test_what_is_known_of_the_sampling_is_told(native: Path, tmp_path: Path) -> None:
    aggregate = exported(native, tmp_path).aggregate
    generation = aggregate["evaluation_results"][0]["generation_config"]
    arguments = dict(generation["generation_args"])
    assert arguments.pop("prompt_template").endswith("Question: {question}\nAnswer:")
    assert arguments == {"temperature": 1.0, "top_p": 1.0, "max_tokens": 32}
    assert generation["additional_details"]["seed"] == "0"
    assert generation["additional_details"]["stop"] == '["\\n"]'
    assert aggregate["eval_library"]["name"] == "pathshift"


def test_the_tool_that_made_a_log_is_named(tmp_path: Path) -> None:
    library = exported(LOGS["inspect-errors"], tmp_path).aggregate["eval_library"]
    assert (library["name"], library["version"]) == ("inspect_ai", "0.3.285")
    library = exported(LOGS["verl"], tmp_path).aggregate["eval_library"]
    assert (library["name"], library["version"]) == ("verl", "unknown")


def test_the_name_is_that_of_the_samples_and_not_of_the_hour(tmp_path: Path) -> None:
    first = exported(LOGS["verl"], tmp_path / "a")
    again = exported(LOGS["verl"], tmp_path / "b", "--retrieved", MADE_AT + 1)
    other = exported(LOGS["verl"], tmp_path / "c", "--model", "toy/other")
    assert first.path.name == again.path.name != other.path.name
    assert uuid.UUID(first.path.stem).version == 4
    assert first.aggregate["retrieved_timestamp"] == str(MADE_AT)
    assert again.aggregate["retrieved_timestamp"] == str(MADE_AT + 1)
    assert first.rows != again.rows


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("org/Some-Model_1.5B", "org/Some-Model_1.5B"),
        ("hf:org/model@main", "org/model"),
        ("a/b/c:free", "a/b_c_free"),
    ],
)
def test_models_are_filed_under_their_names(model: str, folder: str, tmp_path: Path) -> None:
    path = exported(LOGS["verl"], tmp_path, "--model", model).path
    assert path.parent == tmp_path / "store" / "data" / "verl" / folder


@pytest.mark.parametrize(
    "model",
    ["", "flat", "fake:base", "../../etc", "hf:/home/me/model", "a//b", "a/b\n", "unknown/x",
     "data/x", "a/CON", "a/b.", "a/../b", "a/ü", "openai:http://127.0.0.1:8000/v1#m"],
)  # fmt: skip
def test_other_models_are_refused_with_a_way_out(model: str, tmp_path: Path) -> None:
    flags = ["--model", model] if model else []
    done = run_command(
        "export", LOGS["verl"], "--to", "every-eval-ever", "--out", tmp_path / "x", *flags
    )
    assert isinstance(done.exception, InputError)
    assert "name it so with --model" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", ["data", "../up", "a/b c", "NUL", "...", "tâche"])
def test_any_task_gives_a_folder_that_the_data_store_takes(task: str, tmp_path: Path) -> None:
    rows = [{"id": "a", "question": "q", "gold": "1", "completion": "1", "correct": True}]
    source = write_log(tmp_path / "log.jsonl", rows)
    run = tmp_path / "run"
    assert run_command("import", source, "--out", run).exit_code == 0
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["config"]["task"] = task
    (run / "manifest.json").write_text(json.dumps(manifest))
    collection = exported(run, tmp_path).path.relative_to(tmp_path / "store").parts[1]
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", collection)
    assert collection not in ("data", "NUL", ".", "..")


def test_nasty_texts_are_ascii_and_whole(tmp_path: Path) -> None:
    rows = exported(nasty_log(tmp_path / "nasty.jsonl"), tmp_path).rows
    assert len(rows) == 3 * len(NASTY)
    texts = {row["output"]["raw"][0] for row in rows}
    assert {f"0: {text}" for name, text in NASTY.items() if name != "surrogate"} <= texts
    assert "0: half ? of a face" in texts
