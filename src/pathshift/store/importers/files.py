"""Reading foreign files within limits: rows, whole JSON, YAML, the first row of anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pathshift.errors import InputError, LogError
from pathshift.store.importers.logged import LoggedSample, Peek, foreign
from pathshift.store.rowfiles import Row, Rules, parse_json, read_rows

LOG_RULES = Rules(
    line_bytes=256_000_000,
    file_bytes=100_000_000_000,
    rows=50_000_000,
    nan=True,
    lower=False,
    empty=True,
)
"""A line may hold all samples of a problem, a file those of a whole study."""

MAX_JSON_BYTES = 4_000_000_000
MAX_YAML_BYTES = 500_000_000
ROW_SUFFIXES = (".jsonl", ".csv", ".parquet")


def log_rows(path: Path, columns: Sequence[str] | None = None) -> Generator[Row]:
    """Rows of a JSON lines, CSV or Parquet file.

    Raises:
        LogError: names the file and the row that cannot be read.
    """
    try:
        yield from read_rows(path, LOG_RULES, columns=columns)
    except LogError:
        raise
    except InputError as error:
        raise LogError(str(error)) from None


def peeked_rows(peek: Peek, columns: Sequence[str] | None = None) -> Generator[Row]:
    """Rows of a peeked file; those of a JSON file are the entries of its list."""
    if peek.content is None:
        yield from log_rows(peek.path, columns)
        return
    entries = peek.content if isinstance(peek.content, list) else [peek.content]
    for number, values in enumerate(entries, 1):
        where = f"{peek.path}, row {number}"
        if not isinstance(values, Mapping):
            raise LogError(f"{where}: a row must be an object of named fields")
        yield Row(values, where)


def sibling_json(path: Path) -> Mapping[str, Any]:
    """A tool's own description beside its log; empty where there is none that can be read."""
    try:
        content = json_content(path)
    except (OSError, LogError):
        return {}
    return content if isinstance(content, Mapping) else {}


def needed(row: Row, *names: str) -> None:
    """Raise LogError for the first field that a row lacks."""
    for name in names:
        if name not in row.values:
            has = ", ".join(str(key)[:30] for key in list(row.values)[:10]) or "nothing"
            raise LogError(f"{row.where}: no {name!r}; it has {has}")


def mapping(value: object) -> Mapping[str, Any]:
    """A nested object; an empty one where the log has none."""
    return value if isinstance(value, Mapping) else {}


def each(
    rows: Generator[Row], read: Callable[[Row], Iterable[LoggedSample]]
) -> Iterator[LoggedSample]:
    """The samples of all rows; a row that cannot be read is named."""
    with closing(rows):
        for row in rows:
            with foreign(row.where):
                samples = list(read(row))
            yield from samples


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What a tool states of its settings, under our names for them.

    >>> renamed({"max_gen_toks": 64, "n": 1}, {"max_gen_toks": "max_tokens", "top_p": "top_p"})
    {'max_tokens': 64}
    """
    return {ours: values[key] for key, ours in names.items() if values.get(key) is not None}


def json_content(path: Path) -> Any:
    """A whole JSON file; NaN may stand in it."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise LogError(f"{path} is larger than {MAX_JSON_BYTES} bytes and has to be read whole")
    try:
        return parse_json(path.read_bytes(), str(path), nan=True)
    except InputError as error:
        raise LogError(str(error)) from None


def yaml_content(path: Path) -> Any:
    """A whole YAML file of plain values; tags that would make objects are refused."""
    import yaml

    if path.stat().st_size > MAX_YAML_BYTES:
        raise LogError(f"{path} is larger than {MAX_YAML_BYTES} bytes and has to be read whole")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_bytes(), Loader=loader)  # a safe loader: plain values only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise LogError(f"{path}: not YAML of plain values ({reason})") from None


def peek(path: Path) -> Peek:
    """What detection looks at: the first row, or a JSON file's object.

    Raises:
        LogError: the file's first row cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        content = json_content(path)
        first = content[0] if isinstance(content, list) and content else content
        return _peek_row(path, first, content)
    if suffix == ".parquet":
        return _peek_parquet(path)
    if suffix in ROW_SUFFIXES:
        first = next(log_rows(path), None)
        return Peek(path=path) if first is None else _peek_row(path, first.values)
    return Peek(path=path)


def _peek_row(path: Path, first: object, content: Any = None) -> Peek:
    values = first if isinstance(first, Mapping) else {}
    return Peek(path=path, keys=frozenset(map(str, values)), first=values, content=content)


def _peek_parquet(path: Path) -> Peek:
    import pyarrow
    import pyarrow.parquet

    try:
        names = pyarrow.parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise LogError(f"{path}: not Parquet ({reason})") from None
    return Peek(path=path, keys=frozenset(names))


def sha256(path: Path) -> str:
    """Digest of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
