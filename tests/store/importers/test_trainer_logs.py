"""What is special in the logs of trainers and rollouts: rewards, steps, errors, short rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    QUESTIONS,
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
    world_words,
    write_rows,
)

from pathshift.errors import LogError
from pathshift.rollout.ingest import read_table
from pathshift.stats.passk import pass_at_k

STEPS = ("00001", "00002", "00003", "00004")


def correct(words: list[str]) -> list[int]:
    return [word.count("c") for word in words]


# verl


@pytest.mark.parametrize(
    "path",
    ["val/0.jsonl", "val/100.jsonl", "val/200.jsonl", "val/300.jsonl", "val_shaped/0.jsonl",
     "val_v1/300.jsonl", "val_v1_turns/300.jsonl", "rollout/5.jsonl", "rollout_v1/5.jsonl"],
)  # fmt: skip
def test_verl_counts_are_those_its_script_drew(path: str) -> None:
    assembly = read(f"verl/{path}")
    said = expected("verl")["files"][path]
    words = outcomes(assembly)
    assert [len(word) for word in words] == [4] * 8
    assert correct(words) == said["correct_by_question"]
    for name, value in said.get("unbiased", {}).items():
        ours = [pass_at_k(4, c, int(name.removeprefix("pass@"))) for c in correct(words)]
        assert sum(ours) / 8 == pytest.approx(value)


def test_verl_takes_acc_before_a_shaped_score() -> None:
    assembly = read("verl/val_shaped/0.jsonl")
    assert assembly.log.judged_by == "verl-acc"
    assert {row["score"] for row in json_rows(DATA / "verl/val_shaped/0.jsonl")} == {-1.0, 1.0}


@pytest.mark.parametrize("column", ["score", "reward"])
def test_verl_shaped_score_needs_a_threshold(column: str) -> None:
    with pytest.raises(LogError, match=rf"row 1: {column}=-1 is a reward.*--threshold.*--score"):
        read("verl/val_shaped/0.jsonl", score=column)
    assembly = read("verl/val_shaped/0.jsonl", score=column, threshold=0.0)
    assert outcomes(assembly) == world_words("base")
    assert assembly.log.judged_by == f"verl-{column}"


def test_verl_agent_of_several_turns_is_one_sample_with_its_last_output() -> None:
    rows = json_rows(DATA / "verl/val_v1_turns/300.jsonl")
    said = expected("verl")["files"]["val_v1_turns/300.jsonl"]
    assembly = read("verl/val_v1_turns/300.jsonl")
    assert (len(rows), assembly.n_samples) == (said["rows"], said["sessions"])
    final = [row for row in rows if not (row["uid"].endswith("_3_0") and _has_second(row, rows))]
    assert {s.text for _, s, _ in assembly.rows()} == {row["output"] for row in final}


def _has_second(row: Any, rows: list[Any]) -> bool:
    return any(other["uid"] == row["uid"][:-1] + "1" for other in rows)


def test_verl_generations_without_scores_are_judged_here() -> None:
    table = read_table(DATA / "verl/generation/tuned.parquet")
    assert table.settings["verifier"] == "number"
    found = [p.c for p in table.counts]
    assert found == expected("verl")["files"]["generation/tuned.parquet"]["correct_by_question"]


def test_verl_truncation_and_answers_are_read_where_the_reward_function_gives_them(
    tmp_path: Path,
) -> None:
    def add(rows: list[Any]) -> None:
        for row in rows:
            row.update(truncated=False, pred=row["output"][-3:-1], response_length=7)
        rows[0]["truncated"] = True
        rows[1]["pred"] = "[INVALID]"
        rows[31]["truncated"] = True

    assembly = read(changed("verl/val/0.jsonl", tmp_path, add))
    assert outcomes(assembly)[0] == "uuww"
    assert correct(outcomes(assembly)) == list(CORRECT["base"])
    counts = assembly.counts("x").counts
    assert [p.truncated for p in counts] == [1, 0, 0, 0, 0, 0, 0, 1]
    assert [p.n_tokens for p in counts] == [28] * 8


def test_verl_null_score_is_failed_and_not_wrong(tmp_path: Path) -> None:
    def drop(rows: list[Any]) -> None:
        rows[0]["acc"] = None
        rows[31]["acc"] = float("nan")

    counts = read(changed("verl/val/0.jsonl", tmp_path, drop)).counts("x").counts
    assert [(p.n, p.failed) for p in counts] == [(3, 1), *[(4, 0)] * 6, (3, 1)]


def test_verl_score_that_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(LogError, match=r"row 1: no 'accuracy'; it has input, output"):
        read("verl/val/0.jsonl", score="accuracy")


@pytest.mark.parametrize("folder", ["verl/val", "trl/plain", "trl/chat"])
def test_several_training_steps_are_refused_with_a_hint_to_watch(folder: str) -> None:
    with pytest.raises(LogError, match=r"4 training steps .*pathshift watch"):
        read(folder)


# TRL


@pytest.mark.parametrize("kind", ["plain", "chat"])
@pytest.mark.parametrize("step", STEPS)
def test_trl_counts_are_those_of_its_rows(kind: str, step: str) -> None:
    path = f"trl/{kind}/completions/completions_{step}.parquet"
    said = expected("trl")["files"][path.removeprefix("trl/")]
    counts = read(path, score="has_letter_a").counts("x").counts
    assert sum(p.c for p in counts) == said["ones"]
    assert sum(p.failed or 0 for p in counts) == said["nulls"]
    assert [p.n + (p.failed or 0) for p in counts] == said["rows_per_prompt"]
    judged = sum(p.n for p in counts)
    mean = said["own"]["rewards/has_letter_a/mean"]  # TRL leaves nulls out of it
    assert sum(p.c for p in counts) / judged == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_trl_rows_of_an_evaluation_are_in_the_file_of_their_step(step: str) -> None:
    path = f"trl/eval/completions/completions_{step}.parquet"
    said = expected("trl")["files"][path.removeprefix("trl/")]
    counts = read(path, score="has_letter_a").counts("x").counts
    assert sum(p.c for p in counts) == said["ones"]
    assert sum(p.failed or 0 for p in counts) == said["nulls"]
    assert sorted(p.n + (p.failed or 0) for p in counts) == sorted(said["rows_per_prompt"])


@pytest.mark.parametrize("step", STEPS)
def test_trl_samples_follow_its_rows(step: str) -> None:
    path = f"trl/plain/completions/completions_{step}.parquet"
    rows = pq.read_table(DATA / path).to_pylist()
    found = [(p.question, s.text, p.gold) for p, s, _ in read(path, score="has_letter_a").rows()]
    assert found == [(row["prompt"], row["completion"], row["solution"]) for row in rows]


def test_trl_chat_is_the_question_of_its_user_and_the_words_of_its_assistant() -> None:
    path = "trl/chat/completions/completions_00002.parquet"
    for (problem, sample, _), row in zip(
        read(path, score="has_letter_a").rows(),
        pq.read_table(DATA / path).to_pylist(),
        strict=True,
    ):
        assert problem.question in QUESTIONS
        assert problem.question == row["prompt"][-1]["content"]
        assert sample.text == row["completion"][-1]["content"]


def test_trl_with_two_rewards_asks_which_one() -> None:
    path = "trl/plain/completions/completions_00001.parquet"
    with pytest.raises(LogError, match=r"2 rewards \(has_letter_a, length_reward\).*--score"):
        read(path)
    with pytest.raises(LogError, match=r"row 1: length_reward=.*is a reward.*--threshold"):
        read(path, score="length_reward")
    assert sum(p.n for p in read(path, score="length_reward", threshold=0.5).counts("x").counts)


@pytest.mark.parametrize("keep", [["has_letter_a"], ["has_letter_a", "length_reward"]])
def test_trl_takes_the_only_reward_or_the_only_one_called_accuracy(
    tmp_path: Path, keep: list[str]
) -> None:
    table = pq.read_table(DATA / "trl/plain/completions/completions_00001.parquet")
    table = table.select(["step", "prompt", "completion", *keep, "solution", "advantage"])
    names = ["accuracy_reward" if n == "has_letter_a" else n for n in table.schema.names]
    pq.write_table(table.rename_columns(names), tmp_path / "completions_00001.parquet")
    counts = read(tmp_path).counts("x").counts
    said = expected("trl")["files"]["plain/completions/completions_00001.parquet"]
    assert sum(p.c for p in counts) == said["ones"]


def test_trl_without_rewards_says_so(tmp_path: Path) -> None:
    table = pa.table({"step": [1], "prompt": ["a"], "completion": ["b"], "advantage": [0.0]})
    pq.write_table(table, tmp_path / "completions_00001.parquet")
    with pytest.raises(LogError, match="no column holds a reward"):
        read(tmp_path)


# verifiers


@pytest.mark.parametrize("folder", ["base", "tuned", "errors"])
def test_verifiers_outcomes_are_its_rewards_and_errors_are_failed(folder: str) -> None:
    rewards = expected("verifiers")["files"][f"{folder}/traces.jsonl"]["rewards_by_task"]
    letters = {None: "f", 0.0: "w", 1.0: "c"}
    words = ["".join(letters[value] for value in values) for values in rewards.values()]
    if folder == "errors":
        words[1] = words[1][:2] + "u" + words[1][3:]  # SOURCE.md: the seventh line is cut off
    assembly = read(f"verifiers/{folder}")
    assert outcomes(assembly) == words
    details = [v.detail for _, _, v in assembly.rows() if v and v.outcome.value == "failed"]
    assert all("the model is on holiday" in detail for detail in details)


def test_verifiers_reward_of_one_part_is_named_with_score() -> None:
    assert outcomes(read("verifiers/base", score="has_box")) == ["cccc"] * 8
    with pytest.raises(LogError, match=r"row 1: no reward 'style'; there are .*has_box"):
        read("verifiers/base", score="style")


def test_verifiers_weighted_reward_needs_a_threshold(tmp_path: Path) -> None:
    def weigh(rows: list[Any]) -> None:
        for row in rows:
            row["traces"][0]["rewards"]["has_box"]["weight"] = 0.25

    path = changed("verifiers/base/traces.jsonl", tmp_path, weigh)
    with pytest.raises(LogError, match=r"row 1: reward=0\.25 is a reward"):
        read(path)
    assert outcomes(read(path, threshold=1.25)) == world_words("base")


def test_old_verifiers_error_is_failed_though_it_has_reward_0() -> None:
    words = outcomes(read("verifiers_legacy/errors"))
    assert [sorted(word) for word in words] == [sorted("fwww"), sorted("ucww")]
    own = expected("verifiers_legacy")["files"]["errors/results.jsonl"]["own"]
    assert own["avg_reward"] == sum(correct(words)) / 8  # the tool counts them as wrong


def legacy(folder: Path, right: float, wrong: float) -> Path:
    """A copy of base with other rewards."""
    copy = copied("verifiers_legacy/base", folder)
    rows = json_rows(copy / "results.jsonl")
    for row in rows:
        row["reward"] = right if row["reward"] == 1 else wrong
    write_rows(copy / "results.jsonl", rows)
    return copy


def test_old_verifiers_state_their_threshold(tmp_path: Path) -> None:
    folder = legacy(tmp_path, 0.7, 0.3)
    assert json.loads((folder / "metadata.json").read_text())["pass_threshold"] == 0.5
    assert correct(outcomes(read(folder))) == list(CORRECT["base"])
    assert correct(outcomes(read(folder, threshold=0.2))) == [4] * 8
    assert correct(outcomes(read(folder, threshold=0.9))) == [0] * 8


def test_old_verifiers_without_metadata_have_no_threshold(tmp_path: Path) -> None:
    folder = legacy(tmp_path, 0.7, 0.3)
    (folder / "metadata.json").unlink()
    with pytest.raises(LogError, match=r"row 1: reward=0\.\d is a reward.*--threshold"):
        read(folder)


def test_old_verifiers_metric_is_named_with_score() -> None:
    assert correct(outcomes(read("verifiers_legacy/tuned", score="has_box"))) == [4] * 8
    assert correct(outcomes(read("verifiers_legacy/tuned", score="correct_answer"))) == list(
        CORRECT["tuned"]
    )
    with pytest.raises(LogError, match="no metric 'style'; there are"):
        read("verifiers_legacy/tuned", score="style")


# NeMo-Skills


def test_nemo_verdict_of_the_judge_is_named_with_score() -> None:
    rows = json_rows(DATA / "nemo-skills/judged/output-rs0.jsonl")
    ends = ["c" if row["judgement"].endswith("Yes") else "w" for row in rows]
    compared = ["c" if row["symbolic_correct"] else "w" for row in rows]
    assert ends != compared  # SOURCE.md: one row has judge yes and symbolic no
    assert outcomes(read("nemo-skills/judged")) == compared
    assembly = read("nemo-skills/judged", score="judgement")
    assert outcomes(assembly) == ends
    assert assembly.log.judged_by == "nemo-skills-judgement"


def test_nemo_empty_row_is_an_error_that_names_it(tmp_path: Path) -> None:
    rows = json_rows(DATA / "nemo-skills/older/output-rs0.jsonl")
    assert rows[3] == {}
    with pytest.raises(LogError, match=r"output-rs0\.jsonl, row 4: an empty row"):
        read("nemo-skills/older")
    path = write_rows(tmp_path / "output-rs0.jsonl", [row for row in rows if row])
    assembly = read(path)
    assert assembly.log.judged_by == "nemo-skills-is-correct"
    assert outcomes(assembly) == ["c" if row["is_correct"] else "w" for row in rows if row]


def test_nemo_unfinished_file_is_passed_over() -> None:
    folder = DATA / "nemo-skills/unfinished/eval-results/toy-world"
    assert (folder / "output-rs1.jsonl-async").is_file()
    assembly = read("nemo-skills/unfinished")
    assert [path.name for path in assembly.log.files] == ["output-rs0.jsonl"]
    assert outcomes(assembly) == [word[0] for word in world_words("tuned")]


def test_nemo_seed_is_the_number_of_the_sample(tmp_path: Path) -> None:
    source = DATA / "nemo-skills/base/eval-results/toy-world"
    for seed in (0, 3):
        shutil.copyfile(source / f"output-rs{seed}.jsonl", tmp_path / f"output-rs{seed}.jsonl")
    wanted = draws_of("base")
    for problem, sample, _ in read(tmp_path).rows():
        assert wanted[item_of(problem), sample.text].sample == sample.sample_no


def test_nemo_without_a_predicted_answer_is_unparsed(tmp_path: Path) -> None:
    def lose(rows: list[Any]) -> None:
        rows[0]["predicted_answer"] = None
        rows[1]["finish_reason"] = "length"

    path = "nemo-skills/base/eval-results/toy-world/output-rs0.jsonl"
    assert outcomes(read(changed(path, tmp_path, lose)))[:3] == ["u", "u", "w"]


# Qwen2.5-Math, large_language_monkeys


def test_qwen_short_row_keeps_its_own_length_and_the_padded_number() -> None:
    said = expected("qwen-math")["base"]
    assembly = read("qwen-math/base")
    words = outcomes(assembly)
    assert [len(word) for word in words] == [4] * 7 + [2]  # SOURCE.md: a wrong one, a right one
    settings = assembly.log.settings
    assert (settings["padded_rows"], settings["padded_to"]) == (1, 4)
    assert settings["padded_mean"] == pytest.approx(said["padded"]["pass@1"])
    for k in (1, 2):
        ours = [pass_at_k(len(word), word.count("c"), k) for word in words]
        assert sum(ours) / 8 == pytest.approx(said["observed"][f"pass@{k}"])


@pytest.mark.parametrize("side", SIDES)
def test_qwen_name_tells_temperature_and_seed(side: Side) -> None:
    settings = read(f"qwen-math/{side}").log.settings
    assert (settings["temperature"], settings["seed"]) == (0.6, 0)
    assert "padded_rows" not in read("qwen-math/tuned").log.settings


def test_monkeys_before_grading_are_judged_here() -> None:
    assert not read("llmonkeys/not_graded").is_judged
    table = read_table(DATA / "llmonkeys/not_graded")
    assert [(p.id, p.n, p.c) for p in table.counts] == [("7", 4, CORRECT["tuned"][7])]
