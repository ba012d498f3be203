"""Rows of a file, of problems or of counts: JSON lines, JSON, CSV or Parquet, one mapping a row.

Text is data here: nothing is evaluated, JSON's NaN and Infinity are refused, and a line, a file
and the number of rows have limits. Errors name the file and the row, counted from 1 (for JSON lines
the line of the file).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from pathshift.errors import InputError

MAX_LINE_BYTES = 10_000_000
MAX_FILE_BYTES = 1_000_000_000
MAX_ROWS = 1_000_000
_CSV_FIELD = 131_072
"""Longest cell of a table of problems or counts: Python's own limit, which a log lifts."""


class Row(NamedTuple):
    """One row and where it stands, for messages."""

    values: Mapping[str, Any]
    where: str


class Rules(NamedTuple):
    """What a reader lets pass.

    Attributes:
        line_bytes: Longest line of JSON lines.
        file_bytes: Largest file.
        rows: Most rows.
        nan: JSON may say NaN and Infinity, as Python's own writer does.
        lower: Names of fields are put into lower case.
        empty: An empty cell of a CSV file is None; otherwise the field is left out.
    """

    line_bytes: int
    file_bytes: int
    rows: int
    nan: bool = False
    lower: bool = True
    empty: bool = False


def is_readable(path: Path) -> bool:
    """Whether the file's suffix is one of those read here."""
    return path.suffix.lower() in _READERS


def read_rows(
    path: Path, rules: Rules | None = None, *, columns: Sequence[str] | None = None
) -> Generator[Row]:
    """Rows of one file in order, read as they are asked for.

    Who may stop half-way closes it (`contextlib.closing`): the file stays open until then.

    Args:
        rules: By default those for problems and counts: the limits above, no NaN.
        columns: The columns to read of a Parquet file; other kinds are read whole anyway.

    Raises:
        InputError: The file is absent, of another kind, too large, or not what its suffix says.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if not is_readable(path):
        raise InputError(f"{path} must end in one of {', '.join(_READERS)}")
    rules = rules or Rules(MAX_LINE_BYTES, MAX_FILE_BYTES, MAX_ROWS)
    if path.stat().st_size > rules.file_bytes:
        raise InputError(f"{path} is larger than {rules.file_bytes} bytes; split it")
    reader = _READERS[path.suffix.lower()]
    for number, (row_no, values) in enumerate(reader(path, rules, columns), 1):
        if number > rules.rows:
            raise InputError(f"{path} has more than {rules.rows} rows; split it")
        where = f"{path}, row {row_no}"
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: a row must be an object of named fields")
        if rules.lower:
            values = {str(key).lower(): value for key, value in values.items()}
        yield Row(values, where)


def parse_json(text: str | bytes, where: str, *, nan: bool = False) -> Any:
    """JSON, without NaN and Infinity unless `nan`; InputError names `where` if it is none."""
    try:
        return json.loads(text, parse_constant=None if nan else _refuse_constant)
    # A number of many thousand digits and deep nesting end in these.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


Numbered = Iterator[tuple[int, Any]]
"""Rows with their numbers in the file."""


def _json_lines(path: Path, rules: Rules, _: Sequence[str] | None) -> Numbered:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, path, rules.line_bytes), 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield number, parse_json(content, f"{path}, row {number}", nan=rules.nan)


def _lines(file: BinaryIO, path: Path, most: int) -> Iterator[bytes]:
    """Lines, none of which is read whole if it is beyond the limit."""
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most:
            raise InputError(f"{path}, row {number}: longer than {most} bytes")
        yield line


def _json(path: Path, rules: Rules, _: Sequence[str] | None) -> Numbered:
    content = parse_json(path.read_bytes(), str(path), nan=rules.nan)
    if not isinstance(content, list):
        raise InputError(f"{path}: the file must hold a list of rows")
    yield from enumerate(content, 1)


def _csv(path: Path, rules: Rules, _: Sequence[str] | None) -> Numbered:
    csv.field_size_limit(min(rules.line_bytes, 2**31 - 1) if rules.empty else _CSV_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for number, values in enumerate(reader, 1):
                if None in values or None in values.values():
                    raise InputError(f"{path}, row {number}: not as many fields as the header")
                # An empty cell is CSV's way of saying nothing.
                told = {key: text or None for key, text in values.items()}
                yield number, told if rules.empty else {k: text for k, text in told.items() if text}
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, near line {reader.line_num}: not CSV ({error})") from None


def _parquet(path: Path, _: Rules, columns: Sequence[str] | None) -> Numbered:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}, row {number + 1}: not Parquet ({reason})") from None


_READERS: dict[str, Callable[[Path, Rules, Sequence[str] | None], Numbered]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
