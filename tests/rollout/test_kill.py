"""A run killed at random points and resumed equals the uninterrupted one, sample for sample."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.commands import pathshift, started

from pathshift.models import smollm2
from pathshift.records import Sample, Verdict
from pathshift.store.run import RunFolder

KILLS = 20
FAKE = ("--model", "fake:base", "--tasks", "arithmetic", "--n", 32, "--limit", 60)
SMOLLM2 = (
    "--model", "smollm2", "--tasks", "arithmetic", "--completion", "--n", 16, "--limit", 60,
    "--max-tokens", 6, "-M", "rows=16", "--threads", 2,
)  # fmt: skip


def contents(out: Path) -> tuple[list[Sample], list[Verdict]]:
    folder = RunFolder(out)

    def key(row: Sample | Verdict) -> tuple[str, int]:
        return row.problem_id, row.sample_no

    return (
        sorted(folder.samples(), key=key),
        sorted(folder.verdicts("number-first"), key=key),
    )


def killed(arguments: tuple[object, ...], out: Path, rng: random.Random, longest_s: float) -> bool:
    """Start the run, kill -9 it a random time after it began to draw; whether it was running."""
    process = started("sample", *arguments, "--out", out, "--flush-every", 0)
    assert process.stderr is not None
    while (line := process.stderr.readline()) and "samples" not in line:
        pass
    time.sleep(rng.uniform(0, longest_s))
    process.kill()
    process.stderr.close()
    return process.wait(timeout=60) == -signal.SIGKILL


def survives(
    arguments: tuple[object, ...],
    tmp_path: Path,
    *,
    slow: tuple[object, ...] = (),
    longest_s: float | None = None,
    kills: int = KILLS,
) -> None:
    """Without `longest_s` the whole run's own time sets it, so that all kills fall within a run."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = pathshift("sample", *arguments, "--out", whole, "--json", "-")
    assert done.returncode == 0, done.stderr
    if longest_s is None:
        longest_s = 0.9 * json.loads(done.stdout)["runs"][0]["seconds"] / kills
    rng = random.Random(20)
    hits = sum(killed((*arguments, *slow), broken, rng, longest_s) for _ in range(kills))
    assert hits >= kills - 2
    kept = len(RunFolder(broken).samples())
    done = pathshift("sample", *arguments, "--out", broken)
    assert done.returncode == 0, done.stderr
    assert kept > 0
    assert f"({kept} kept)" in done.stderr
    assert contents(broken) == contents(whole)


def test_fake_model_killed_twenty_times(tmp_path: Path) -> None:
    survives(FAKE, tmp_path, slow=("-M", "delay=0.01"), longest_s=0.6)


def test_a_run_that_stops_by_a_rule_killed_six_times(tmp_path: Path) -> None:
    rule = ("--model", "fake:base", "--tasks", "arithmetic", "--n", 64, "--limit", 60,
            "--pilot", 4, "--stop-at", 2)  # fmt: skip
    survives(rule, tmp_path, slow=("-M", "delay=0.01"), longest_s=0.9, kills=6)


@pytest.mark.model
def test_smollm2_killed_twenty_times(tmp_path: Path) -> None:
    if not smollm2.is_here():
        pytest.skip("smollm2 is not unpacked; `pathshift models get smollm2` does it")
    survives(SMOLLM2, tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_the_shard_and_says_how_to_go_on(tmp_path: Path, how: int) -> None:
    out = tmp_path / "run"
    process = started("sample", *FAKE, "-M", "delay=0.01", "--out", out)
    assert process.stderr is not None
    while "samples" not in process.stderr.readline():
        pass
    time.sleep(1.0)
    process.send_signal(how)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 130
    assert "pathshift sample --model fake:base --tasks arithmetic --n 32 --limit 60" in said
    assert "Traceback" not in said
    assert len(RunFolder(out).samples()) > 0
