"""The user's own problems: rows of a local file or of a Hugging Face data set.

Covers .jsonl, .json, .csv and .parquet with the fields question (or problem, prompt) and answer (or
gold, target), and optionally id, floor, source, cluster and data. A row without id gets one from
its content, so that it is the same in every file it stands in. Other fields are ignored.

Null policy: the row's own `floor`, from 0 to 1, else unknown: nothing here knows how these answers
could be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pathshift.errors import ConfigError
from pathshift.problems.fields import answer_of, data_of, question_of, share_of, text_of
from pathshift.problems.hub import hub_rows
from pathshift.records import Problem, digest
from pathshift.store.rowfiles import Row, is_readable, read_rows

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which rows to read.

    Attributes:
        path: A local file, or a hub data set id OWNER/NAME[@REVISION]; a file wins.
    """

    path: str = ""


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in the order of the file.

    Raises:
        ConfigError: No file or data set is named.
        InputError: It is not to be had, or a row breaks a rule; names file and row.
    """
    if not options.path:
        raise ConfigError("jsonl needs a file or a data set id: jsonl:FILE or jsonl:OWNER/NAME")
    with closing(_rows(options.path)) as rows:
        return [_problem(row, options.path) for row in islice(rows, limit)]


def _rows(path: str) -> Generator[Row]:
    local = Path(path).expanduser()
    # OWNER/NAME could be a file as well; nothing else may go to the hub's server.
    if local.exists() or is_readable(local) or not _HUB_ID.fullmatch(path):
        return read_rows(local)
    return hub_rows(path, otherwise=f"no local file has this name either: {path}")


def _problem(row: Row, path: str) -> Problem:
    question, gold = question_of(row), answer_of(row)
    stem = Path(path).stem
    return Problem(
        id=text_of(row, "id") or f"jsonl-{digest(question, gold)[:16]}",
        task="jsonl",
        question=question,
        gold=gold,
        source=text_of(row, "source") or stem,
        cluster=text_of(row, "cluster"),
        floor=share_of(row, "floor"),
        data=data_of(row),
    )
