"""How a comparison is computed: every setting with its rule, and the versions behind it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypedDict

from pathshift.errors import ConfigError

BANDS = ("bayes", "strict", "sup-t")
QUESTIONS = {
    "like": "problems like these: choice of problems and sampling noise",
    "these": "these problems: sampling noise alone",
}
DEFAULT_REPLICATES = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a comparison is computed; written into its result.

    Attributes:
        k: The k to report; None for every k up to the smallest number of samples.
        level: Chance that a band holds at all k together.
        band: "bayes" (Bayesian bootstrap with end atoms), "strict" (Gaffke's bound at either edge)
            or "sup-t" (Gaussian multipliers).
        beyond: Predict pass@k up to this k, above the samples; None predicts nothing.
        question: "like": problems like these; "these": these problems, asked again.
        replicates: Bootstrap draws.
        seed: Seed of the draws: same seed, same result.
        floor: Null policy's success probability for every problem, where the data state none.
        false_positive: Chance that the verifier takes a wrong answer for right; None asks nothing.
    """

    k: tuple[int, ...] | None = None
    level: float = 0.95
    band: str = "bayes"
    replicates: int = DEFAULT_REPLICATES
    seed: int = 0
    floor: float | None = None
    question: str = "like"
    beyond: int | None = None
    false_positive: float | None = None

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 0.5 <= self.level < 1:
            raise ConfigError(f"level must be from .5 to below 1, got {self.level}; .95 is usual")
        if self.band not in BANDS:
            raise ConfigError(f"band {self.band!r} is not known; use one of {', '.join(BANDS)}")
        if self.question not in QUESTIONS:
            raise ConfigError(f"question must be like or these, got {self.question!r}")
        if not 200 <= self.replicates <= 1_000_000:
            raise ConfigError(f"replicates must be 200 to 1000000, got {self.replicates}")
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise ConfigError(f"floor must be a share from 0 to 1, got {self.floor}")
        if self.k is not None and (not self.k or min(self.k) < 1):
            raise ConfigError(f"k must be whole numbers from 1 up, got {self.k}")
        check_false_positive(self.false_positive)


class Options(TypedDict, total=False):
    """The fields of `Settings`, as keyword arguments."""

    k: tuple[int, ...] | None
    level: float
    band: str
    replicates: int
    seed: int
    floor: float | None
    question: str
    beyond: int | None
    false_positive: float | None


def check_false_positive(rate: float | None) -> None:
    """Raise ConfigError unless a rate is from 0 to below 1, or None."""
    if rate is not None and not 0 <= rate < 1:
        raise ConfigError(f"a false-positive rate is from 0 to below 1, got {rate}")


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions of packages, and Python's own."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
