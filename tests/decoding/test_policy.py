"""A policy refuses values outside its rules, and names them."""

from __future__ import annotations

from typing import Any

import pytest

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"temperature": -1}, "temperature.*-1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top-p"),
        ({"top_p": 1.1}, "top-p"),
        ({"top_k": -1}, "top-k"),
        ({"min_p": 1.0}, "min-p"),
        ({"max_tokens": 0}, "max-tokens"),
        ({"stop": ("",)}, "stop text"),
    ],
)
def test_bad_values_are_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Policy(**fields)
