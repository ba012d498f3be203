"""Plain values as JSON and back: all that passes between a program and the tests it is put to.

Plain are None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset and range,
made of such. What is read back is of exactly these types, so no method of the program's own (a
comparison that says yes to everything) comes along: a value of a subclass arrives as its plain
base. An iterator is read to its end and arrives as one. Any other object stays where it is and a
`Handle` is passed in its place, which can be handed back and equals nothing.

Nothing is evaluated or unpickled; size, depth and digits have limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

MAX_DEPTH = 100
MAX_NODES = 500_000
_SAFE_INTEGER = 2**53
_MAX_BITS = 4_000_000


class NotPlain(Exception):
    """A value that cannot be passed on, or a text that is none; the message says why."""


class Handle:
    """Stands for an object that stayed in the other process. Equals nothing, itself included."""

    __slots__ = ("number",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return False


def dumps(value: object, keep: Callable[[object], int] | None = None) -> str:
    """The JSON text of a value.

    Args:
        value: Any value.
        keep: Takes an object that is not plain and returns its number; None refuses those.

    Raises:
        NotPlain: It is too large or too deep, or not plain and nothing keeps it.
    """
    return json.dumps(_Writer(keep).plain(value, 0), separators=(",", ":"))


def loads(text: str | bytes, kept: Callable[[int], object] | None = None) -> Any:
    """The value of a JSON text that `dumps` wrote, or that somebody pretends it wrote.

    Args:
        text: The text.
        kept: Returns the object of a number; None makes a `Handle`.

    Raises:
        NotPlain: It is no such text.
    """
    try:
        return _Reader(kept).value(json.loads(text), 0)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, MemoryError) as error:
        raise NotPlain(f"not a plain value ({type(error).__name__})") from None


class _Writer:
    def __init__(self, keep: Callable[[object], int] | None) -> None:
        self._keep = keep
        self._n_nodes = 0

    def plain(self, value: object, depth: int) -> object:
        self._n_nodes += 1
        if depth > MAX_DEPTH or self._n_nodes > MAX_NODES:
            raise NotPlain("a value of too many parts or too deep")
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int | float | complex | str | bytes | bytearray | range):
            return _scalar(value)
        if isinstance(value, list | tuple | set | frozenset):
            return self._row(value, depth)
        if isinstance(value, dict):
            pairs = [
                [self.plain(key, depth + 1), self.plain(item, depth + 1)]
                for key, item in dict.items(value)
            ]
            return {"dict": pairs}
        if isinstance(value, Iterator):
            return {"iterator": [self.plain(item, depth + 1) for item in value]}
        if self._keep is None:
            raise NotPlain(f"a value of type {type(value).__name__}")
        return {"handle": self._keep(value)}

    def _row(self, value: Any, depth: int) -> object:
        kind = next(k for k in (list, tuple, set, frozenset) if isinstance(value, k))
        items = [self.plain(item, depth + 1) for item in kind.__iter__(value)]
        return items if kind is list else {kind.__name__: items}


def _scalar(value: Any) -> object:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | int):
        number = int.__int__(value)
        if number.bit_length() > _MAX_BITS:
            raise NotPlain("a number of too many digits")
        return number if -_SAFE_INTEGER < number < _SAFE_INTEGER else {"int": hex(number)}
    if isinstance(value, float):
        return {"float": float.__float__(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, range):
        return {"range": [hex(part) for part in (value.start, value.stop, value.step)]}
    kind = "bytes" if isinstance(value, bytes) else "bytearray"
    return {kind: bytes(value).decode("latin-1")}


class _Reader:
    def __init__(self, kept: Callable[[int], object] | None) -> None:
        self._kept = kept
        self._n_nodes = 0

    def value(self, node: Any, depth: int) -> Any:
        self._n_nodes += 1
        if depth > MAX_DEPTH or self._n_nodes > MAX_NODES:
            raise ValueError("too many parts or too deep")
        if isinstance(node, list):
            return [self.value(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise ValueError("an object of several fields")
        ((kind, content),) = node.items()
        return self._tagged(kind, content, depth)

    def _tagged(self, kind: str, content: Any, depth: int) -> Any:
        if kind in _SCALARS:
            return _SCALARS[kind](content)
        if kind == "handle":
            number = int(content)
            return Handle(number) if self._kept is None else self._kept(number)
        if not isinstance(content, list):
            raise ValueError("parts must be a list")
        if kind == "dict":
            return {
                self.value(key, depth + 1): self.value(item, depth + 1) for key, item in content
            }
        return _ROWS[kind](self.value(item, depth + 1) for item in content)


def _integer(text: str) -> int:
    if len(text) > _MAX_BITS // 4 + 3:
        raise ValueError("too many digits")
    return int(text, 16)


def _range(parts: list[str]) -> range:
    start, stop, step = map(_integer, parts)
    return range(start, stop, step)


_ROWS: dict[str, Callable[..., Any]] = {
    "tuple": tuple, "set": set, "frozenset": frozenset,
    "iterator": lambda items: iter(list(items)),
}  # fmt: skip
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": _integer,
    "float": float.fromhex,
    "complex": lambda parts: complex(*map(float.fromhex, parts)),
    "range": _range,
    "bytes": lambda text: text.encode("latin-1"),
    "bytearray": lambda text: bytearray(text.encode("latin-1")),
}
