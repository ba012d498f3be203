from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathshift.errors import ConfigMismatch, RunError, RunLocked
from pathshift.training.folder import TrainingFolder, as_json, is_training, read_training

CONFIG = {"model": "hf:base", "betas": (0.9, 0.99), "seed": 1}


def test_a_folder_keeps_what_it_was_begun_with_and_goes_on_under_the_same(tmp_path: Path) -> None:
    path = tmp_path / "rl" / "a"
    with TrainingFolder(path, CONFIG, {"torch": "1"}) as first:
        assert is_training(path)
        assert first.config["betas"] == [0.9, 0.99]
    with TrainingFolder(path, CONFIG, {"torch": "2"}):
        found = read_training(path)
    assert found["config"] == as_json(CONFIG)
    assert found["environment"] == {"torch": "1"}


def test_another_configuration_is_refused_by_its_field_and_frees_the_folder(tmp_path: Path) -> None:
    with TrainingFolder(tmp_path, CONFIG, {}):
        pass
    with pytest.raises(ConfigMismatch, match="was trained with seed=1, now asked with seed=2"):
        TrainingFolder(tmp_path, {**CONFIG, "seed": 2}, {})
    with TrainingFolder(tmp_path, CONFIG, {}):
        pass


def test_two_processes_never_train_into_one_folder(tmp_path: Path) -> None:
    with (
        TrainingFolder(tmp_path, CONFIG, {}),
        pytest.raises(RunLocked, match="written by another process"),
    ):
        TrainingFolder(tmp_path, CONFIG, {})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"not empty \(it holds thesis.tex\); use another --out"):
        TrainingFolder(tmp_path, CONFIG, {})
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        (json.dumps({"schema": 9, "config": {}, "environment": {}}), "has schema 9"),
    ],
)
def test_a_damaged_or_newer_record_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "training.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=reason):
        TrainingFolder(tmp_path, CONFIG, {})


def test_a_folder_without_a_record_is_no_training_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="make one with `pathshift train`"):
        read_training(tmp_path)


def test_a_setting_that_json_does_not_have_is_a_bug() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        as_json({"rate": float("nan")})
    with pytest.raises(TypeError):
        as_json({"path": Path()})
