"""The docs say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.commands import environment

from pathshift.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_command_page_is_what_the_commands_say() -> None:
    code = "from cli_page import page; import sys; sys.stdout.write(page())"
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts",
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    assert made.stdout == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"\n## {command}\n" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_readme_is_short_and_its_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(README.splitlines()) <= 200
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out.strip()
    assert f"# {printed}\n" in example


def test_readme_maps_every_folder() -> None:
    folders = {
        p.name for p in (ROOT / "src" / "pathshift").iterdir() if (p / "__init__.py").exists()
    }
    for name in folders | {"examples"}:
        assert re.search(rf"^  {name}/ ", README, re.MULTILINE), name


def test_files_that_the_docs_name_are_there() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`((?:docs|tests|studies|benchmarks|scripts|src)/[\w/.-]+)`", text):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_functions_that_the_statistics_page_names_exist() -> None:
    from importlib import import_module

    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for module, function in re.findall(r"`(stats\.\w+)\.(\w+)`", text):
        assert callable(getattr(import_module(f"pathshift.{module}"), function))


def test_functions_that_the_training_page_names_exist() -> None:
    from importlib import import_module

    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    found = re.findall(r"`(training\.\w+)\.([a-z]\w+)`", text)
    assert len(found) > 15
    for module, function in found:
        assert callable(getattr(import_module(f"pathshift.{module}"), function))


def test_every_algorithm_stands_on_the_training_page() -> None:
    from pathshift.training.algorithms import ALGORITHMS

    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z][\w+-]*)` \| \w", text, re.MULTILINE)
    assert rows == list(ALGORITHMS)


def test_readme_verdict_is_what_the_demo_prints(tmp_path: Path) -> None:
    from tests.commands import pathshift

    printed = pathshift("demo", cwd=tmp_path).stdout
    (block,) = re.findall(r"```text\n(DeepSeek.*?)```", README, re.DOTALL)
    for line in block.strip().splitlines():
        assert line in printed.splitlines()
