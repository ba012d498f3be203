"""An import is a run folder that holds what the log holds, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.commands import pathshift
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    QUESTIONS,
    SIDES,
    Side,
    changed,
    draws_of,
    item_of,
    json_rows,
    read,
    write_rows,
)

from pathshift.errors import DuplicateSamples, InputError, LogError, PathshiftError, UnknownName
from pathshift.records import CountTable, Outcome, Problem
from pathshift.rollout import ingest
from pathshift.rollout.ingest import Source, default_verifier, import_logs, read_table
from pathshift.store.counts import run_counts
from pathshift.store.importers.formats import FORMATS
from pathshift.store.importers.logged import ReadOptions
from pathshift.store.merge import merge_runs
from pathshift.store.run import RunFolder

VERL = DATA / "verl/val/0.jsonl"
NEMO = DATA / "nemo-skills/base/eval-results/toy-world"
SHARDS = [NEMO / f"output-rs{seed}.jsonl" for seed in range(4)]

LOGS = [
    "evalplus/tuned", "evalscope/errors", "every-eval-ever/data/toy-world/toy/base",
    "generic/base.jsonl", "human-eval/base", "inspect-ai/errors.eval", "inspect-ai/base.json",
    "inspect-ai/tuned_crashed.eval", "lighteval/short", "limit-of-rlvr/tuned",
    "livecodebench/base", "llmonkeys/base", "llmonkeys/not_graded", "lm-eval/base", "lm-eval/mc",
    "nemo-skills/tuned", "qwen-math/base", "scorio/base.jsonl", "skythought/base",
    "verifiers/errors", "verifiers_legacy/errors", "verl/val/300.jsonl", "verl/val_v1_turns",
    "verl/generation",
]  # fmt: skip


def lacking(table: CountTable) -> list[tuple[object, ...]]:
    """Everything but the settings and the floor, problem by problem."""
    return [
        (p.id, p.n, p.c, p.unparsed, p.failed, p.truncated, p.n_tokens, p.source, p.content_hash,
         p.core_hash)
        for p in table.counts
    ]  # fmt: skip


@pytest.mark.parametrize("path", LOGS)
def test_a_run_counts_what_its_log_counts(tmp_path: Path, path: str) -> None:
    found = import_logs([DATA / path], tmp_path / "run")
    wanted = read_table(DATA / path)
    assert lacking(run_counts(tmp_path / "run")) == lacking(wanted) == lacking(found.table)
    assert found.n_problems == len(wanted.counts)
    assert found.n_samples == sum(p.n + (p.failed or 0) for p in wanted.counts)
    assert found.outcomes["correct"] == sum(p.c for p in wanted.counts)
    assert sum(found.outcomes.values()) == found.n_samples
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("path", LOGS)
def test_a_run_holds_the_log_samples_and_whose_verdicts_they_are(tmp_path: Path, path: str) -> None:
    found = import_logs([DATA / path], tmp_path / "run")
    folder, log = RunFolder(tmp_path / "run"), read(path)
    assert folder.verifiers() == [found.verifier]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", found.verifier)
    assert found.is_judged_here is not log.is_judged
    texts = {(s.problem_id, s.sample_no): s.text for s in folder.samples()}
    assert texts == {(p.id, s.sample_no): s.text for p, s, _ in log.rows()}
    assert len(folder.verdicts(found.verifier)) == len(texts) == found.n_samples
    assert [(p.question, p.gold) for p in folder.problems()] == [
        (p.question, p.gold) for p in log.problems
    ]


def test_the_manifest_says_what_was_read(tmp_path: Path) -> None:
    import_logs(SHARDS, tmp_path / "run")
    manifest = RunFolder(tmp_path / "run").manifest
    assert manifest.n == 4
    assert manifest.config["format"] == "nemo-skills"
    assert manifest.config["imported_from"] == [
        {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in SHARDS
    ]


@pytest.mark.parametrize("order", [SHARDS, SHARDS[::-1], [NEMO]], ids=["list", "back", "folder"])
def test_four_shards_are_one_run_in_any_order(tmp_path: Path, order: list[Path]) -> None:
    import_logs(order, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    problems = {p.id: item_of(p) for p in folder.problems()}
    wanted = draws_of("base")
    for sample in folder.samples():
        assert wanted[problems[sample.problem_id], sample.text].sample == sample.sample_no
    assert sorted(p.c for p in run_counts(tmp_path / "run").counts) == sorted(CORRECT["base"])


@pytest.mark.parametrize("side", SIDES)
def test_a_verifier_judges_beside_the_logs_own_verdicts(
    tmp_path: Path, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 5)
    path = DATA / ("verl/val/0.jsonl" if side == "base" else "verl/val/300.jsonl")
    found = import_logs([path], tmp_path / "run", Source(verifier="number"))
    folder = RunFolder(tmp_path / "run")
    assert (found.verifier, found.is_judged_here) == ("number", True)
    assert folder.verifiers() == ["number", "verl-acc"]
    for verifier in ("number", "verl-acc"):
        assert len(folder.verdicts(verifier)) == 32
        counts = run_counts(tmp_path / "run", verifier=verifier).counts
        assert [(p.n, p.c) for p in counts] == [(4, c) for c in CORRECT[side]]
    assert run_counts(tmp_path / "run").settings["verifier"] == "number"


def test_a_verifier_may_see_it_otherwise_than_the_log(tmp_path: Path) -> None:
    def lie(rows: list[Any]) -> None:
        for row in rows:
            row["acc"] = 1.0

    path = changed("verl/val/0.jsonl", tmp_path / "log", lie)
    import_logs([path], tmp_path / "run", Source(verifier="number"))
    own = run_counts(tmp_path / "run", verifier="verl-acc").counts
    assert [p.c for p in own] == [4] * 8
    assert [p.c for p in run_counts(tmp_path / "run").counts] == list(CORRECT["base"])
    assert [p.c for p in read_table(path, Source(verifier="number")).counts] == list(
        CORRECT["base"]
    )


def test_a_log_in_small_batches_is_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_logs([VERL], tmp_path / "whole")
    monkeypatch.setattr(ingest, "BATCH", 3)
    seen: list[tuple[int, int]] = []
    import_logs([VERL], tmp_path / "parts", on_progress=lambda *done: seen.append(done))
    assert seen == [*((done, 32) for done in range(3, 32, 3)), (32, 32)]
    whole, parts = (RunFolder(tmp_path / name) for name in ("whole", "parts"))
    assert whole.samples() == parts.samples()
    assert whole.verdicts("verl-acc") == parts.verdicts("verl-acc")


def test_copies_left_out_are_counted(tmp_path: Path) -> None:
    rows = json_rows(DATA / "generic/base.jsonl")
    path = write_rows(tmp_path / "x.jsonl", rows + rows)
    found = import_logs([path], tmp_path / "run", Source(duplicates="drop"))
    assert (found.dropped, found.n_samples) == (32, 32)
    assert [p.c for p in run_counts(tmp_path / "run").counts] == list(CORRECT["base"])


# Whole or not at all


def torn(folder: Path) -> Path:
    """A log whose last line is torn, in two files, so that a part of it can be read."""
    folder.mkdir()
    shutil.copyfile(SHARDS[0], folder / SHARDS[0].name)
    (folder / SHARDS[1].name).write_bytes(SHARDS[1].read_bytes()[:-30])
    return folder


def test_a_torn_log_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"output-rs1\.jsonl, row 8: not valid JSON"):
        import_logs([torn(tmp_path / "log")], tmp_path / "out" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, LogError("the disk is gone"), MemoryError])
def test_an_import_that_ends_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | BaseException
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 10)

    def stop(done: int, wanted: int) -> None:
        if done == 20:
            raise error

    with pytest.raises((KeyboardInterrupt, LogError, MemoryError)):
        import_logs([VERL], tmp_path / "run", on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_changes_while_it_is_read_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 10)
    path = tmp_path / "log" / "0.jsonl"
    write_rows(path, json_rows(VERL))

    def grow(done: int, wanted: int) -> None:
        if done == 10:
            write_rows(path, json_rows(VERL)[:15])

    with pytest.raises(PathshiftError):
        import_logs([path], tmp_path / "run", on_progress=grow)
    assert [p.name for p in tmp_path.iterdir()] == ["log"]


def test_what_an_earlier_kill_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "run.importing" / "samples").mkdir(parents=True)
    (tmp_path / "run.importing" / "samples" / "shard-1.parquet").write_bytes(b"torn")
    import_logs([VERL], tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert len(RunFolder(tmp_path / "run").samples()) == 32


def fill_folder(out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")


def fill_file(out: Path) -> None:
    out.write_text("mine", encoding="utf-8")


def fill_run(out: Path) -> None:
    import_logs([DATA / "scorio/base.jsonl"], out)


@pytest.mark.parametrize("fill", [fill_folder, fill_file, fill_run])
def test_what_is_there_already_is_not_written_over(
    tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    out = tmp_path / "run"
    fill(out)
    before = {p: p.read_bytes() for p in [out, *out.rglob("*")] if p.is_file()}
    with pytest.raises(InputError, match="is there already; give a new folder with --out"):
        import_logs([VERL], out)
    assert {p: p.read_bytes() for p in [out, *out.rglob("*")] if p.is_file()} == before


def test_an_empty_folder_and_one_to_be_made_are_new(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "not" / "there" / "yet"):
        import_logs([VERL], out)
        assert len(run_counts(out).counts) == 8


@pytest.mark.parametrize(
    ("path", "source", "says"),
    [
        ("verl/val/0.jsonl", Source(verifier="oracle"), "oracle"),
        ("human-eval/base", Source(verifier="number"), "no reference answer to judge by"),
        ("scorio/base.jsonl", Source(verifier="number"), "no reference answer to judge by"),
        ("verl/val_shaped/0.jsonl", Source(read=ReadOptions(score="score")), "--threshold"),
    ],
)
def test_what_cannot_be_judged_is_said_and_leaves_nothing(
    tmp_path: Path, path: str, source: Source, says: str
) -> None:
    with pytest.raises((LogError, UnknownName), match=says):
        import_logs([DATA / path], tmp_path / "run", source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("golds", "verifier"),
    [(["37", "1,000", "-3"], "number"), (["37", "x + 1"], "math"), (["yes"], "math")],
)
def test_numbers_are_judged_as_numbers(golds: list[str], verifier: str, tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": gold, "response": "x"} for i, gold in enumerate(golds)]
    assembly = read(write_rows(tmp_path / "x.jsonl", rows))
    assert default_verifier(assembly) == verifier


# Merging


def test_one_log_imported_twice_is_not_merged(tmp_path: Path) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    for run in runs:
        import_logs([VERL], run)
    with pytest.raises(DuplicateSamples, match="count twice"):
        merge_runs(runs, tmp_path / "c")


def test_draws_of_two_logs_imported_apart_are_merged(tmp_path: Path) -> None:
    # The message about a sample number that stands in two files names this way out.
    runs = [tmp_path / name for name in "abcd"]
    for run, shard in zip(runs, SHARDS, strict=True):
        import_logs([shard], run)
    merged = merge_runs(runs, tmp_path / "all")
    assert (merged.n_problems, merged.n_samples) == (8, 32)
    assert [p.c for p in run_counts(tmp_path / "all").counts] == list(CORRECT["base"])


def test_short_answers_that_two_logs_share_are_no_copies(tmp_path: Path) -> None:
    for name, answers in (("a", "1221"), ("b", "1212")):
        rows = [
            {"question": "q", "answer": "1", "response": x, "reward": x == "1"} for x in answers
        ]
        log = write_rows(tmp_path / f"{name}.jsonl", rows)
        import_logs([log], tmp_path / name)
    merged = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert merged.n_samples == 8


def test_a_part_of_a_log_is_not_merged_with_the_whole(tmp_path: Path) -> None:
    shards = sorted((DATA / "limit-of-rlvr/tuned/toy").glob("*.jsonl"))
    import_logs([shards[1]], tmp_path / "part")
    import_logs(shards, tmp_path / "whole")
    with pytest.raises(PathshiftError):
        merge_runs([tmp_path / "whole", tmp_path / "part"], tmp_path / "c")


# The commands


def test_the_command_says_what_it_read_and_show_shows_it(tmp_path: Path) -> None:
    done = pathshift("import", VERL, "--out", tmp_path / "run", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "run": str(tmp_path / "run"), "format": "verl", "problems": 8, "samples": 32,
        "correct": 13, "wrong": 19, "unparsed": 0, "failed": 0, "verifier": "verl-acc",
        "judged_here": False, "dropped": 0,
    }  # fmt: skip
    shown = pathshift("show", tmp_path / "run")
    assert "8 problems, 32 samples" in shown.stdout
    assert "13 correct, 19 wrong, 0 unparsed, 0 failed" in shown.stdout
    assert "0 tokens" not in shown.stdout  # verl does not say how many
    assert re.search(r"pass@4 +0\.750", shown.stdout)


def test_show_prints_the_prompt_and_samples_of_an_import(tmp_path: Path) -> None:
    import_logs([VERL], tmp_path / "run")
    problem = next(p for p in RunFolder(tmp_path / "run").problems() if item_of(p) == 1)
    shown = pathshift("show", tmp_path / "run", "--problem", problem.id, "--samples", 4)
    assert shown.returncode == 0, shown.stderr
    assert QUESTIONS[1] in shown.stdout
    outcomes = re.findall(r"--- sample \d: (\w+)", shown.stdout)
    assert outcomes == ["wrong", "wrong", "wrong", "correct"]
    assert "\u2028" not in shown.stdout


def test_an_import_is_compared_with_a_log(tmp_path: Path) -> None:
    import_logs([VERL], tmp_path / "run")
    done = pathshift("compare", tmp_path / "run", DATA / "inspect-ai/tuned.eval", "--json", "-")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["problems"]
    assert sorted((row["c_base"], row["c_tuned"]) for row in rows) == sorted(
        zip(CORRECT["base"], CORRECT["tuned"], strict=True)
    )


def test_every_format_is_listed() -> None:
    done = pathshift("import", "--formats")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(FORMATS)


def test_the_outcome_of_every_sample_is_kept(tmp_path: Path) -> None:
    import_logs([DATA / "inspect-ai/errors.eval"], tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    verdicts = {(v.problem_id, v.sample_no): v for v in folder.verdicts(folder.verifiers()[0])}
    for problem, sample, verdict in read("inspect-ai/errors.eval").rows():
        kept = verdicts[problem.id, sample.sample_no]
        assert isinstance(problem, Problem)
        assert verdict is not None
        assert kept.outcome is verdict.outcome
        assert bool(kept.detail) is (kept.outcome is Outcome.FAILED)
