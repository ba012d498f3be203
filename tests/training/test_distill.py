"""From a run to training rows: only what is verified, distinct answers first, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pathshift.errors import ConfigError, InputError
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.run import RunWriter
from pathshift.training.distill import (
    Selection,
    harvest,
    spread_over_answers,
    write_rows,
    write_verl_rows,
)
from pathshift.training.examples import read_examples

PROBLEMS = [Problem(id=f"p{i}", task="t", question=f"What is {i}?", gold=str(i)) for i in range(3)]
# (problem, text, outcome, answer, finish reason); p2 is never solved
DRAWN = [
    ("p0", " 2*3", "correct", "2*3", "stop"),
    ("p0", " 2*3", "correct", "2*3", "stop"),
    ("p0", " so 2*3", "correct", "2 * 3".replace(" ", ""), "stop"),
    ("p0", " 3+3", "correct", "3+3", "stop"),
    ("p0", " 7", "wrong", "7", "stop"),
    ("p1", " 1 and on", "correct", "1", "length"),
    ("p1", " 1", "correct", "1", "stop"),
    ("p1", " x", "failed", None, "stop"),
    ("p2", " 5", "unparsed", None, "stop"),
]


def run(out: Path, *, chat: bool = False) -> Path:
    """A run folder with the samples above."""
    config = {
        "verifier": "text", "mode": "chat" if chat else "completion", "system": "be brief",
        "template": "{question} Go!", "model": "fake:base",
    }  # fmt: skip
    manifest = RunManifest(config=config, n=5)
    prompts = [f"<rendered> {p.question}" for p in PROBLEMS]
    with RunWriter.open(out, manifest, PROBLEMS, prompts) as writer:
        for number, (problem, text, outcome, answer, reason) in enumerate(DRAWN):
            key = {"problem_id": problem, "sample_no": number}
            sample = Sample(**key, seed=number, text=text, n_tokens=3, finish_reason=reason)  # type: ignore[arg-type]
            verdict = Verdict(**key, outcome=Outcome(outcome), answer=answer)  # type: ignore[arg-type]
            writer.add([sample], [verdict])
    return out


def test_rows_are_verified_distinct_and_counted(tmp_path: Path) -> None:
    found = harvest(run(tmp_path / "run"))
    texts = [(row.problem.id, row.sample.text) for row in found.rows]
    assert texts == [("p0", " 2*3"), ("p0", " 3+3"), ("p0", " so 2*3"), ("p1", " 1")]
    assert (found.problems, found.solved, found.correct) == (3, 2, 6)
    assert (found.cut, found.repeated, found.answers) == (1, 1, 3)
    assert found.line() == (
        "4 rows (3 distinct answers) of 6 correct samples; 2 of 3 problems solved; left out 1 cut "
        "at the token limit or empty and 1 of the same text"
    )
    two = harvest(tmp_path / "run", Selection(per_problem=2)).rows
    assert [row.sample.text for row in two] == [" 2*3", " 3+3", " 1"]


def test_distinct_answers_come_first_then_the_order_of_the_draws() -> None:
    samples = [
        Sample(problem_id="p", sample_no=i, seed=i, text=f"t{i}", n_tokens=1, finish_reason="stop")
        for i in range(6)
    ]
    answers = {0: "a", 1: "a", 2: "b", 3: "a", 4: "b", 5: None}
    order = [sample.sample_no for sample in spread_over_answers(samples, answers)]
    assert order == [0, 2, 5, 1, 4, 3]


def test_the_rows_are_read_back_as_they_were_trained(tmp_path: Path) -> None:
    found = harvest(run(tmp_path / "run"))
    path = tmp_path / "rows.jsonl"
    write_rows(found.rows, path)
    assert read_examples(path) == [row.example for row in found.rows]
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first == {
        "prompt": "<rendered> What is 0?", "completion": " 2*3", "problem_id": "p0",
        "sample_no": 0, "content_hash": PROBLEMS[0].content_hash, "answer": "2*3",
    }  # fmt: skip


def test_a_chat_stays_turns_and_a_student_asks_through_its_own_template(tmp_path: Path) -> None:
    found = harvest(run(tmp_path / "run", chat=True))
    turns = [{"role": "system", "content": "be brief"},
             {"role": "user", "content": "What is 0? Go!"}]  # fmt: skip
    assert found.rows[0].as_json()["prompt"] == turns
    assert found.rows[0].as_json()["completion"] == [{"role": "assistant", "content": " 2*3"}]
    write_rows(found.rows, tmp_path / "rows.jsonl")
    assert read_examples(tmp_path / "rows.jsonl") == [row.example for row in found.rows]
    write_verl_rows(found.rows, tmp_path / "rows.parquet")
    first = pq.read_table(tmp_path / "rows.parquet").to_pylist()[0]
    assert first["messages"] == [*turns, {"role": "assistant", "content": " 2*3"}]


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    with pytest.raises(InputError, match="no verdicts of 'math'; it has text"):
        harvest(folder, Selection(verifier="math"))
    with pytest.raises(ConfigError, match="per problem must be at least 1, got 0"):
        Selection(per_problem=0)
    manifest = RunManifest(config={"verifier": "text", "mode": "completion"}, n=1)
    with RunWriter.open(tmp_path / "none", manifest, PROBLEMS[:1], ["p"]) as writer:
        sample = Sample(
            problem_id="p0", sample_no=0, seed=0, text="7", n_tokens=1, finish_reason="stop"
        )
        writer.add([sample], [Verdict(problem_id="p0", sample_no=0, outcome=Outcome.WRONG)])
    with pytest.raises(InputError, match="0 correct samples and none that ended by itself"):
        harvest(tmp_path / "none")
