"""The fields of a row, under the names that data sets use for them.

A question may be called question, problem or prompt; an answer answer, gold or target. Whole
numbers come as 27, 27.0, "027" or "27.0" and mean the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pathshift.errors import InputError
from pathshift.store.rowfiles import Row, parse_json

_QUESTION = ("question", "problem", "prompt")
_ANSWER = ("answer", "gold", "target")
_WHOLE = re.compile(r"(-?)0*([0-9]{1,300})(?:\.0+)?")


def question_of(row: Row) -> str:
    """The question's text; InputError if the row has none."""
    text = _first(row, _QUESTION)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{row.where}: the question must be text that is not empty")
    return _storable(text, row)


def answer_of(row: Row) -> str:
    """The answer as text, a float without its .0; InputError if the row has none."""
    value = _first(row, _ANSWER)
    if isinstance(value, str) and value.strip():
        return _storable(value.strip(), row)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return str(int(value)) if value == int(value) else repr(value)
    raise InputError(f"{row.where}: the answer must be text or a number, got {value!r:.60}")


def whole_number(text: str) -> str:
    """The plain form of a whole number, any other text as it is.

    >>> whole_number("027"), whole_number("-3.0"), whole_number("0"), whole_number("7/2")
    ('27', '-3', '0', '7/2')
    """
    found = _WHOLE.fullmatch(text.strip())
    return str(int(found[1] + found[2])) if found else text


def text_of(row: Row, name: str) -> str | None:
    """An optional field as text; numbers are written out, absent or empty is None."""
    value = present(row, name)
    if value is None:
        return None
    if isinstance(value, str):
        return _storable(value, row)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return whole_number(str(value))
    raise InputError(f"{row.where}: {name} must be text or a number, got {value!r:.60}")


def share_of(row: Row, name: str) -> float | None:
    """An optional number from 0 to 1."""
    value = present(row, name)
    if value is None:
        return None
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise InputError(f"{row.where}: {name} must be a number from 0 to 1, got {value!r:.60}")
    return share


def data_of(row: Row) -> dict[str, Any]:
    """The optional field `data`: an object, or its JSON text where a format knows no objects."""
    value = present(row, "data")
    if isinstance(value, str):
        value = parse_json(value, f"{row.where}, data")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{row.where}: data must be an object, got {value!r:.60}")
    try:
        return dict(json.loads(json.dumps(value, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{row.where}: data must hold JSON values only ({error})") from None


def present(row: Row, name: str) -> Any:
    """A field's value; None where it is absent, null, empty text or a table's NaN."""
    value = row.values.get(name)
    is_nan = isinstance(value, float) and math.isnan(value)
    return None if is_nan or value == "" else value


def _storable(text: str, row: Row) -> str:
    """The text itself; JSON can spell halves of characters that no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{row.where}: holds half of a surrogate pair, {text!r:.60}") from None
    return text


def _first(row: Row, names: tuple[str, ...]) -> Any:
    for name in names:
        if present(row, name) is not None:
            return row.values[name]
    raise InputError(f"{row.where}: needs one of the fields {', '.join(names)}")
