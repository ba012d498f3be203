"""Merging: draws add up, doubles and strangers are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import ConfigMismatch, DuplicateSamples, InputError
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.merge import merge_runs
from pathshift.store.run import RunFolder, RunWriter


def make(path: Path, *, seed: int, problems: range = range(2), n: int = 3, **config: Any) -> Path:
    manifest = RunManifest(config={"verifier": "text", "seed": seed, "model": "m", **config}, n=n)
    asked = [Problem(id=f"p{i}", task="t", question=f"q{i}", gold="x") for i in problems]
    with RunWriter.open(path, manifest, asked, [f"prompt {p.id}" for p in asked]) as run:
        drawn = [
            Sample(problem_id=p.id, sample_no=i, seed=1000 * seed + i, text=f"{seed}-{i}",
                   n_tokens=1, finish_reason="stop")
            for p in asked for i in range(n)
        ]  # fmt: skip
        run.add(drawn, [Verdict(problem_id=s.problem_id, sample_no=s.sample_no,
                                outcome=Outcome.CORRECT if s.sample_no else Outcome.WRONG)
                        for s in drawn])  # fmt: skip
    return path


def test_draws_of_two_seeds_add_up_and_are_numbered_anew(tmp_path: Path) -> None:
    merged = merge_runs(
        [make(tmp_path / "a", seed=0), make(tmp_path / "b", seed=1)], tmp_path / "c"
    )
    assert (merged.n_problems, merged.n_samples, merged.n_per_problem) == (2, 12, (6, 6))
    assert [(p.n, p.c) for p in run_counts(tmp_path / "c").counts] == [(6, 4), (6, 4)]
    folder = RunFolder(tmp_path / "c")
    assert folder.manifest.n == 6
    assert folder.prompts()["p1"] == "prompt p1"
    texts = {s.text for s in folder.samples() if s.problem_id == "p0"}
    assert texts == {f"{seed}-{i}" for seed in (0, 1) for i in range(3)}


def test_shards_of_a_job_over_problems_join(tmp_path: Path) -> None:
    left = make(tmp_path / "a", seed=0, problems=range(2), task_hash="x")
    right = make(tmp_path / "b", seed=0, problems=range(2, 5), task_hash="y")
    assert merge_runs([left, right], tmp_path / "c").n_problems == 5


def test_the_same_draws_twice_are_refused(tmp_path: Path) -> None:
    paths = [make(tmp_path / name, seed=0) for name in "ab"]
    with pytest.raises(DuplicateSamples, match=r"p0 with seed 0.*count twice"):
        merge_runs(paths, tmp_path / "c")
    assert not (tmp_path / "c" / "manifest.json").exists()


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a", seed=0), make(tmp_path / "b", seed=1, model="other")]
    with pytest.raises(ConfigMismatch, match=r'model="m".*model="other"'):
        merge_runs(paths, tmp_path / "c")


def test_one_run_or_a_taken_folder_is_refused(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a", seed=0), make(tmp_path / "b", seed=1)
    with pytest.raises(InputError, match="at least two"):
        merge_runs([first], tmp_path / "c")
    with pytest.raises(InputError, match="is a run already"):
        merge_runs([first, second], second)


def test_a_merged_run_is_not_sampled_into(tmp_path: Path) -> None:
    merge_runs([make(tmp_path / "a", seed=0), make(tmp_path / "b", seed=1)], tmp_path / "c")
    folder = RunFolder(tmp_path / "c")
    wanted = replace(folder.manifest, config={"verifier": "text", "seed": 0, "model": "m"})
    with pytest.raises(ConfigMismatch, match="merged_from"):
        RunWriter.open(tmp_path / "c", wanted, folder.problems(), ["q"] * 2)
