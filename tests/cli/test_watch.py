"""`pathshift watch` as a user runs it, beside a trainer that is running."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.authoring.runs import Chain, write_run
from tests.commands import PROGRAM, environment, pathshift

from pathshift.records import Outcome

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "store" / "importers" / "data"


def test_a_folder_of_verl_dumps_is_one_line_a_step(tmp_path: Path) -> None:
    out, report = tmp_path / "w.json", tmp_path / "w.html"
    done = pathshift("watch", DATA / "verl" / "val", "--once", "--json", out, "--report", report)
    assert done.returncode == 0, done.stderr
    assert "every step against step 0; 95% over 64 looks" in done.stdout
    rows = [
        line for line in done.stdout.splitlines() if line[:6].strip() in ["0", "100", "200", "300"]
    ]
    assert [line.split()[:3] for line in rows] == [
        ["0", "0.406", "0.750"], ["100", "0.469", "0.875"],
        ["200", "0.500", "0.750"], ["300", "0.562", "0.750"],
    ]  # fmt: skip
    assert "No coverage loss is certified at any step" in done.stdout
    assert [s["step"] for s in json.loads(out.read_text())["steps"]] == [100, 200, 300]
    assert "Content-Security-Policy" in report.read_text(encoding="utf-8")


def test_a_training_folder_is_read_by_the_runs_in_it(tmp_path: Path) -> None:
    """The held-out runs count, not what was drawn to train on."""

    def drawn(step: int, right: int) -> Callable[[int, int], Chain]:
        outcome = {True: Outcome.CORRECT, False: Outcome.WRONG}
        return lambda i, number: (f"{step} {i} {number}", outcome[number < right])

    for step, right in ((0, 2), (50, 4), (100, 1)):
        write_run(tmp_path / "runs" / f"step-{step:06d}", drawn(step, right))
    shutil.copytree(DATA / "trl" / "plain" / "completions", tmp_path / "completions")
    done = pathshift("watch", tmp_path, "--once", "--json", "-")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(step["step"], step["curve"][0]) for step in told["steps"]] == [(50, 0.5), (100, 0.125)]
    again = pathshift("watch", tmp_path / "runs", "--once", "--json", "-")
    assert json.loads(again.stdout)["steps"] == told["steps"]


def test_another_base_and_fail_on_loss(tmp_path: Path) -> None:
    for step, right in ((10, 4), (20, 0)):
        rows = [
            {"input": f"q{i}", "output": "x" * j, "score": float(i % 2 == 0 and j < right),
             "step": step}
            for i in range(120) for j in range(4)
        ]  # fmt: skip
        (tmp_path / f"{step}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lost = pathshift("watch", tmp_path, "--once", "--fail-on", "loss")
    assert lost.returncode == 1, lost.stderr
    assert "Coverage loss certified since step 20" in lost.stdout
    against = pathshift("watch", tmp_path, "--once", "--base", tmp_path / "20.jsonl")
    assert against.returncode == 0
    assert "every step against " + str(tmp_path / "20.jsonl") in against.stdout


def test_ctrl_c_prints_what_is_known_and_the_line_that_goes_on(tmp_path: Path) -> None:
    shutil.copytree(DATA / "verl" / "val", tmp_path / "val")
    command = [*PROGRAM, "watch", str(tmp_path / "val"), "--every", "0.1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        for line in watching.stdout:
            if "No coverage loss" in line:
                break
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
        assert watching.wait(60) == 130
    assert "to go on: pathshift watch" in rest
    assert "Pareto-best" in rest


def test_a_folder_without_steps_says_so(tmp_path: Path) -> None:
    done = pathshift("watch", tmp_path, "--once")
    assert done.returncode == 0
    assert "no step to read yet" in done.stdout
    assert pathshift("watch", tmp_path / "absent", "--once").returncode == 2


def test_it_follows_a_trl_run_that_the_test_started(tmp_path: Path) -> None:
    """The trainer is TRL's own, on a random model of 95k parameters; both run at the same time."""
    out, result = tmp_path / "run", tmp_path / "w.json"
    out.mkdir()
    script = ROOT / "scripts" / "fixtures" / "trl_run.py"
    trainer = [sys.executable, str(script), str(out), "--steps", "5"]
    with (
        (tmp_path / "trainer.log").open("w+") as log,
        subprocess.Popen(trainer, stdout=log, stderr=log, env=environment()) as training,
    ):
        watched = pathshift(
            "watch", out, "--score", "has_letter_a", "--until", 5, "--every", "0.2",
            "--idle", 300, "--json", result,
        )  # fmt: skip
        assert training.wait(120) == 0, (tmp_path / "trainer.log").read_text()[-2000:]
    assert watched.returncode == 0, watched.stderr
    steps = json.loads(result.read_text())
    assert steps["base"]["step"] == 1
    assert [step["step"] for step in steps["steps"]] == [2, 3, 4, 5]
    assert all(step["low"] is not None for step in steps["steps"])
    # One prompt's reward is None in every step: unscored samples are no wrong ones.
    assert all(step["n_problems"] == 7 for step in steps["steps"])
    again = pathshift("watch", out, "--score", "has_letter_a", "--once", "--json", "-")
    assert json.loads(again.stdout)["steps"][-1]["curve"] == steps["steps"][-1]["curve"]
