"""Plain values through JSON and back; what is not plain, or pretends to be, stays out."""

from __future__ import annotations

import enum
import math
from collections import Counter, OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathshift.verify.sandbox_values import Handle, NotPlain, dumps, loads

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False)
)  # fmt: skip
hashable = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=8
)
values = st.recursive(
    hashable,
    lambda inner: st.lists(inner) | st.dictionaries(hashable, inner) | st.sets(hashable),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """The value with the type of each of its parts, for 1 == True == 1.0."""
    if isinstance(value, dict):
        return dict, [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(typed(item)) for item in value)
    return type(value), hex(value) if type(value) is int else repr(value)


@settings(max_examples=50)
@given(values)
def test_a_value_comes_back_with_its_types(value: object) -> None:
    assert typed(loads(dumps(value))) == typed(value)


def test_numbers_beyond_json_come_back() -> None:
    for value in (math.inf, -math.inf, -0.0, 2**53, -(2**64), 10**5_000, range(5, -3, -2)):
        assert typed(loads(dumps(value))) == typed(value)
    assert math.isnan(loads(dumps(math.nan)))
    assert loads(dumps("\ud800\x00\x1b")) == "\ud800\x00\x1b"


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__

    def __int__(self) -> int:
        return 42


class Colour(enum.IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Liar(7), 7),
        (Colour.RED, 3),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_a_value_of_a_subclass_arrives_as_its_base(value: object, plain: object) -> None:
    assert typed(loads(dumps(value))) == typed(plain)


def test_an_object_stays_and_its_handle_equals_nothing() -> None:
    kept: list[object] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    thing = object()
    text = dumps([thing], keep)
    (handle,) = loads(text)
    assert isinstance(handle, Handle)
    assert handle != handle
    assert handle != 0
    assert loads(text, kept.__getitem__) == [thing]
    with pytest.raises(NotPlain, match="type object"):
        dumps(thing)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [nested(200), [0] * 600_000, 1 << 5_000_000], ids=["deep", "long", "many digits"]
)
def test_what_is_too_large_or_deep_is_not_written(value: object) -> None:
    with pytest.raises(NotPlain):
        dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[" * 200 + "]" * 200,
        "1" * 100_000,
        '{"set": [[]]}',
        '{"set": 3}',
        '{"dict": [[1]]}',
        '{"dict": [[[], 1]]}',
        '{"tuple": null}',
        '{"int": "zz"}',
        '{"int": 3}',
        '{"float": "x"}',
        '{"range": ["0x1", "0x2", "0x0"]}',
        '{"bytes": "\u20ac"}',
        '{"os": "system"}',
        '{"tuple": [], "set": []}',
        '{"handle": "x"}',
        '{"complex": [1]}',
        "[" + "0," * 600_000 + "0]",
    ],
    ids=lambda text: text[:12],
)
def test_a_text_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(NotPlain):
        loads(text)
