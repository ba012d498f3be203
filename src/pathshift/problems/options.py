"""From `-T key=value` strings to a family's frozen options.

The type of each option is its annotation: int, float, bool, str, or a tuple or list of one of them
written with commas (`numbers=3,4`). What a value may be is the dataclass's own business.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pathshift.errors import ConfigError

OptionsT = TypeVar("OptionsT")

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_options(cls: type[OptionsT], pairs: Mapping[str, str]) -> OptionsT:
    """Options of class `cls` from texts.

    A field named `settings` of type tuple[tuple[str, str], ...] takes the pairs that no other
    field claims (the family checks them); without one they are refused.

    Raises:
        ConfigError: An unknown key, a text that is not of the option's type, or a value that the
            options themselves refuse.
    """
    kinds = get_type_hints(cls)
    rest = kinds.pop("settings", None)
    unknown = {key: text for key, text in pairs.items() if key not in kinds}
    if unknown and rest is None:
        raise ConfigError(
            f"unknown task option {min(unknown)!r}; this task knows: {', '.join(sorted(kinds))}"
        )
    values = {key: convert(key, pairs[key], kinds[key]) for key in pairs if key in kinds}
    if unknown:
        values["settings"] = tuple(sorted(unknown.items()))
    return cls(**values)


def convert(key: str, text: str, kind: Any) -> Any:
    """The value of one option from its text; ConfigError names the key, the text and the type."""
    if get_origin(kind) in (tuple, list):
        return get_origin(kind)(convert(key, part, get_args(kind)[0]) for part in text.split(","))
    if get_origin(kind) in (Union, UnionType) and type(None) in get_args(kind):
        inner = next(part for part in get_args(kind) if part is not type(None))
        return None if text.strip().lower() == "none" else convert(key, text, inner)
    if kind not in _CONVERTERS:
        raise ConfigError(f"option {key} cannot be given as text; leave it at its default")
    read, described = _CONVERTERS[kind]
    try:
        return read(text.strip())
    except (ValueError, KeyError):
        raise ConfigError(f"{key} must be {described}, got {text!r}") from None


def check_at_least(options: object, **lows: int) -> None:
    """Raise ConfigError for the first field of `options` that is below its lowest value."""
    for name, low in lows.items():
        value = getattr(options, name)
        if value < low:
            raise ConfigError(f"{name} must be at least {low}, got {value}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    # int() also takes "1_000" and other alphabets' digits; a flag that means 7 should read 7.
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return int(text)


_CONVERTERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (_whole, "a whole number"),
    float: (_finite, "a finite number"),
    bool: (lambda text: _WORDS[text.lower()], "true or false"),
    str: (str, "text"),
}
