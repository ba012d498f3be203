"""What the tests of this folder export, and the command that exports it, run in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from pathshift.cli.main import build
from pathshift.records import CountTable, ProblemCount
from pathshift.rollout.ingest import read_table

DATA = Path(__file__).parents[1] / "importers" / "data"
LOGS = {
    "verl": DATA / "verl" / "val" / "300.jsonl",
    "verl-unjudged": DATA / "verl" / "generation",
    "inspect-errors": DATA / "inspect-ai" / "errors.eval",
    "verifiers-errors": DATA / "verifiers" / "errors",
}
"""Of several tools: with failed, cut and unjudged samples, and without a model's name."""

MADE_AT = 1_795_500_000
OUT = {
    "passk": "counts.jsonl",
    "csv": "samples.csv",
    "parquet": "samples.parquet",
    "every-eval-ever": "store",
    "inspect": "logs",
}
"""Where each format goes, as a name below --out's folder."""

NASTY = {
    "script": "</script><script>alert(1)</script>",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "line ends": "one\r\ntwo\rthree\nfour\n",
    "quotes": '"q" \'s\' ""twice"", comma; semicolon\ttab \\" \\n',
    "formula": '=HYPERLINK("http://localhost","x")',
    "sign": "-5",
    "nul": "before\x00after",
    "surrogate": "half \ud83d of a face",
    "bidi": "\u202eright to left\u202c",
    "attachment": "attachment://0123456789abcdef",
    "json": '{"a": [1, NaN]}',
    "spaces": "  kept  ",
}
"""Texts that have broken readers and writers of such files."""


def run_command(*arguments: object) -> Result:
    """The command line; an error that is meant for the user is in `exception`."""
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


def export(source: Path, to: str, folder: Path, *flags: object) -> list[Path]:
    """Export below a folder; the files. The model is named for the format that needs one."""
    done = run_command(
        "export", source, "--to", to, "--out", folder / OUT[to], "--model", "toy/model",
        "--retrieved", MADE_AT, "--json", "-", *flags,
    )  # fmt: skip
    if done.exception is not None:
        raise done.exception
    return [Path(name) for name in json.loads(done.stdout)["files"]]


def counts(source: Path) -> dict[str, ProblemCount]:
    """Counts by problem of anything that `compare` takes."""
    return {count.id: count for count in table(source).counts}


def table(source: Path) -> CountTable:
    return read_table(source)


def write_log(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A log of the generic format, escaped so that it can hold any text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")
    return path


def nasty_log(path: Path) -> Path:
    """Each of the nasty texts as question, reference, answer and failure."""
    return write_log(
        path,
        (
            {
                "id": f"{name} {text}"[:60],
                "question": f"{name}: {text}",
                "gold": text,
                "completion": f"{number}: {text}",
                "correct": [True, False, None][number],
                "error": f"died of {text}" if number == 2 else None,
            }
            for name, text in NASTY.items()
            for number in range(3)
        ),
    )
