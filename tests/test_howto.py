"""The three-command pages do what they say, on logs of the tools laid out as the pages say."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.authoring.runs import write_run
from tests.commands import pathshift

from pathshift.records import Outcome

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "store" / "importers" / "data"


def verl(folder: Path) -> None:
    shutil.copytree(DATA / "verl" / "val", folder / "val")


def trl(folder: Path) -> None:
    """The fixture's reward is called has_letter_a; a reader of the page has an accuracy_reward."""
    out = folder / "out" / "completions"
    out.mkdir(parents=True)
    for file in (DATA / "trl" / "plain" / "completions").glob("*.parquet"):
        table = pq.read_table(file)
        names = [n.replace("has_letter_a", "accuracy_reward") for n in table.column_names]
        pq.write_table(table.rename_columns(names), out / file.name)


def inspect(folder: Path) -> None:
    (folder / "logs").mkdir()
    for name in ("base.eval", "tuned.eval"):
        shutil.copy(DATA / "inspect-ai" / name, folder / "logs")


def lm_eval(folder: Path) -> None:
    for side in ("base", "tuned"):
        shutil.copytree(DATA / "lm-eval" / side, folder / "results" / side)


def review(folder: Path) -> None:
    """Two runs with a right chain in thirty; nothing is marked between the two commands."""

    def chain(i: int, number: int) -> tuple[str, Outcome]:
        return f"{i} {number}", Outcome.WRONG if number else Outcome.CORRECT

    for side in ("base", "tuned"):
        write_run(folder / "runs" / side, chain, n=30)


PAGES: dict[str, Callable[[Path], None]] = {
    "verl": verl,
    "trl": trl,
    "inspect": inspect,
    "lm-eval": lm_eval,
    "review": review,
}


def commands(page: str) -> list[list[str]]:
    text = (ROOT / "docs" / f"howto-{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for line in block.strip().splitlines()]


def test_every_page_is_tried() -> None:
    pages = {p.stem.removeprefix("howto-") for p in (ROOT / "docs").glob("howto-*.md")}
    # tests/cli/test_paths.py, tests/servers and tests/training/test_bridge_*.py run the others.
    assert pages == {*PAGES, "paths", "servers", "train-trl", "train-verl"}


@pytest.mark.parametrize("page", PAGES)
def test_three_commands_do_what_the_page_says(page: str, tmp_path: Path) -> None:
    PAGES[page](tmp_path)
    install, verdict, last = commands(page)
    assert install == ["python", "-m", "pip", "install", "./pathshift"]
    for command in (verdict, last):
        assert command[0] == "pathshift"
        done = pathshift(*command[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        for flag in ("--report", "--out"):
            if flag in command:
                assert (tmp_path / command[command.index(flag) + 1]).exists()


def test_the_page_of_formats_names_every_format() -> None:
    from pathshift.store.importers.formats import FORMATS

    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == list(FORMATS)
