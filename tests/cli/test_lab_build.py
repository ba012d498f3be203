"""pathshift lab build, measure, check and bundle, as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.lab.zoo.tiny_recipes import BASE

from pathshift.cli.main import main
from pathshift.models import zoo


def said(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run a command in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["pathshift", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_a_recipe_file_is_built_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(BASE, encoding="utf-8")
    asked = ("tiny", "--recipe", file, "--out", tmp_path / "zoo", "--json", "-")
    assert said(monkeypatch, "lab", "build", *asked) == 0
    model = tmp_path / "zoo" / "tiny" / "model"
    assert json.loads(capsys.readouterr().out) == {"models": {"tiny": str(model)}}
    assert "Not measured." in (model / "README.md").read_text(encoding="utf-8")
    assert said(monkeypatch, "lab", "measure", *asked) == 0
    found = json.loads(capsys.readouterr().out)["models"]["tiny"]
    assert found["sets"]["compose-1"]["problems"] == 200
    assert "Not measured." not in (model / "README.md").read_text(encoding="utf-8")


def test_an_unknown_recipe_and_two_names_for_a_file_are_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, "lab", "build", "compose-bass", "--out", tmp_path) == 2
    assert "no recipe 'compose-bass'; there are: compose-base," in capsys.readouterr().err
    asked = ("a", "b", "--recipe", tmp_path / "mine.toml", "--out", tmp_path)
    assert said(monkeypatch, "lab", "build", *asked) == 2
    assert "is one model; give one name, not 2" in capsys.readouterr().err


def test_bundling_what_is_not_built_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("compose-base", "--out", tmp_path, "--into", tmp_path / "zoo")
    assert said(monkeypatch, "lab", "bundle", *asked) == 2
    assert "made.json cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "zoo").exists()
    assert not list(zoo.FOLDER.glob("*.tmp"))
