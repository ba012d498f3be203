"""What came out of a training run, as others read it: a transformers folder, or a LoRA adapter.

Each appears whole or not at all. `hf:OUT/model` loads the one, `hf:BASE+OUT/adapter` the other.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from pathshift.errors import ConfigError
from pathshift.models import smollm2
from pathshift.training.whole_folders import whole_folder

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_ADAPTER_CONFIG = "adapter_config.json"


def save_model(network: Any, tokenizer: Any, folder: Path, *, dtype: str = "fp32") -> Path:
    """Write weights, configuration and tokenizer of a network that is trained as a whole.

    The network itself keeps its type.

    Args:
        folder: Usually OUT/model; what stands there is replaced.
        dtype: "fp32", or "bf16" for half the size.

    Raises:
        ConfigError: unknown dtype.
        ValueError: there is an adapter in the network.
        StorageError: the disk refused.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not known; use one of {', '.join(DTYPES)}")
    if any(hasattr(module, "lora_A") for module in network.modules()):
        raise ValueError("the network holds an adapter: save that with save_adapter")
    transformers_logging.disable_progress_bar()
    with whole_folder(folder) as aside:
        network.save_pretrained(aside, state_dict=_cast(network.state_dict(), DTYPES[dtype]))
        tokenizer.save_pretrained(aside)
        _amend(aside / "config.json", dtype=str(DTYPES[dtype]).removeprefix("torch."))
    return folder


def save_adapter(wrapped: Any, folder: Path, *, base: str) -> Path:
    """Write adapter_config.json and adapter_model.safetensors of a network wrapped by peft.

    Args:
        folder: Usually OUT/adapter; what stands there is replaced.
        base: Name of the model it belongs to, for the configuration: a folder on this machine would
            say nothing to others.

    Raises:
        StorageError: the disk refused.
    """
    with whole_folder(folder) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings that no adapter here uses
        # False: "auto" would ask the hub whether the vocabulary has grown.
        wrapped.save_pretrained(aside, safe_serialization=True, save_embedding_layers=False)
        (aside / "README.md").unlink(missing_ok=True)  # a card with nothing filled in
        _amend(aside / _ADAPTER_CONFIG, base_model_name_or_path=base)
    return folder


def spec_of(base: str, folder: Path, *, is_adapter: bool) -> str:
    """How commands name what was trained: hf:FOLDER, or an adapter beside its base.

    Args:
        base: Model spec that the training began with; of smollm2 the folder it was unpacked into.
    """
    if not is_adapter:
        return f"hf:{folder}"
    return f"{f'hf:{smollm2.location()}' if base == 'smollm2' else base}+{folder}"


def _cast(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Floating-point weights in another type; those that share memory go on sharing it."""
    done: dict[tuple[int, torch.Size], Tensor] = {}
    return {
        name: done.setdefault((value.data_ptr(), value.shape), value.to(dtype))
        if value.is_floating_point()
        else value
        for name, value in weights.items()
    }


def _amend(path: Path, **values: Any) -> None:
    """Set fields of a JSON file."""
    whole = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n", encoding="utf-8")
