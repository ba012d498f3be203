"""The small worlds that the fixtures were made in, and what of them a log has to give back.

Numbers come from `scripts/fixtures/world.py` and `code_world.py`, or from the tools' own metrics in
`expected.json`: never from what the package reads out of a log.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.store.importers.assemble import Assembly, Duplicates, assemble
from pathshift.store.importers.formats import open_log
from pathshift.store.importers.logged import ReadOptions

Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")
DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[3]


def _loaded(name: str) -> ModuleType:
    path = ROOT / "scripts" / "fixtures" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # code_world imports world by this name
    spec.loader.exec_module(module)
    return module


world = _loaded("world")
code_world = _loaded("code_world")

N = int(world.N_SAMPLES)
QUESTIONS = [str(item.question) for item in world.QUESTIONS]
IDS = [str(item.id) for item in world.QUESTIONS]
CORRECT: Mapping[Side, tuple[int, ...]] = world.CORRECT


class Drawn(NamedTuple):
    """Which sample of the world a text is."""

    side: Side
    item: int
    sample: int

    @property
    def is_right(self) -> bool:
        return bool(world.is_correct(*self))


def draws_of(side: Side) -> dict[tuple[int, str], Drawn]:
    """By item and text. No two samples of an item are equal; those of two items may be."""
    return {
        (item, str(world.completion(side, item, sample))): Drawn(side, item, sample)
        for item in range(len(QUESTIONS))
        for sample in range(N)
    }


def expected(tool: str) -> Any:
    """What the tool itself said of its logs."""
    return json.loads((DATA / tool / "expected.json").read_text(encoding="utf-8"))


def read(
    *paths: str | Path,
    format: str | None = None,
    score: str | None = None,
    threshold: float | None = None,
    columns: Mapping[str, str] | None = None,
    duplicates: Duplicates = "error",
) -> Assembly:
    """One log, from paths in the data folder or elsewhere."""
    options = ReadOptions(format=format, score=score, threshold=threshold, columns=columns or {})
    return assemble(open_log([DATA / path for path in paths], options), duplicates=duplicates)


def item_of(problem: Problem) -> int:
    """Place in the world of a log's problem: by its question, or by its id where it has none."""
    found = [i for i, question in enumerate(QUESTIONS) if question in problem.question]
    if problem.question:
        assert len(found) == 1, problem.question
        return found[0]
    return IDS.index(problem.id) if problem.id in IDS else int(problem.id)


def outcomes(assembly: Assembly) -> list[str]:
    """One word a problem in the world's order, one letter a sample by number: c, w, u, f."""
    words = {
        item_of(problem): "".join(map(_letter, sorted(draws)))
        for problem, draws in zip(assembly.problems, assembly.draws, strict=True)
    }
    return [words[item] for item in sorted(words)]


def _letter(draw: Any) -> str:
    return draw.outcome.value[0] if draw.outcome is not None else "-"


def world_words(side: Side) -> list[str]:
    """What `outcomes` gives for a log that holds the world as it is."""
    return [
        "".join("c" if world.is_correct(side, item, sample) else "w" for sample in range(N))
        for item in range(len(QUESTIONS))
    ]


def tally(words: Iterable[str]) -> dict[Outcome, int]:
    """Samples by outcome."""
    letters = "".join(words)
    return {outcome: letters.count(outcome.value[0]) for outcome in Outcome}


def json_rows(path: Path) -> list[Any]:
    """Rows of a JSON lines file, split at line feeds only."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def write_rows(path: Path, rows: Iterable[Any]) -> Path:
    """The inverse of `json_rows`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def changed(source: str, folder: Path, change: Callable[[list[Any]], object]) -> Path:
    """A copy of a JSON lines fixture after a change of its rows in place."""
    rows = json_rows(DATA / source)
    change(rows)
    return write_rows(folder / Path(source).name, rows)


def copied(source: str, folder: Path) -> Path:
    """A copy of a fixture's file or folder."""
    found, copy = DATA / source, folder / Path(source).name
    if found.is_dir():
        shutil.copytree(found, copy)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, copy)
    return copy


def without_seeds(assembly: Assembly) -> list[tuple[Problem, Sample, Verdict | None]]:
    """All rows; the seeds, which name the file a draw stands in, are set to 0."""
    return [(p, replace(s, seed=0), v) for p, s, v in assembly.rows()]
