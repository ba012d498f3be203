"""Parts that several pages are made of: a chart with its texts, and the words of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORD_LABELS = {
    "gain": "gain",
    "loss": "loss",
    "gain_then_loss": "gain, then loss",
    "loss_then_gain": "loss, then gain",
    "undecided": "undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with its texts; without a specification `instead` says why there is none."""

    id: str
    title: str
    caption: str
    label: str
    spec: Mapping[str, Any] | None
    instead: str = ""
