"""A LoRA adapter merged into its base model: by peft, from safetensors, with every tensor used.

Read are adapter_config.json and adapter_model.safetensors, never a pickle. peft only warns of
tensors that find no place, and samples would then come from the base alone; here that is an error.
The product is formed in fp32, before the model is cast to the type it runs in.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file

from pathshift.errors import ConfigError, MissingExtra, ModelError
from pathshift.models.hf.model import DTYPES, HfModel, load_parts, weights_hash_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_CONFIG_BYTES = 2**20
_REFUSED = ("megatron_config", "megatron_core", "auto_mapping", "alora_invocation_tokens")
"""Settings of a configuration that name code to import, or make a merge another model."""


def load_adapted(
    spec: str,
    base: tuple[str, str | None],
    adapter: tuple[str, str | None],
    *,
    dtype: str,
    device: str,
    n_rows: int,
) -> HfModel:
    """Base and adapter as one model, whose weights hash covers both.

    Args:
        base: Folder or hub id, and revision.
        adapter: The same of the adapter.
        dtype, device, n_rows: As in `load_hf`.

    Raises:
        ModelError: one of the two is not there, or they do not belong together.
        MissingExtra: peft is not installed.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not known; use one of {', '.join(DTYPES)}")
    if n_rows < 16 or n_rows % 16:
        raise ConfigError(f"rows must be a multiple of 16, got {n_rows}; 32 is usual on a CPU")
    network, tokenizer = load_parts(spec, base[0], revision=base[1], dtype="fp32", device="cpu")
    base_hash = weights_hash_of(network, base[0])
    network, adapter_hash = merged(network, spec, *adapter)
    _cast(network, DTYPES[dtype])
    both = hashlib.sha256(f"{base_hash}+{adapter_hash}".encode()).hexdigest()
    return HfModel(
        spec, network.to(torch.device(device)).eval(), tokenizer, weights_hash=both, n_rows=n_rows
    )


def _cast(network: Any, dtype: torch.dtype) -> None:
    """Weights only: the frequencies of rotary positions stay in fp32, as a loader leaves them."""
    for weight in network.parameters():
        weight.data = weight.data.to(dtype)


def merged(network: Any, spec: str, location: str, revision: str | None) -> tuple[Any, str]:
    """The base with the adapter in its weights, and a hash of the adapter.

    Args:
        network: The base, in fp32.
        location: Folder or hub id of the adapter.

    Raises:
        ModelError: no such adapter, not LoRA, pickled, or made for another model.
        MissingExtra: peft is not installed.
    """
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "peft", "hf") from error
    folder = _folder(spec, location, revision)
    settings = _settings(spec, folder)
    try:
        tensors = load_file(folder / WEIGHTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is checked below
            wrapped = peft.get_peft_model(network, peft.LoraConfig(**settings))
            result = peft.set_peft_model_state_dict(wrapped, tensors)
            _check_all_used(spec, wrapped, result, len(tensors))
            whole = wrapped.merge_and_unload(safe_merge=True)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OSError) as error:
        raise ModelError(
            f"model {spec}: the adapter {location} does not fit: "
            f"{' '.join(str(error).split())[:200]}; was it made for this base?"
        ) from error
    return whole, _hash_of(folder)


def _folder(spec: str, location: str, revision: str | None) -> Path:
    folder = Path(location)
    if not folder.is_dir():
        try:
            found = snapshot_download(location, revision=revision, allow_patterns=[CONFIG, WEIGHTS])
        except Exception as error:
            # Broad on purpose: the hub's library lets through errors of whichever client it uses.
            raise ModelError(
                f"model {spec}: the adapter {location} is no folder, and the hub did not give it "
                f"({' '.join(str(error).split())[:160]})"
            ) from error
        folder = Path(found)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(
                f"model {spec}: the adapter {location} holds no {name}; peft's "
                "save_pretrained(safe_serialization=True) writes it (pickled ones are not read)"
            )
    return folder


def _settings(spec: str, folder: Path) -> dict[str, Any]:
    """The adapter's configuration, as far as it changes the merged weights."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > _CONFIG_BYTES:
            raise ValueError(f"larger than {_CONFIG_BYTES:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
        kind = found.pop("peft_type")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ModelError(f"model {spec}: {path} is no adapter configuration: {error}") from error
    bad = [name for name in _REFUSED if found.get(name) and name != "megatron_core"]
    if kind != "LORA" or bad:
        what = f"of type {kind!s:.40}" if kind != "LORA" else f"with {', '.join(bad)}"
        raise ModelError(
            f"model {spec}: an adapter {what} is not merged here, LoRA is; merge it into its "
            "model (peft's merge_and_unload) and give that folder"
        )
    known = _known_settings()
    return {name: value for name, value in found.items() if name in known}


def _known_settings() -> set[str]:
    """LoRA's settings, those left out that a loader of foreign files needs not follow."""
    from dataclasses import fields

    import peft

    own = {field.name for field in fields(peft.LoraConfig) if field.init}
    return own - {*_REFUSED, "base_model_name_or_path", "revision", "init_lora_weights",
                  "loftq_config", "corda_config", "eva_config", "lora_ga_config", "inference_mode",
                  "runtime_config", "peft_version"}  # fmt: skip


def _check_all_used(spec: str, wrapped: Any, result: Any, n_tensors: int) -> None:
    missing = [name for name in result.missing_keys if "lora_" in name]
    unused = list(result.unexpected_keys)
    if missing or unused or not n_tensors:
        example = (unused or missing or ["none at all"])[0]
        raise ModelError(
            f"model {spec}: {len(unused)} tensors of the adapter find no place in the base and "
            f"{len(missing)} places stay empty (such as {example[:100]}); was it made for this "
            "base?"
        )


def _hash_of(folder: Path) -> str:
    found = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        with (folder / name).open("rb") as file:
            found.update(name.encode())
            while piece := file.read(2**24):
                found.update(piece)
    return found.hexdigest()
