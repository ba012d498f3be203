"""A review on disk: the sheet a person marks, the key that says whose chains they are.

The sheet is JSON lines, one chain a line, in the order of opaque tokens, and holds nothing that
tells the side; the key lies beside it and is read only when the marks come back. A token is a hash,
under a secret that the key alone holds, of what is shown: two models that wrote the same chain
share a line.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pathshift.errors import InputError
from pathshift.records import Verdict, digest
from pathshift.store.judgements import HUMAN
from pathshift.store.manifest import write_json
from pathshift.store.rowfiles import Row, Rules, parse_json, read_rows
from pathshift.store.rows import storable, verdict_table
from pathshift.store.run import RunFolder, RunWriter
from pathshift.store.shards import disk_errors, finish_rewrite, rewrite_shards

MARKS = ("yes", "no", "unsure")
"""Sound, not sound, cannot say."""

Side = Literal["base", "tuned"]
_SCHEMA = 1
_RULES = Rules(10_000_000, 500_000_000, 20_000)
_KEY_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One chain to be marked; `mark` is one of `MARKS`, or None while it is not."""

    token: str
    question: str
    reference: str
    chain: str
    mark: str | None = None

    @property
    def content(self) -> str:
        """Hash of what was shown."""
        return digest(self.question, self.reference, self.chain)[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A sample that holds an item's chain."""

    side: Side
    problem_id: str
    sample_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What the sheet hides.

    Attributes:
        secret: The tokens' key.
        verifier: Whose verdicts said which answers are right.
        runs: Run folder by side, relative to the sheet's folder.
        contents: `Item.content` by token.
        origins: The samples behind each token.
    """

    secret: str
    verifier: str
    runs: Mapping[str, str]
    contents: Mapping[str, str]
    origins: Mapping[str, tuple[Origin, ...]]


def token_of(secret: str, question: str, reference: str, chain: str) -> str:
    """An opaque name of a chain: equal content, equal token; without the secret it says nothing."""
    shown = digest(question, reference, chain).encode()
    return hmac.new(secret.encode(), shown, hashlib.sha256).hexdigest()[:16]


def key_path(sheet: Path) -> Path:
    """Where a sheet's key lies: sheet.jsonl -> sheet.key.json."""
    return sheet.with_name(f"{sheet.stem}.key.json")


def write_review(sheet: Path, items: Iterable[Item], key: Key) -> None:
    """Write a new sheet and its key; items are put into the order of their tokens.

    Raises:
        InputError: the sheet is there already, or its name does not end in .jsonl.
        StorageError: the disk refused.
    """
    if sheet.suffix != ".jsonl":
        raise InputError(f"{sheet}: a sheet's name ends in .jsonl")
    for path in (sheet, key_path(sheet)):
        if path.exists():
            raise InputError(
                f"{path} is there already and may hold marks; give another --sheet, or leave the "
                "runs out to go on marking it"
            )
    fields = {"schema": _SCHEMA, **asdict(key)}
    write_json(fields, key_path(sheet))
    _write_sheet(sheet, sorted(items, key=lambda item: item.token))


def _write_sheet(sheet: Path, items: Sequence[Item]) -> None:
    lines = [json.dumps(_stored(item), ensure_ascii=False) + "\n" for item in items]
    aside = sheet.with_name(sheet.name + ".tmp")
    with disk_errors(sheet):
        with aside.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(sheet)


def _stored(item: Item) -> dict[str, str | None]:
    fields: dict[str, str | None] = asdict(item)
    return {name: value if value is None else storable(value) for name, value in fields.items()}


def read_sheet(sheet: Path) -> list[Item]:
    """The items of a sheet in their order.

    Raises:
        InputError: no such file, or a row that is none; names it.
    """
    with closing(read_rows(sheet, _RULES)) as rows:
        items = [_item(row) for row in rows]
    if not items:
        raise InputError(f"{sheet} is empty; make a sheet with `pathshift review BASE --sheet`")
    if len({item.token for item in items}) != len(items):
        raise InputError(f"{sheet} holds a token twice; make the sheet anew")
    return items


def _item(row: Row) -> Item:
    texts = {name: row.values.get(name) for name in ("token", "question", "reference", "chain")}
    if set(row.values) - {*texts, "mark"} or not all(isinstance(t, str) for t in texts.values()):
        raise InputError(f"{row.where}: a row holds token, mark, question, reference and chain")
    mark = row.values.get("mark") or None
    if mark is not None and mark not in MARKS:
        raise InputError(f"{row.where}: mark is one of {', '.join(MARKS)}, or null, got {mark!r}")
    fields: dict[str, Any] = {**texts, "mark": mark}
    return Item(**fields)


def mark_item(sheet: Path, token: str, mark: str | None) -> list[Item]:
    """Keep one mark on disk; returns the items as they are now.

    The sheet is read again first, so that a mark made elsewhere in the meantime stays.

    Raises:
        InputError: no such token or mark.
    """
    if mark is not None and mark not in MARKS:
        raise InputError(f"mark is one of {', '.join(MARKS)}, got {mark!r}")
    items = read_sheet(sheet)
    if token not in {item.token for item in items}:
        raise InputError(f"{sheet} holds no item {token[:40]!r}")
    items = [replace(item, mark=mark) if item.token == token else item for item in items]
    _write_sheet(sheet, items)
    return items


def read_key(sheet: Path) -> Key:
    """The key of a sheet.

    Raises:
        InputError: it is not there, or is none.
    """
    path = key_path(sheet)
    if not path.is_file():
        raise InputError(
            f"{path} is not there: without its key nobody can say whose chains {sheet} holds"
        )
    if path.stat().st_size > _KEY_BYTES:
        raise InputError(f"{path} is larger than {_KEY_BYTES:,} bytes; it is no key")
    fields = parse_json(path.read_bytes(), str(path))
    try:
        origins = {
            str(token): tuple(_origin(origin) for origin in found)
            for token, found in fields["origins"].items()
        }
        return Key(
            secret=str(fields["secret"]), verifier=str(fields["verifier"]), origins=origins,
            runs={str(side): str(run) for side, run in fields["runs"].items()},
            contents={str(token): str(text) for token, text in fields["contents"].items()},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no key of a sheet ({str(error)[:80]})") from None


def _origin(fields: Mapping[str, Any]) -> Origin:
    side: Side = "base" if fields["side"] == "base" else "tuned"
    return Origin(
        side=side, problem_id=str(fields["problem_id"]), sample_no=int(fields["sample_no"])
    )


def write_marks(run: Path, verdicts: Sequence[Verdict]) -> None:
    """Keep a person's verdicts in a run; a sample that is marked again takes the new one.

    Raises:
        RunError: not a run folder, or another process writes there.
    """
    RunFolder(run)
    with RunWriter(run, HUMAN) as writer:
        path = writer.folder.verdicts_path(HUMAN)
        finish_rewrite(path)
        kept = {(v.problem_id, v.sample_no): v for v in writer.folder.verdicts(HUMAN)}
        kept |= {(v.problem_id, v.sample_no): v for v in verdicts}
        if kept:
            rewrite_shards(verdict_table(list(kept.values())), path)
