"""A GGUF file turned into a folder that any transformers model loads from."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import accelerate  # noqa: F401  transformers reads GGUF through it; a missing one is told early
import gguf as _gguf  # noqa: F401
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging as transformers_logging


def convert(gguf: Path, ready: Path) -> None:
    """Write config, tokenizer and fp32 safetensors into `ready`.

    A model loaded from GGUF is not serialisable itself: its state is copied into a plain model of
    the same config, whose output layer is tied to its embedding again.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with redirect_stderr(StringIO()):  # its progress bar ignores every switch
        _write(gguf, ready)


def _write(gguf: Path, ready: Path) -> None:
    where = str(gguf.parent)
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=gguf.name)
    loaded = AutoModelForCausalLM.from_pretrained(
        where,
        gguf_file=gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    plain = AutoModelForCausalLM.from_config(loaded.config)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    tokenizer.save_pretrained(ready)
    plain.save_pretrained(ready)
