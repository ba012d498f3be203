from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.verify.extract import trim_string
from pathshift.verify.notation import simplify
from pathshift.verify.number import read_number

LATEX = st.lists(
    st.sampled_from(
        [
            *("\\", "{", "}", "$", "\\$", "**", "`", "\\frac", "\\dfrac", "1", "2", "12", " ", "~"),
            *(".", ",", "{,}", "\\!", "\\,", "\\ ", "\\left", "\\right", "(", ")", "\\(", "\\)"),
            *("\\[", "\\]", "\u2212", "\\%", "\\text{a}", "\\displaystyle", "x", "\n", '"', "'"),
        ]
    ),
    max_size=30,
).map("".join)


@given(LATEX | st.text(max_size=40))
def test_simplifying_twice_changes_nothing_more(text: str) -> None:
    assert simplify(simplify(text)) == simplify(text)


@given(LATEX | st.text(max_size=40))
def test_trimming_twice_changes_nothing_more(text: str) -> None:
    assert trim_string(trim_string(text)) == trim_string(text)


@given(st.fractions())
def test_any_fraction_is_read_back_from_each_spelling(value: Fraction) -> None:
    sign, top, bottom = "-" * (value < 0), abs(value.numerator), value.denominator
    for text in (
        str(value),
        f"{sign}\\frac{{{top}}}{{{bottom}}}",
        f"$\\dfrac{{{sign}{top}}}{{{bottom}}}$.",
        f"x = {sign}{top}/{bottom}",
    ):
        assert read_number(text) == value


@given(st.integers())
def test_any_whole_number_is_read_back_from_each_spelling(value: int) -> None:
    for text in (
        str(value),
        f"{value:,}",
        f"{value}.00",
        f"${value}$",
        f"{value} dollars.",
        f"{value}%",
    ):
        assert read_number(text) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_any_decimal_is_read_exactly(value: object) -> None:
    assert read_number(f"{value:f}") == Fraction(f"{value:f}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 1/2", Fraction(3, 2)),
        (r"1\frac12", Fraction(3, 2)),
        (r"-1\frac{1}{2}", Fraction(-3, 2)),
        (r"\$18", Fraction(18)),
        ("-$5", Fraction(-5)),
        ("\u22125", Fraction(-5)),
        (r"10{,}000", Fraction(10_000)),
        (r"10\,000", Fraction(10_000)),
        (r"30^\circ", Fraction(30)),
        (r"18\text{ dollars}", Fraction(18)),
        ("**5**", Fraction(5)),
        (r"\(5\)", Fraction(5)),
        ("{5}", Fraction(5)),
        ("5 km", Fraction(5)),
        ("60 miles per hour", Fraction(60)),
        ("12 cm^2", Fraction(12)),
        ("3 + 4 = 7", Fraction(7)),
        (".5", Fraction(1, 2)),
        (r"\frac{2.5}{5}", Fraction(1, 2)),
    ],
)
def test_spellings_of_a_number(text: str, value: Fraction) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "5 million", "5 thousand", "5x", "5xy", "5 xy", "5^2", "5²", "5!", "5 or 6", "5, 6"),
        *("1,2345", "1,23", "1/0", r"\frac{1}{0}", "1e5", "5 sin x", r"5\pi", "5 pi", "2:30"),
        *(
            "١٢",
            "１２",
            "1_000",
            "0x10",
            "--5",
            "3 + 4",
            "5-10",
            "half",
            "5 and a half",
            "9" * 5000,
        ),
    ],
)
def test_what_is_not_one_number(text: str) -> None:
    assert read_number(text) is None
