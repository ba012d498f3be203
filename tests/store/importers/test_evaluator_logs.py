"""What is special in the logs of evaluators: errors, cut samples, several scores, missing rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    IDS,
    SIDES,
    Side,
    changed,
    copied,
    draws_of,
    expected,
    item_of,
    json_rows,
    outcomes,
    read,
    without_seeds,
    world_words,
    write_rows,
)

from pathshift.errors import ConfigError, LogError
from pathshift.records import Outcome
from pathshift.rollout.ingest import read_table
from pathshift.stats.passk import pass_at_k
from pathshift.store.importers.assemble import Assembly

EVALSCOPE = "evalscope/errors/reviews/world-tuned/gsm8k_default.jsonl"
EEE = "every-eval-ever/data/toy-world/toy/base/cae66217-2fd4-40bb-8cd7-10a769079c05_samples.jsonl"


def with_letters(side: Side, places: dict[tuple[str, int], str]) -> list[str]:
    """The world's outcomes, with other letters at (problem, sample from 0)."""
    words = [list(word) for word in world_words(side)]
    for (problem, sample), letter in places.items():
        words[IDS.index(problem)][sample] = letter
    return ["".join(word) for word in words]


# Inspect


def test_inspect_samples_without_a_score_are_failed_and_cut_ones_unparsed() -> None:
    special = expected("inspect-ai")["errors.eval"]["special"]
    letters = {"error": "f", "score_nan": "f", "no_score": "f", "max_tokens": "u"}
    places = {(special[k][0], special[k][1] - 1): letter for k, letter in letters.items()}
    assembly = read("inspect-ai/errors.eval")
    assert outcomes(assembly) == with_letters("tuned", places)
    reasons = {d.detail for _, d, v in assembly.rows() if v and v.outcome is Outcome.FAILED}
    assert "no score" in reasons
    assert len(reasons) == 2


def test_inspect_leaves_unscored_samples_out_of_its_own_pass_at_k_too() -> None:
    said = expected("inspect-ai")["errors.eval"]
    counts = read("inspect-ai/errors.eval").counts("x").counts
    assert [p.n for p in counts] == list(said["scored_per_problem"].values())
    assert [p.c for p in counts] == list(said["correct_per_problem"].values())
    for k in (1, 2, 4):
        usable = [p for p in counts if p.n >= k]
        ours = sum(pass_at_k(p.n, p.c, k) for p in usable) / len(usable)
        assert ours == pytest.approx(said["tool"][f"pass_at_{k}"]["accuracy"])


def test_a_killed_inspect_run_gives_the_samples_it_finished() -> None:
    said = expected("inspect-ai")["tuned_crashed.eval"]
    assembly = read("inspect-ai/tuned_crashed.eval")
    counts = {p.id: (p.n, p.c) for p in assembly.counts("x").counts}
    assert {i: n for i, (n, _) in counts.items()} == said["samples_per_problem"]
    assert {i: c for i, (_, c) in counts.items()} == said["correct_per_problem"]
    assert assembly.log.settings["model"] == "mockllm/tuned"


@pytest.mark.parametrize("other", ["base.json", "base_deflate.eval"])
def test_inspect_logs_in_another_packing_hold_the_same(other: str) -> None:
    rows = [{(p, s, v) for p, s, v in _hashable(read(f"inspect-ai/{f}"))} for f in
            ("base.eval", other)]  # fmt: skip
    assert rows[0] == rows[1]


def _hashable(assembly: Assembly) -> list[tuple[str, Any, Any]]:
    return [(p.content_hash, s, v) for p, s, v in without_seeds(assembly)]


def inspect_json(folder: Path, change: Any) -> Path:
    """`base.json` after a change of its object in place."""
    content = json.loads((DATA / "inspect-ai/base.json").read_text(encoding="utf-8"))
    change(content)
    path = folder / "log.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def scored(content: Any, value: object) -> None:
    for sample in content["samples"]:
        sample["scores"]["pattern"]["value"] = value


@pytest.mark.parametrize(
    ("value", "threshold", "letter"),
    [
        ("C", None, "c"), ("I", None, "w"), ("P", None, "w"), ("N", None, "u"), ("P", 0.5, "c"),
        ("P", 0.6, "w"), (1, None, "c"), (0.0, None, "w"), (True, None, "c"), (None, None, "f"),
        (float("nan"), None, "f"), (0.7, 0.5, "c"), ({"a": 1, "b": 0}, None, "c"),
    ],
)  # fmt: skip
def test_every_kind_of_inspect_score_has_its_outcome(
    tmp_path: Path, value: object, threshold: float | None, letter: str
) -> None:
    path = inspect_json(tmp_path, lambda content: scored(content, value))
    score = "pattern/a" if isinstance(value, dict) else None
    assert outcomes(read(path, score=score, threshold=threshold)) == [letter * 4] * 8


def test_inspect_with_two_scorers_asks_whose_word_counts(tmp_path: Path) -> None:
    def add_scorer(content: Any) -> None:
        content["eval"]["scorers"].append({"name": "kind"})
        for sample in content["samples"]:
            sample["scores"]["kind"] = {"value": "C"}

    path = inspect_json(tmp_path, add_scorer)
    with pytest.raises(LogError, match=r"2 scorers \(pattern, kind\).*--score"):
        read(path)
    assert outcomes(read(path, score="kind")) == ["cccc"] * 8
    assert outcomes(read(path, score="pattern")) == world_words("base")


# evalscope


def test_evalscope_repeat_without_a_row_is_failed_and_a_cut_one_unparsed() -> None:
    said = expected("evalscope")[EVALSCOPE.removeprefix("evalscope/")]
    error, cut = (tuple(said["special"][name]) for name in ("error", "max_tokens"))
    assembly = read("evalscope/errors")
    assert outcomes(assembly) == with_letters("tuned", {error: "f", cut: "u"})
    counts = assembly.counts("x").counts
    assert [p.n for p in counts] == list(said["samples_per_problem"].values())
    assert [p.c for p in counts] == list(said["correct_per_problem"].values())
    assert sum(p.truncated or 0 for p in counts) == 1


def test_evalscope_scores_between_0_and_1_need_a_threshold() -> None:
    with pytest.raises(LogError, match=r"row 1: Rouge-L-R=0\.75 is a reward.*--threshold"):
        read("evalscope/rouge")
    said = expected("evalscope")["rouge/reviews/world-base/general_qa_test.jsonl"]["tool"]
    mean = said["rouge,mean,statistic=f1,variant=l"]["score"]  # all 32 score the same
    assert outcomes(read("evalscope/rouge", threshold=0.75)) == ["cccc"] * 8
    for threshold, letter in ((mean - 0.01, "c"), (mean + 0.01, "w")):
        read_as = read("evalscope/rouge", score="Rouge-L-F", threshold=threshold)
        assert outcomes(read_as) == [letter * 4] * 8


def test_evalscope_without_its_predictions_says_that_truncation_is_unknown(tmp_path: Path) -> None:
    folder = copied("evalscope/base", tmp_path)
    shutil.rmtree(folder / "predictions")
    counts = read(folder).counts("x").counts
    assert [p.c for p in counts] == list(CORRECT["base"])
    assert all(p.truncated is None and p.n_tokens is None for p in counts)


# Every Eval Ever


def test_every_eval_ever_error_is_failed_and_cut_is_unparsed(tmp_path: Path) -> None:
    def spoil(rows: list[Any]) -> None:
        rows[0]["error"] = "the server left"
        rows[1]["metadata"]["finish_reason"] = "length"
        rows[31]["metadata"]["finish_reason"] = "length"

    assembly = read(changed(EEE, tmp_path, spoil))
    # Rows 0 and 1 are wrong in the world, row 31 is right and stays so.
    places = {("add-1", 0): "f", ("add-1", 1): "u"}
    assert outcomes(assembly) == with_letters("base", places)
    assert assembly.counts("x").counts[7].truncated == 1
    assert next(s.detail for _, s, _ in assembly.rows()) == "the server left"


# LiveCodeBench and evalplus


def test_livecodebench_time_limit_is_wrong_and_a_fault_of_the_harness_is_failed(
    tmp_path: Path,
) -> None:
    path = copied("livecodebench/base", tmp_path) / "codegeneration_4_0.2_eval_all.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert json.loads(content[1]["metadata"][0])["error_code"] == -3
    content[0]["metadata"][0] = json.dumps({"error_code": -5, "error_message": "no disk"})
    content[2]["metadata"] = []
    path.write_text(json.dumps(content), encoding="utf-8")
    assembly = read(path)
    counts = {p.id: p for p in assembly.counts("x").counts}
    assert {i: p.failed for i, p in counts.items()} == {"9000": 1, "9001": 0, "9002": 0, "9003": 0}
    assert [p.c for p in counts.values()] == expected("livecodebench")["base"]["correct"]
    assert next(v.detail for _, _, v in assembly.rows() if v and v.detail) == "no disk"
    assert assembly.log.settings["temperature"] == 0.2
    assert assembly.log.settings["model"] == "base"


def test_evalplus_knows_two_kinds_of_tests() -> None:
    with pytest.raises(ConfigError, match="base and plus"):
        read("evalplus/base", score="extra")


def test_evalplus_without_its_plus_tests_is_not_half_read(tmp_path: Path) -> None:
    # Under --base-only every plus_status is null: that is no failure of a sample.
    content = json.loads((DATA / "evalplus/base/samples_eval_results.json").read_text())
    for samples in content["eval"].values():
        for sample in samples:
            sample["plus_status"] = None
    path = tmp_path / "samples_eval_results.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    base = expected("evalplus")["base"]["correct"]["base"]
    assert [p.c for p in read(path, score="base").counts("x").counts] == base
    try:
        counts = read(path).counts("x").counts
    except LogError as error:
        assert "--score base" in str(error)  # noqa: PT017 - refused or read, both are right
    else:
        assert [p.c for p in counts] == base


# SkyThought


@pytest.mark.parametrize(("temperature", "samples"), [("0.6", (0, 1)), ("1.0", (2, 3))])
def test_skythought_of_several_temperatures_is_read_at_one(
    temperature: str, samples: tuple[int, ...]
) -> None:
    with pytest.raises(LogError, match=r"temperatures 0\.6, 1\.0; name one with --score"):
        read("skythought/older")
    assembly = read("skythought/older", score=temperature)
    wanted = draws_of("base")
    found = {wanted[item_of(p), s.text] for p, s, _ in assembly.rows()}
    assert found == {d for d in wanted.values() if d.sample in samples}
    assert outcomes(assembly) == [word[samples[0] : samples[1] + 1] for word in world_words("base")]


def test_skythought_before_scoring_is_judged_here(tmp_path: Path) -> None:
    folder = copied("skythought/tuned", tmp_path)
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for entry in content.values():
        for response in entry["responses"]:
            response["correctness"] = None
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    assert not read(folder).is_judged
    assert [p.c for p in read_table(folder).counts] == list(CORRECT["tuned"])


# scorio, passk-inference


def test_scorio_keeps_the_seeds_and_counts_cut_samples() -> None:
    for side in SIDES:
        assembly = read(f"scorio/{side}.jsonl")
        rows = json_rows(DATA / "scorio" / f"{side}.jsonl")
        assert {s.sample_no for _, s, _ in assembly.rows()} == {row["seed"] for row in rows}
        cut = sum(p.truncated or 0 for p in assembly.counts("x").counts)
        assert cut == expected("scorio")[side]["cut"]


def test_scorio_without_a_box_is_unparsed_and_without_a_verdict_failed(tmp_path: Path) -> None:
    rows = json_rows(DATA / "scorio/base.jsonl")
    rows[0]["processed_results"]["has_box"] = 0
    rows[1]["processed_results"]["is_correct"] = None
    count = read(write_rows(tmp_path / "x.jsonl", rows)).counts("x")
    found = [(p.unparsed, p.failed) for p in count.counts]
    assert (sum(u or 0 for u, _ in found), sum(f or 0 for _, f in found)) == (1, 1)


@pytest.mark.parametrize("side", SIDES)
def test_counts_of_passk_inference_are_counts_here(side: Side) -> None:
    table = read_table(DATA / f"passk-inference/{side}.jsonl")
    assert sorted((p.n, p.c) for p in table.counts) == sorted((4, c) for c in CORRECT[side])
    for k, said in (
        (k, expected("passk-inference")[side]["own"][f"pass@{k}"]) for k in range(1, 5)
    ):
        ours = sum(pass_at_k(p.n, p.c, k) for p in table.counts) / 8
        assert ours == pytest.approx(said)
