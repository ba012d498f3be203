"""pathshift train rl --engine trl, as a user types it."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("trl")

from tests.commands import pathshift
from tests.training.letters import Letters, make_letters

from pathshift.store.run import RunFolder
from pathshift.training.folder import read_training
from pathshift.training.progress import read_metrics


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


def run(letters: Letters, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    template = letters.tasks.with_suffix(".txt")
    template.write_text("{question}")
    return pathshift(
        "train", "rl", "--engine", "trl", "--model", letters.spec, "--tasks", letters.task,
        "--out", out, "--prompt-template", template, "--max-tokens", 2, "--verifier", "text",
        "--prompts", 4, "--n", 4, *more,
    )  # fmt: skip


def test_trl_trains_the_same_recipe_and_ends_with_the_same_lines(
    letters: Letters, tmp_path: Path
) -> None:
    held = make_letters(letters.folder.parent, name="held", first=100)
    out = tmp_path / "o"
    flags = (
        "--held-out", held.task, "--held-out-n", 4, "--held-out-every", 2, "--json", "-",
        "--checkpoint-every", 2, "--engine-option", "per_device_train_batch_size=8",
    )  # fmt: skip
    done = run(letters, out, "--steps", 2, *flags)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)  # and nothing of TRL's before it
    assert (first["model"], first["first_step"], first["step"]) == (f"hf:{out}/model", 0, 2)

    done = run(letters, out, "--steps", 3, *flags, "--json", tmp_path / "told.json")
    assert done.returncode == 0, done.stderr
    assert "step 3/3 · reward" in done.stderr
    assert "Warning" not in done.stderr
    lines = done.stdout.splitlines()
    *_, report, compare, watch = lines
    told = json.loads((tmp_path / "told.json").read_text())
    assert any(line.startswith(f"model: hf:{out}/model (3 steps, reward ") for line in lines)
    assert report == f"report: {out}/report.html"
    assert told["first_step"] == 2
    assert [Path(path).name for path in told["runs"]] == [f"step-{n:06d}" for n in (0, 2, 3)]
    again = [
        pathshift(*shlex.split(line.removeprefix("next: pathshift "))) for line in (compare, watch)
    ]
    assert [one.returncode for one in again] == [0, 0], [one.stderr for one in again]
    assert "16 problems x 4 samples" in again[0].stdout
    assert [line["step"] for line in read_metrics(out / "metrics.jsonl")] == [1, 2, 3]
    config = read_training(out)["config"]
    assert config["learning_rate"] == 1e-3  # the usual one of so small a model
    assert RunFolder(Path(told["runs"][0])).prompts().popitem()[1].endswith("?")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--reward", "random"], "TRL has no setting for reward='random'"),
        (["--engine", "verl"], "--engine 'verl' is not known; use one of pathshift, trl"),
        (["--engine", "pathshift", "--engine-option", "a=1"], "a belongs to --engine trl"),
    ],
)
def test_what_trl_has_no_equal_of_is_one_line(
    letters: Letters, tmp_path: Path, flags: list[str], said: str
) -> None:
    done = run(letters, tmp_path / "o", "--steps", 1, *flags)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
