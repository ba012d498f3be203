"""Task options from text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pathshift.errors import ConfigError
from pathshift.problems.options import parse_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    n: int = 1
    rate: float = 0.5
    loud: bool = False
    name: str = ""
    sizes: tuple[int, ...] = (4,)
    signs: tuple[str, ...] = ("+",)
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    n: int = 1
    settings: tuple[tuple[str, str], ...] = ()


def test_each_text_takes_the_type_of_its_field() -> None:
    pairs = {"n": "-7", "rate": "1e-3", "loud": "Yes", "name": "a b", "sizes": "3, 4", "seed": "2"}
    expected = Plain(n=-7, rate=0.001, loud=True, name="a b", sizes=(3, 4), seed=2)
    assert parse_options(Plain, pairs) == expected
    assert parse_options(Plain, {"signs": "+,-", "seed": "none"}) == Plain(signs=("+", "-"))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("n", "1.5"),
        ("n", "1_0"),
        ("n", "٣"),
        ("n", ""),
        ("n", "9" * 5000),
        ("rate", "nan"),
        ("rate", "inf"),
        ("loud", "maybe"),
        ("sizes", "3,,4"),
        ("sizes", "3;4"),
    ],
)
def test_a_text_of_another_type_is_refused_by_name(key: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key} must be"):
        parse_options(Plain, {key: text})


def test_an_unknown_option_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'N'.*loud, n, name, rate, seed, signs, sizes"):
        parse_options(Plain, {"N": "3"})


def test_settings_take_what_no_field_claims() -> None:
    assert parse_options(Open, {"n": "2", "b": "x", "a": "1"}) == Open(
        n=2, settings=(("a", "1"), ("b", "x"))
    )


def test_a_type_that_has_no_text_form_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        when: bytes = b""

    with pytest.raises(ConfigError, match="cannot be given as text"):
        parse_options(Odd, {"when": "x"})
