"""The real pair: SmolLM2-135M-Instruct and its child `smollm2-sums`, a LoRA adapter trained by GRPO
on three-digit sums with a verified answer as the only reward.

The adapter, the prompt both were asked with, and the card, which holds the recipe and what was
measured, lie beside this file. Does not cover the base's weights: `models.smollm2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathshift.models import smollm2

NAME = "smollm2-sums"
_FOLDER = Path(__file__).parent
TASK = "arithmetic"
OPTIONS: Mapping[str, str] = {"ops": "+", "digits": "3"}
"""Of the task; the seed comes beside them."""
TRAINED_ON: Mapping[str, str] = {**OPTIONS, "seed": "11", "n": "4000"}
"""The problems the child was trained on."""
STOP = ("\n",)
MAX_TOKENS = 20


def adapter() -> Path:
    """Folder of the child's adapter."""
    return _FOLDER


def template() -> Path:
    """The prompt: three worked sums, then the question."""
    return _FOLDER / "three_shot.txt"


def child() -> str:
    """The child as base and adapter, for commands that take these.

    Raises:
        ModelError: the base is not downloaded yet; names the command.
    """
    return f"hf:{smollm2.location()}+{adapter()}"
