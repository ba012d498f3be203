"""pathshift train rl, as a user types it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.commands import pathshift, started
from tests.training.letters import Letters, make_letters


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


def command(letters: Letters, out: Path, *more: object) -> list[object]:
    template = letters.tasks.with_suffix(".txt")
    template.write_text("{question}")
    return [
        "train", "rl", "--model", letters.spec, "--tasks", letters.task, "--out", out,
        "--prompt-template", template, "--max-tokens", 1, "--verifier", "text", "--prompts", 4,
        "--n", 4, "--lr", 0.01, *more,
    ]  # fmt: skip


def run(letters: Letters, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return pathshift(*command(letters, out, *more))


def test_the_last_lines_say_where_the_model_is_and_how_to_compare_it(
    letters: Letters, tmp_path: Path
) -> None:
    held = make_letters(letters.folder.parent, name="held", first=100)
    done = run(
        letters, tmp_path / "o", "--steps", 3, "--held-out", held.task, "--held-out-n", 4,
        "--held-out-every", 2, "--json", tmp_path / "told.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    *_, report, compare, watch = lines
    assert any(line.startswith(f"model: hf:{tmp_path}/o/model (3 steps, reward ") for line in lines)
    assert "before training -> after 3 steps" in lines
    assert report == f"report: {tmp_path}/o/report.html"
    assert "after 3 steps" in (tmp_path / "o" / "report.html").read_text()
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["step"], told["stopped"]) == (3, "")
    assert [Path(path).name for path in told["runs"]] == [f"step-{n:06d}" for n in (0, 2, 3)]
    again = [
        pathshift(*shlex.split(line.removeprefix("next: pathshift "))) for line in (compare, watch)
    ]
    assert [one.returncode for one in again] == [0, 0], [one.stderr for one in again]
    assert "16 problems x 4 samples" in again[0].stdout
    assert "No coverage loss" in again[1].stdout


def test_an_adapter_is_named_with_its_base(letters: Letters, tmp_path: Path) -> None:
    done = run(letters, tmp_path / "o", "--steps", 1, "--lora", 2)
    assert done.returncode == 0, done.stderr
    assert f"model: {letters.spec}+{tmp_path}/o/adapter (1 steps" in done.stdout
    spec = f"{letters.spec}+{tmp_path}/o/adapter"
    tried = pathshift(
        "sample", "--model", spec, "--tasks", letters.task, "--n", 2, "--limit", 2,
        "--max-tokens", 2, "--verifier", "text", "--out", tmp_path / "r",
    )  # fmt: skip
    assert tried.returncode == 0, tried.stderr


def test_without_held_out_problems_the_last_lines_sample_both_as_the_training_asked(
    letters: Letters, tmp_path: Path
) -> None:
    done = run(letters, tmp_path / "o", "--steps", 1, "--stop", "\\n", "--completion")
    assert done.returncode == 0, done.stderr
    *_, base, tuned, compare = done.stdout.splitlines()
    for line in (base, tuned, compare):
        again = pathshift(*shlex.split(line.removeprefix("next: pathshift ")))
        assert again.returncode == 0, again.stderr
    manifest = json.loads((tmp_path / "o" / "runs" / "tuned" / "manifest.json").read_text())
    assert manifest["config"]["stop"] == ["\n"]
    assert manifest["config"]["max_tokens"] == 1
    assert manifest["config"]["mode"] == "completion"


def test_ctrl_c_keeps_the_last_step_and_says_how_to_go_on(letters: Letters, tmp_path: Path) -> None:
    out = tmp_path / "o"
    process = started(*command(letters, out, "--steps", 100_000))
    metrics = out / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"interrupted; what was trained is in {out}. This goes on from there:" in errors
    assert list((out / "checkpoints").glob("step-*"))
    done = run(letters, out, "--steps", 2, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["first_step"] >= 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--algorithm", "grop"], "there is no algorithm 'grop'"),
        (["--reward", "praise"], "--reward 'praise' is not known"),
        (["--k", "4"], "--k 4 belongs to --algorithm pass-at-k"),
        (["--stop-on", "loss"], "name them by --held-out"),
        (["--held-out", "arithmetic", "--stop-on", "gain"], "--stop-on 'gain' is not known"),
        (["--prompts", "99"], "a step asks 99 problems and the task has 16"),
        (["--lora", "0"], "--lora takes a rank of at least 1"),
        (["--temperature", "0", "--n", "1", "--algorithm", "remax"], "temperature above 0"),
        (["--lr", "0"], "learning rate must be above 0"),
        (["--tracker", "abacus"], "tracker 'abacus' is not known"),
        (["--dtype", "bf16"], "cannot be trained"),
    ],
)
def test_what_is_wrong_is_one_line(
    letters: Letters, tmp_path: Path, flags: list[str], said: str
) -> None:
    done = run(letters, tmp_path / "o", "--steps", 1, *flags)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_problems_that_are_held_out_are_refused_or_left_out(
    letters: Letters, tmp_path: Path
) -> None:
    done = run(letters, tmp_path / "o", "--steps", 1, "--held-out", letters.task)
    assert done.returncode == 2
    assert "16 of 16 training problems are among the 16 held out" in done.stderr
    half = tmp_path / "half.jsonl"
    half.write_text("".join(letters.tasks.read_text().splitlines(keepends=True)[:8]))
    done = run(
        letters, tmp_path / "o", "--steps", 1, "--held-out", f"jsonl:{half}", "--held-out-n", 2,
        "--drop-overlap",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 problems, asked as a completion" in done.stdout


def test_a_model_elsewhere_cannot_be_trained(tmp_path: Path) -> None:
    done = pathshift(
        "train", "rl", "--model", "fake:base", "--tasks", "arithmetic", "--out", tmp_path / "o"
    )
    assert done.returncode == 2
    assert "fake:base cannot be trained" in done.stderr
