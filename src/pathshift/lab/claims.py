"""The claims this package tests, read from ``claims.toml`` and checked key by key.

Covers: every rule of the table's form, so that a typo or half a result fails on reading. Does not
cover: whether a claim is true, or whether its evidence still runs; recipes judge that.
"""

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from pathshift.errors import ConfigError

_TEXT_KEYS = ("id", "sentence", "source", "test", "scale", "status")
_RESULT_KEYS = ("result", "date", "evidence")
_KEYS = (*_TEXT_KEYS, "against", *_RESULT_KEYS)
_KEBAB_CASE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Status(StrEnum):
    """What became of a claim."""

    UNTESTED = "untested"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    MIXED = "mixed"  # supported in one setting and refuted in another
    UNDECIDED = "undecided"  # measured, and the interval meets neither rule
    NOT_TESTABLE_HERE = "not_testable_here"  # the result says what is lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One falsifiable sentence, its source, what settles it, and what was found.

    ``result``, ``date`` and ``evidence`` are None exactly if the status is ``UNTESTED``; evidence
    is the command that printed the result. ``against`` holds ids of claims that lose ground where
    this one holds.
    """

    id: str
    sentence: str
    source: str
    test: str
    scale: str
    status: Status
    against: tuple[str, ...] = ()
    result: str | None = None
    date: datetime.date | None = None
    evidence: str | None = None


def load_claims(path: Path | None = None) -> tuple[Claim, ...]:
    """Every claim of a TOML file, in file order; without a path, those of the package.

    Line breaks inside a text become single spaces.

    Raises:
        ConfigError: the file cannot be read, or an entry breaks a rule of its form.

    >>> load_claims()[0].id
    'ceiling-set-in-pretraining'
    """
    name = "claims.toml" if path is None else str(path)
    entries = _entries(_parse(path, name), name)
    claims = tuple(_claim(entry, _place(entry, i, name)) for i, entry in enumerate(entries, 1))
    _check_ids_differ(claims, name)
    _check_against(claims, name)
    return claims


def _parse(path: Path | None, name: str) -> dict[str, object]:
    """The file as a TOML table."""
    source = files("pathshift.lab").joinpath("claims.toml") if path is None else path
    try:
        return tomllib.loads(source.read_bytes().decode("utf-8"))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(
            f"cannot read {name!r}: {reason}; give the path of a TOML file"
        ) from error
    except ValueError as error:  # both TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{name!r} is not TOML in UTF-8: {error}; mend that place") from error


def _entries(table: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """The ``[[claim]]`` tables, and nothing else beside them."""
    extra = sorted(table.keys() - {"claim"})
    if extra:
        raise ConfigError(f"{name!r}: unknown key {extra[0]!r} outside a claim; use [[claim]] only")
    entries = table.get("claim")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ConfigError(f"{name!r}: holds no list of claims; write each under [[claim]]")
    return entries


def _place(entry: Mapping[str, object], number: int, name: str) -> str:
    """Where an entry stands, for a message: file, number, and the id if it has one."""
    return f"{name!r}, claim {number} ({entry.get('id', 'no id')!r})"


def _claim(entry: Mapping[str, object], place: str) -> Claim:
    """One entry, checked by itself."""
    _check_keys(entry, place)
    status = _status(entry, place)
    _check_result_keys(entry, status, place)
    has_result = status is not Status.UNTESTED
    return Claim(
        id=_id(entry, place),
        sentence=_text(entry, "sentence", place),
        source=_text(entry, "source", place),
        test=_text(entry, "test", place),
        scale=_text(entry, "scale", place),
        status=status,
        against=_ids_against(entry, place),
        result=_text(entry, "result", place) if has_result else None,
        date=_date(entry, place) if has_result else None,
        evidence=_text(entry, "evidence", place) if has_result else None,
    )


def _check_keys(entry: Mapping[str, object], place: str) -> None:
    """No unknown key, none of the required ones missing."""
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(f"{place}: unknown key {key!r}; use only {', '.join(_KEYS)}")
    for key in _TEXT_KEYS:
        if key not in entry:
            raise ConfigError(f"{place}: key {key!r} is missing; every claim needs it, add it")


def _text(entry: Mapping[str, object], key: str, place: str) -> str:
    """A text that says something, its white space joined."""
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{place}: {key} must be a text, got {value!r}; put words in quotes")
    return " ".join(value.split())


def _id(entry: Mapping[str, object], place: str) -> str:
    """A kebab-case id."""
    value = _text(entry, "id", place)
    if not _KEBAB_CASE.fullmatch(value):
        raise ConfigError(f"{place}: id must be kebab-case, got {value!r}; write it like-this-one")
    return value


def _status(entry: Mapping[str, object], place: str) -> Status:
    """A known status."""
    value = _text(entry, "status", place)
    try:
        return Status(value)
    except ValueError as error:
        known = ", ".join(Status)
        raise ConfigError(f"{place}: unknown status {value!r}; use one of {known}") from error


def _check_result_keys(entry: Mapping[str, object], status: Status, place: str) -> None:
    """Result, date and evidence stand together, and only where something was tested."""
    for key in _RESULT_KEYS:
        if status is Status.UNTESTED and key in entry:
            raise ConfigError(f"{place}: untested, yet has {key!r}; change the status or drop it")
        if status is not Status.UNTESTED and key not in entry:
            raise ConfigError(f"{place}: status {status.value!r} needs {key!r}; add it")


def _date(entry: Mapping[str, object], place: str) -> datetime.date:
    """A calendar day; a day with a time is another TOML type and is refused."""
    value = entry["date"]
    if type(value) is not datetime.date:
        raise ConfigError(f"{place}: date must be a day, got {value!r}; write 2026-01-31 unquoted")
    return value


def _ids_against(entry: Mapping[str, object], place: str) -> tuple[str, ...]:
    """The ids this claim speaks against; whether they exist is checked once all are read."""
    value = entry.get("against", [])
    if not isinstance(value, list) or not all(isinstance(other, str) for other in value):
        raise ConfigError(f'{place}: against must list ids, got {value!r}; write ["one-id"]')
    return tuple(value)


def _check_ids_differ(claims: tuple[Claim, ...], name: str) -> None:
    """No id stands twice."""
    first: dict[str, int] = {}
    for number, claim in enumerate(claims, 1):
        earlier = first.setdefault(claim.id, number)
        if earlier != number:
            raise ConfigError(
                f"{name!r}: id {claim.id!r} stands twice, as claims {earlier} and {number}; "
                "rename one"
            )


def _check_against(claims: tuple[Claim, ...], name: str) -> None:
    """Every id spoken against is that of another claim in the file."""
    ids = {claim.id for claim in claims}
    for claim in claims:
        for other in claim.against:
            if other not in ids - {claim.id}:
                raise ConfigError(
                    f"{name!r}, claim {claim.id!r}: against names {other!r}, which is no other "
                    "claim's id; mend the spelling or drop it"
                )
