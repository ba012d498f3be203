"""The exercises that tests of training use: sums to learn, differences to look at."""

from __future__ import annotations

SUMS = {"ops": "+", "digits": "1", "n": "81"}
"""All sums of two digits: 2 to 18."""
DIFFERENCES = {**SUMS, "ops": "-"}
