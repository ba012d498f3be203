"""pathshift intervene as a user types it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.commands import pathshift, started

from pathshift.records import Sample
from pathshift.store.run import RunFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("base", "tuned"):
        done = pathshift(
            "sample", "--model", f"fake:paths-{name}", "--tasks", "arithmetic", "--n", 32,
            "--limit", 30, "--store", "tokens", "--out", folder / name,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder / "base", folder / "tuned"


def command(runs: tuple[Path, Path], out: Path, *more: object) -> tuple[object, ...]:
    base, tuned = runs
    return ("intervene", tuned, "--model", "fake:paths-base", "--base", base, "--at", "1,4,8",
            "--out", out, *more)  # fmt: skip


def test_says_from_where_on_the_base_completes(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = pathshift(
        *command(runs, tmp_path / "out", "--tuned-model", "fake:paths-tuned",
                 "--json", tmp_path / "r.json")
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "From 1 token of the tuned model's right answers on, the base completes" in done.stdout
    assert "lengths in tokens" in done.stdout
    assert "split at 1: ln(tuned/base) +" in done.stdout
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["certified_from"] == 1
    assert found["unit"] == "tokens"
    total, access, execution = (
        found["splits"][0][name][0] for name in ("total", "access", "execution")
    )
    assert total == pytest.approx(access + execution)
    assert access > 0.7 * total  # the fakes differ in their entrances above all
    again = pathshift(*command(runs, tmp_path / "out", "--json", "-"))
    assert json.loads(again.stdout)["curves"] == found["curves"]
    shown = pathshift("show", tmp_path / "out" / "base")
    assert shown.returncode == 0, shown.stderr


def contents(out: Path) -> list[Sample]:
    return sorted(RunFolder(out / "base").samples(), key=lambda s: s.id)


def test_killed_and_run_again_equals_uninterrupted(runs: tuple[Path, Path], tmp_path: Path) -> None:
    few = ("--limit", 5, "--n", 8)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert pathshift(*command(runs, whole, *few)).returncode == 0
    for _ in range(3):
        process = started(*command(runs, broken, *few, "--flush-every", 0, "-M", "delay=0.01"))
        assert process.stderr is not None
        while (line := process.stderr.readline()) and "samples" not in line:
            pass
        time.sleep(0.4)
        process.kill()
        process.stderr.close()
        process.wait(timeout=60)
    kept = len(contents(broken))
    assert 0 < kept < len(contents(whole))
    done = pathshift(*command(runs, broken, *few))
    assert done.returncode == 0, done.stderr
    assert f"({kept} kept)" in done.stderr
    assert contents(broken) == contents(whole)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--at", "1,x"), "numbers joined by commas"),
        (("--at", "0"), "lengths must"),
        (("--problems", "many"), "one of cells, all, gained, lost"),
        (("--n", "0"), "n must be at least 1"),
    ],
)
def test_mistakes_are_one_line(
    runs: tuple[Path, Path], tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    done = pathshift(*command(runs, tmp_path / "out", *more))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_a_run_without_right_samples_is_one_line(tmp_path: Path) -> None:
    # Numbers of nine digits are beyond this fake: it mumbles.
    done = pathshift("sample", "--model", "fake:paths-base", "--tasks", "arithmetic", "--n", 2,
                     "--limit", 2, "-T", "digits=9", "--out", tmp_path / "wrong")  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = pathshift("intervene", tmp_path / "wrong", "--model", "fake:paths-base",
                     "--out", tmp_path / "out")  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "has no correct sample by verifier number-first" in done.stderr
