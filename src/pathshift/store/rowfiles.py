"""Rows of a file, of problems or of counts: JSON lines, JSON, CSV or Parquet, one mapping a row.

Text is data here: nothing is evaluated, JSON's NaN and Infinity are refused, and a line, a file
and the number of rows have limits. Errors name the file and the row, counted from 1 (for JSON lines
the line of the file).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from pathshift.errors import InputError

MAX_LINE_BYTES = 10_000_000
MAX_FILE_BYTES = 1_000_000_000
MAX_ROWS = 1_000_000


class Row(NamedTuple):
    """One row and where it stands, for messages."""

    values: Mapping[str, Any]
    where: str


def is_readable(path: Path) -> bool:
    """Whether the file's suffix is one of those read here."""
    return path.suffix.lower() in _READERS


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of one file in order, read as they are asked for.

    Raises:
        InputError: The file is absent, of another kind, too large, or not what its suffix says.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if not is_readable(path):
        raise InputError(f"{path} must end in one of {', '.join(_READERS)}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path} is larger than {MAX_FILE_BYTES} bytes; split it")
    for number, (row_no, values) in enumerate(_READERS[path.suffix.lower()](path), 1):
        if number > MAX_ROWS:
            raise InputError(f"{path} has more than {MAX_ROWS} rows; split it")
        where = f"{path}, row {row_no}"
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: a row must be an object of named fields")
        yield Row({str(key).lower(): value for key, value in values.items()}, where)


def parse_json(text: str | bytes, where: str) -> Any:
    """JSON without NaN and Infinity; InputError names `where` if it is none."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    # A number of many thousand digits and deep nesting end in these.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, path), 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield number, parse_json(content, f"{path}, row {number}")


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Lines, none of which is read whole if it is beyond the limit."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"{path}, row {number}: longer than {MAX_LINE_BYTES} bytes")
        yield line


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    content = parse_json(path.read_bytes(), str(path))
    if not isinstance(content, list):
        raise InputError(f"{path}: the file must hold a list of rows")
    yield from enumerate(content, 1)


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for number, values in enumerate(reader, 1):
                if None in values or None in values.values():
                    raise InputError(f"{path}, row {number}: not as many fields as the header")
                # An empty cell is CSV's way of saying nothing.
                yield number, {key: text for key, text in values.items() if text}
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, near line {reader.line_num}: not CSV ({error})") from None


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}, row {number + 1}: not Parquet ({error})") from None


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
