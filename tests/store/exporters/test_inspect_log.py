"""The Inspect log: what is in it. `make test-tools` has Inspect itself read, reduce and show it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import comb
from pathlib import Path
from typing import Any

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

from pathshift.records import CountTable
from pathshift.rollout.ingest import Source, open_source
from pathshift.store.exporters.inspect_log import write
from pathshift.store.exporters.judged import Judged


def strict(path: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    content: dict[str, Any] = json.loads(path.read_bytes(), parse_constant=refuse)
    return content


def exported(source: Path, folder: Path, *flags: object) -> dict[str, Any]:
    (path,) = export(source, "inspect", folder, *flags)
    return strict(path)


def test_the_header_says_what_inspect_says(tmp_path: Path) -> None:
    log = exported(LOGS["inspect-errors"], tmp_path)
    own = json.loads((LOGS["inspect-errors"].parent / "tuned.json").read_bytes())
    assert list(log) == [key for key in own if key in log]
    assert (log["version"], log["status"]) == (2, "success")
    for part in ("eval", "plan", "results", "stats"):
        assert log[part].keys() <= own[part].keys() | {"metadata"}
    assert log["eval"]["task"] == "world"
    assert log["eval"]["model"] == "toy/model"
    assert log["eval"]["created"] == datetime.fromtimestamp(MADE_AT, UTC).isoformat()
    assert log["eval"]["dataset"]["samples"] == 8
    assert log["eval"]["config"]["epochs"] == 4
    assert log["plan"]["config"] == own["plan"]["config"]


def test_samples_have_the_shape_of_inspects_own(tmp_path: Path) -> None:
    log = exported(LOGS["inspect-errors"], tmp_path)
    own = json.loads((LOGS["inspect-errors"].parent / "tuned.json").read_bytes())
    shape = own["samples"][0]
    for sample in log["samples"]:
        assert sample.keys() - {"error"} <= shape.keys()
        for choice in sample["output"]["choices"]:
            assert choice.keys() <= shape["output"]["choices"][0].keys()
            assert choice["message"].keys() <= shape["messages"][1].keys()
    before = {(s["id"], s["epoch"]): s for s in own["samples"]}
    for sample in log["samples"]:
        twin = before[sample["id"], sample["epoch"]]
        assert sample["input"] == twin["input"]
        assert sample["target"] == twin["target"]
        (stop,) = [choice["stop_reason"] for choice in sample["output"]["choices"]] or [None]
        if stop == "stop":  # the other was cut, or never drawn
            assert sample["output"]["completion"] == twin["output"]["completion"]


def test_failed_samples_have_an_error_and_no_score(tmp_path: Path) -> None:
    log = exported(LOGS["inspect-errors"], tmp_path)
    failed = [sample for sample in log["samples"] if "error" in sample]
    assert len(failed) == 3
    assert all(sample["scores"] == {} for sample in failed)
    assert {sample["error"]["message"] for sample in failed} == {
        "RuntimeError('the sandbox went away')",
        "no score",
    }
    silent = [sample for sample in failed if not sample["output"]["choices"]]
    assert [len(sample["messages"]) for sample in silent] == [1]
    assert log["results"]["total_samples"] == 32
    assert log["results"]["completed_samples"] == 29


def test_letters_are_those_of_the_outcomes(native: Path, tmp_path: Path) -> None:
    log = exported(native, tmp_path)
    letters = [sample["scores"]["number-first"]["value"] for sample in log["samples"]]
    found = counts(native).values()
    assert letters.count("C") == sum(count.c for count in found)
    assert letters.count("N") == sum(count.unparsed or 0 for count in found)
    assert set(letters) == {"C", "I", "N"}


@pytest.mark.parametrize("name", [*LOGS, "native"])
def test_results_and_reductions_are_pass_at_k(name: str, native: Path, tmp_path: Path) -> None:
    source = LOGS.get(name, native)
    log = exported(source, tmp_path)
    found = {count.id: count for count in counts(source).values() if count.n}
    scores = {score["reducer"]: score for score in log["results"]["scores"]}
    assert list(scores) == log["eval"]["config"]["epochs_reducer"]
    for reductions in log["reductions"]:
        reducer = reductions["reducer"]
        k = 1 if reducer == "mean" else int(reducer.removeprefix("pass_at_"))
        values = [sample["value"] for sample in reductions["samples"]]
        assert [sample["sample_id"] for sample in reductions["samples"]] == list(found)
        assert values == pytest.approx(
            [1 - comb(x.n - x.c, k) / comb(x.n, k) for x in found.values()]
        )
        accuracy = scores[reducer]["metrics"]["accuracy"]["value"]
        assert accuracy == pytest.approx(sum(values) / len(values))
        assert scores[reducer]["scored_samples"] == len(found)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, again = (export(LOGS["verl"], "inspect", tmp_path / name) for name in "ab")
    assert first[0].name == again[0].name
    assert first[0].read_bytes() == again[0].read_bytes()


def test_ids_are_apart(tmp_path: Path) -> None:
    log = exported(LOGS["verl"], tmp_path)
    uuids = [sample["uuid"] for sample in log["samples"]]
    messages = [message["id"] for sample in log["samples"] for message in sample["messages"]]
    assert len(set(uuids)) == len(uuids) == 32
    assert len(set(messages)) == len(messages) == 64


def test_a_file_is_written_where_it_is_said_and_told_of_if_inspect_would_not_list_it(
    tmp_path: Path,
) -> None:
    place = tmp_path / "mine.json"
    told = run_command("export", LOGS["verl"], "--to", "inspect", "--out", place).stdout
    assert place.is_file()
    assert "`inspect view` lists .json logs whose names begin with a time only, like 2" in told
    listed = tmp_path / "2026-11-24T08-15-04_mine.json"
    told = run_command("export", LOGS["verl"], "--to", "inspect", "--out", listed).stdout
    assert listed.is_file()
    assert "lists .json logs" not in told


def test_a_folder_gets_a_name_that_inspect_lists(tmp_path: Path) -> None:
    (path,) = export(LOGS["inspect-errors"], "inspect", tmp_path)
    assert path.name.startswith("2026-11-24T06-00-00-00-00_world_")
    assert path.name.count("_") == 2


def test_settings_that_are_no_json_are_told_by_their_names(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "log.jsonl",
        [{"id": "a", "question": "q", "gold": "1", "completion": "1", "correct": True}],
    )
    strange = {"temperature": float("nan"), "when": datetime(2026, 1, 1, tzinfo=UTC), "x": "\ud83d"}
    table = CountTable(
        name="log", counts=tuple(counts(log).values()), settings={"verifier": "v", **strange}
    )
    judged = Judged(
        table=table,
        rows=lambda: ((p, s, v) for p, s, v in open_source(log, Source()).rows() if v is not None),
        model="",
        made_at=MADE_AT,
        rates={1: [1.0]},
    )  # fmt: skip
    write(judged, tmp_path / "out.json")
    content = strict(tmp_path / "out.json")
    assert content["plan"]["config"] == {}
    assert content["eval"]["metadata"]["settings"]["temperature"] == "NaN"
    assert content["eval"]["metadata"]["settings"]["x"] == "?"
    assert content["eval"]["model"] == "unknown"


def test_nasty_texts_are_ascii_and_whole(tmp_path: Path) -> None:
    log = exported(nasty_log(tmp_path / "nasty.jsonl"), tmp_path)
    said = {sample["output"]["completion"] for sample in log["samples"]}
    assert {f"0: {text}" for name, text in NASTY.items() if name != "surrogate"} <= said
    assert "0: half ? of a face" in said
