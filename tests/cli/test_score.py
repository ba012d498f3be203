"""pathshift score, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.commands import pathshift

from pathshift.store.scores import scorers


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("base", "tuned"):
        done = pathshift(
            "sample", "--model", f"fake:{name}", "--tasks", "arithmetic", "--n", 20, "--limit", 10,
            "--store", "tokens", "--temperature", 0.9, "--out", folder / name, "-q",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return {name: folder / name for name in ("base", "tuned")}


def test_as_a_run_takes_its_model_and_policy(runs: dict[str, Path]) -> None:
    command = ("score", "--as", runs["base"], runs["base"], runs["tuned"], "--json", "-")
    first, second = (pathshift(*command) for _ in range(2))
    assert first.returncode == 0, first.stderr
    own, other = json.loads(first.stdout)["scores"]
    assert own["model"] == other["model"] == "fake:base"
    assert own["policy"]["temperature"] == 0.9
    assert (own["drawn"], own["scored"], own["impossible"]) == (200, 200, 0)
    again = json.loads(second.stdout)["scores"]
    assert [row["drawn"] for row in again] == [0, 0]
    assert [row["nats_per_token"] for row in again] == [
        row["nats_per_token"] for row in (own, other)
    ]
    assert len(scorers(runs["tuned"])) == 1


def test_what_is_impossible_is_counted(runs: dict[str, Path]) -> None:
    """The tuned fake never says the right answer of the hardest problems, the base seldom does."""
    done = pathshift("score", "--model", "fake:tuned", runs["base"])
    assert done.returncode == 0, done.stderr
    assert "200 samples scored as fake-tuned-" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("RUN",), "who is to score? give --model SPEC, or --as RUN"),
        (("nowhere", "--model", "fake:base"), "is not a run folder"),
        (("RUN", "--model", "fake:base", "--temperature", "-1"), "temperature must be 0 to 100"),
        (("RUN", "--model", "fake:base", "--name", "../x"), "is not a name of letters"),
    ],
)
def test_bad_input_is_one_line(runs: dict[str, Path], flags: tuple[str, ...], said: str) -> None:
    done = pathshift("score", *(str(runs["base"]) if flag == "RUN" else flag for flag in flags))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
