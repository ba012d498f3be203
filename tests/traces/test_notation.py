"""Spellings of arithmetic and the plain one."""

from __future__ import annotations

import pytest

from pathshift.traces.notation import plain_arithmetic


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("3 × 4 ÷ 2 − 1", "3 * 4 / 2 - 1"),
        (r"3 \times 4 \div 2 \cdot 5", "3 * 4 / 2 * 5"),
        (r"\frac{1}{2}", "(1)/(2)"),
        (r"\dfrac34", "3/4"),
        (r"\timestamp", r"\timestamp"),
        ("$1,234,567.50", "1234567.50"),
        ("1,23", "1,23"),
        (r"50\%", "50"),
        ("48/2 = <<48/2=24>>24", "48/2 = 24"),
        ("**Total:** 3", "Total: 3"),
        ("2**3", "2**3"),
        ("2 x 3", "2*3"),
        ("2 xylophones", "2 xylophones"),
        (r"\boxed{7}", " (7)"),
    ],
)
def test_each_spelling_comes_to_the_plain_one(written: str, plain: str) -> None:
    assert plain_arithmetic(written) == plain
