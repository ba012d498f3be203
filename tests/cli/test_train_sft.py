"""pathshift train sft, pretrain, distill and rft, as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.commands import pathshift

from pathshift.cli.main import main
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.run import RunWriter
from pathshift.training.examples import read_examples

QUICK = ("--batch", 2, "--length", 96, "--threads", 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sums as prompt and completion, in the template that `sample --tasks arithmetic` asks with."""
    folder = tmp_path_factory.mktemp("files")
    texts = [{"text": f"line {i} of a text"} for i in range(6)]
    sums = [{"prompt": f"Question: {i}+{i}\nAnswer:", "completion": f" {2 * i}"} for i in range(9)]
    for name, rows in (("texts", texts), ("sums", sums)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base(files: Path) -> Path:
    out = files / "base"
    done = pathshift(
        "train", "pretrain", "--data", f"{files}/texts.jsonl:0.5",
        "--data", f"{files}/sums.jsonl:0.5", "--steps", 4, "--width", 16, "--layers", 1,
        "--heads", 2, "--context", 1024, *QUICK, "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, texts, sums, both = done.stdout.splitlines()[:4]
    assert head.split() == ["source", "documents", "tokens", "weight", "share", "to", "be", "drawn",
                            "epochs"]  # fmt: skip
    assert texts.split()[1:4] == ["6", "102", "0.5"]  # six lines of 16 bytes and an end
    # 9 x (21 + end), five answers of two bytes and four of three
    assert sums.split()[1:4] == ["9", "220", "0.5"]
    assert both.split()[:3] == ["all", "15", "322"]
    assert "tokens a parameter" in done.stdout
    assert f"model: hf:{out}/model (4 steps, loss" in done.stdout
    assert f"next: pathshift sample --model hf:{out}/model" in done.stdout
    return out


def test_sft_trains_goes_on_and_refuses_another_configuration(files: Path, base: Path) -> None:
    command = (
        "train", "sft", "--model", f"hf:{base}/model", "--data", files / "sums.jsonl",
        "--epochs", 2, *QUICK, "--out", files / "sft", "--json", "-",
    )  # fmt: skip
    first, again = (json.loads(pathshift(*command).stdout) for _ in range(2))
    assert first["model"] == f"hf:{files}/sft/model"
    assert first["sources"][0]["epochs"] == 2
    assert (first["first_step"], again["first_step"]) == (0, first["steps"])
    other = pathshift(*command, "--lr", 0.5)
    assert other.returncode == 2
    assert "was trained with learning_rate=" in other.stderr
    assert other.stderr.count("\n") == 1


def test_distill_learns_from_verified_samples(files: Path, base: Path) -> None:
    teacher = files / "teacher"
    drawn = pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 8, "--limit", 10,
        "--out", teacher, "-q",
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    done = pathshift(
        "train", "distill", "--teacher", teacher, "--model", f"hf:{base}/model", "--steps", 2,
        "--batch", 2, "--length", 400, "--per-problem", 1, "--out", files / "student",
        "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = read_examples(Path(told["files"][0]))
    assert told["rows"] == len(rows) == len({row.asked for row in rows}) > 0
    assert (files / "student" / "model" / "config.json").is_file()
    refused = pathshift(
        "train", "distill", "--teacher", teacher, "--model", f"hf:{base}/model", "--steps", 2,
        "--length", 400, "--held-out", "arithmetic", "--out", files / "leaky",
    )  # fmt: skip
    assert refused.returncode == 2
    assert "overlaps arithmetic" in refused.stderr


def test_rft_learns_from_a_models_own_samples_and_from_no_others(files: Path, base: Path) -> None:
    from pathshift.models.load import load_model

    model = load_model(f"hf:{base}/model")
    config = {
        "verifier": "text", "mode": "completion", "model": model.info.spec, "dtype": "float32",
        "weights_hash": model.info.weights_hash,
    }  # fmt: skip
    problem = Problem(id="p", task="t", question="Say a", gold="a")
    right = Verdict(problem_id="p", sample_no=0, outcome=Outcome.CORRECT, answer="a")
    drawn = Sample(problem_id="p", sample_no=0, seed=0, text="a", n_tokens=2, finish_reason="stop")
    for name, changed in (("own", {}), ("other", {"weights_hash": "of others"})):
        manifest = RunManifest(config=config | changed, n=1)
        with RunWriter.open(files / name, manifest, [problem], ["Say a:"]) as writer:
            writer.add([drawn], [right])
    done, refused = (
        pathshift("train", "rft", "--run", files / name, "--steps", 1, *QUICK,
                  "--out", files / f"rft-{name}")
        for name in ("own", "other")
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 rows (1 distinct answers) of 1 correct samples" in done.stdout
    assert f"model: hf:{files}/rft-own/model (1 steps, loss" in done.stdout
    assert refused.returncode == 2
    assert "was drawn from other weights" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--data", "none.jsonl"), "no such file: none.jsonl"),
        (("--data", "SUMS:0"), "the weight must be above 0, got 0"),
        (("--data", "SUMS:1", "--data", "SUMS"), "has no weight and others have"),
        (("--data", "SUMS", "-H", "seed=1"), "-H is an option of --held-out"),
        (("--data", "SUMS", "--lora-alpha", "4"), "--lora-alpha 4 needs --lora RANK"),
        (("--data", "SUMS", "--eval-share", "1"), "eval share must be from 0 to below 1, got 1"),
        (("--data", "SUMS", "--dtype", "fp16"), "dtype 'fp16' is not known; use one of fp32, bf16"),
        (("--data", "SUMS", "--length", "4"), "rows are longer than 4 tokens"),
        (("--data", "SUMS", "--schedule", "up"), "schedule 'up' is not known"),
        (("--data", "SUMS", "--optimizer", "sgd"), "optimizer 'sgd' is not known; use one of ad"),
        (("--data", "SUMS", "--matrix-lr", "0.1"), "--matrix-lr 0.1 needs --optimizer muon"),
    ],
)
def test_bad_input_is_one_line(
    files: Path,
    base: Path,
    flags: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [flag.replace("SUMS", str(files / "sums.jsonl")) for flag in flags]
    command = ["pathshift", "train", "sft", "--model", f"hf:{base}/model", *given, "-q"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(files / "bad")])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert said in told
    assert told.count("\n") == 1
    assert not (files / "bad" / "training.json").exists()
