"""From a model spec, the string a model is named with everywhere, to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pathshift.errors import ConfigError, MissingExtra, ModelError, UnknownName
from pathshift.models import pair, smollm2
from pathshift.models.fake import SUCCESS, FakeModel
from pathshift.models.fake_chain import HABITS
from pathshift.models.fake_paths import FakePaths
from pathshift.models.protocol import Model
from pathshift.models.zoo import zoo_location

SPECS: Mapping[str, str] = {
    "zoo:NAME": "a tiny model of this package's own, shipped with it",
    "smollm2": "SmolLM2-135M-Instruct, Apache-2.0; `pathshift models get smollm2` downloads it",
    pair.NAME: "its child by GRPO on three-digit sums: the adapter comes with this package",
    "hf:PATH_OR_ID[@REVISION][+ADAPTER]": "a transformers model: a folder with safetensors, or a "
    "hub id; a LoRA adapter is merged into it",
    "openai:BASE_URL#MODEL": "a model at vLLM, SGLang, llama-server or any compatible server",
    "vllm:PATH_OR_ID": "in this process, by vLLM, for GPU machines",
    **{f"fake:{name}": "exactly known success probabilities, for tests" for name in SUCCESS},
    **{f"fake:{name}": "chains of tokens, every path known, for tests" for name in HABITS},
}
"""What `pathshift models` lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded; each kind reads what concerns it.

    Attributes:
        dtype: "fp32", "bf16" or "fp16".
        device: A torch device: "cpu", "cuda", "cuda:1", "mps".
        threads: CPU threads; None leaves the choice to torch.
        rows: Samples drawn in one pass, a multiple of 16.
        delay: Seconds a fake waits for each completion.
        concurrency: Requests under way at a server at once.
        timeout: Seconds for one try of one request.
        retries: Tries after the first.
        gpus: GPUs that vLLM spreads the model over.
        context: Longest prompt and answer vLLM makes room for, in tokens; 0 for the model's own.
    """

    dtype: str = "fp32"
    device: str = "cpu"
    threads: int | None = None
    rows: int = 64
    delay: float = 0.0
    concurrency: int = 32
    timeout: float = 600.0
    retries: int = 4
    gpus: int = 1
    context: int = 0


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
        return _load_hf(spec, _Parts((str(smollm2.location()), None), None), options)
    if spec == pair.NAME:
        base, own = str(smollm2.location()), str(pair.adapter())
        return _load_hf(spec, _Parts((base, None), (own, None)), options)
    if kind == "zoo" and rest:
        return _load_hf(spec, _Parts((str(zoo_location(rest)), None), None), options)
    if kind == "hf" and rest:
        return _load_hf(spec, _parts(rest), options)
    if kind == "openai" and rest:
        return _load_openai(spec, options)
    if kind == "vllm" and rest:
        return _load_vllm(spec, options)
    raise UnknownName(f"model {spec!r} is not known; use one of {', '.join(SPECS)}")


class _Parts(NamedTuple):
    """Where weights are: folders or hub ids, each with its revision."""

    base: tuple[str, str | None]
    adapter: tuple[str, str | None] | None


def _parts(rest: str) -> _Parts:
    """Read PATH_OR_ID[@REVISION][+ADAPTER[@REVISION]]; a folder of that very name wins."""
    if Path(rest).is_dir():
        return _Parts((rest, None), None)
    cuts = [i for i, letter in enumerate(rest) if letter == "+"]
    folders = [i for i in cuts if Path(rest[:i]).is_dir()]
    for at in (folders or cuts)[:1]:
        return _Parts(_revised(rest[:at]), _revised(rest[at + 1 :]))
    return _Parts(_revised(rest), None)


def _revised(text: str) -> tuple[str, str | None]:
    if not text:
        raise ModelError("hf:PATH+ADAPTER needs a model before the plus and an adapter after it")
    if Path(text).is_dir():
        return text, None
    location, _, revision = text.partition("@")
    return location, revision or None


def _load_openai(spec: str, options: LoadOptions) -> Model:
    from pathshift.models.openai.client import KEY_VARIABLE, key_from
    from pathshift.models.openai.model import load_openai

    return load_openai(
        spec,
        key=key_from(KEY_VARIABLE),
        concurrency=options.concurrency,
        timeout_s=options.timeout,
        retries=options.retries,
    )


def _load_vllm(spec: str, options: LoadOptions) -> Model:
    try:
        from pathshift.models.vllm_local import load_vllm
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "vllm", "vllm") from error
    context = {"max_model_len": options.context} if options.context else {}
    return load_vllm(spec, dtype=options.dtype, tensor_parallel_size=options.gpus, **context)


def _load_hf(spec: str, parts: _Parts, options: LoadOptions) -> Model:
    try:
        import torch

        from pathshift.models.hf.adapter import load_adapted
        from pathshift.models.hf.model import load_hf
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "hf") from error
    if options.threads is not None:
        if options.threads < 1:
            raise ConfigError(f"threads must be at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    placed: dict[str, Any] = {
        "dtype": options.dtype, "device": options.device, "n_rows": options.rows,
    }  # fmt: skip
    if parts.adapter is not None:
        return load_adapted(spec, parts.base, parts.adapter, **placed)
    location, revision = parts.base
    return load_hf(spec, location, revision=revision, **placed)
