"""From a model spec, the string a model is named with everywhere, to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pathshift.errors import ConfigError, MissingExtra, ModelError, UnknownName
from pathshift.models import smollm2
from pathshift.models.fake import SUCCESS, FakeModel
from pathshift.models.fake_chain import HABITS
from pathshift.models.fake_paths import FakePaths
from pathshift.models.protocol import Model

SPECS: Mapping[str, str] = {
    "smollm2": "SmolLM2-135M-Instruct, Apache-2.0; `pathshift models get smollm2` downloads it",
    "hf:PATH_OR_ID[@REVISION]": "a transformers model: a folder with safetensors, or a hub id",
    **{f"fake:{name}": "exactly known success probabilities, for tests" for name in SUCCESS},
    **{f"fake:{name}": "chains of tokens, every path known, for tests" for name in HABITS},
}
"""What `pathshift models` lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a local model is loaded; a fake reads `delay` only.

    Attributes:
        dtype: "fp32", "bf16" or "fp16".
        device: A torch device: "cpu", "cuda", "cuda:1", "mps".
        threads: CPU threads; None leaves the choice to torch.
        rows: Samples drawn in one pass, a multiple of 16.
        delay: Seconds a fake waits for each completion.
    """

    dtype: str = "fp32"
    device: str = "cpu"
    threads: int | None = None
    rows: int = 32
    delay: float = 0.0


def load_model(spec: str, options: LoadOptions | None = None) -> Model:
    """The model a spec names.

    Raises:
        UnknownName: no such kind of spec.
        ModelError: the model is not there or cannot be loaded.
        MissingExtra: its backend is not installed.
    """
    options = options or LoadOptions()
    kind, _, rest = spec.partition(":")
    if kind == "fake" and rest in HABITS:
        return FakePaths(name=rest, delay=options.delay)
    if kind == "fake":
        return FakeModel(name=rest, delay=options.delay)
    if spec == "smollm2":
        return _load_hf(spec, str(smollm2.location()), None, options)
    if kind == "hf" and rest:
        location, revision = _split_revision(rest)
        return _load_hf(spec, location, revision, options)
    raise UnknownName(f"model {spec!r} is not known; use one of {', '.join(SPECS)}")


def _split_revision(rest: str) -> tuple[str, str | None]:
    if "+" in rest:
        raise ModelError(
            f"hf:{rest} names an adapter, which is not read yet; merge it into its model "
            "(peft's merge_and_unload) and give that folder"
        )
    location, _, revision = rest.partition("@")
    return location, revision or None


def _load_hf(spec: str, location: str, revision: str | None, options: LoadOptions) -> Model:
    try:
        import torch

        from pathshift.models.hf.model import load_hf
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "hf") from error
    if options.threads is not None:
        if options.threads < 1:
            raise ConfigError(f"threads must be at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    return load_hf(
        spec,
        location,
        revision=revision,
        dtype=options.dtype,
        device=options.device,
        n_rows=options.rows,
    )
