"""A transformers model from a folder or the hub: loading, prompts, text.

Safetensors only (no pickle) and no code from the model's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError
from pathshift.models.hf.engine import Engine
from pathshift.models.hf.rows import Asked, Drawing, Finished, Row
from pathshift.models.hf.scoring import TokenScores, score_rows
from pathshift.models.hf.stopping import StopTexts
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.records import TokenTrace

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_WHOLE_FILE_BYTES = 2**30
_PROBE_BYTES = 2**20
_HUB_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a prompt gave: rows token by token, and the same as completions.

    Attributes:
        prompt_ids: The prompt as the network reads it.
        rows: Empty where the prompt does not fit; the completions then say why.
    """

    prompt_ids: tuple[int, ...]
    rows: tuple[Row, ...]
    completions: list[Completion]


class HfModel:
    """A causal language model with its tokenizer; `n_rows` samples are drawn in every pass."""

    def __init__(
        self, spec: str, network: Any, tokenizer: Any, *, weights_hash: str, n_rows: int
    ) -> None:
        self._network, self._tokenizer = network, tokenizer
        self._engine = Engine(network, n_rows)
        self._end_ids = _end_ids(network, tokenizer)
        self._info = ModelInfo(
            spec=spec,
            weights_hash=weights_hash,
            chat_template=tokenizer.chat_template,
            capabilities=frozenset({"deterministic", "token_ids", "score", "full_logits"}),
            details={
                "tokenizer": _tokenizer_hash(tokenizer),
                "dtype": str(network.dtype).removeprefix("torch."),
                "device": str(network.device),
                "parameters": network.num_parameters(),
                "rows": n_rows,
            },
        )

    @property
    def info(self) -> ModelInfo:
        """What a run records of it."""
        return self._info

    @property
    def network(self) -> Any:
        """The very network that is drawn from, not a copy: who trains it changes the samples."""
        return self._network

    @property
    def tokenizer(self) -> Any:
        """The network's tokenizer."""
        return self._tokenizer

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end a sample; empty where neither model nor tokenizer names one."""
        return self._end_ids

    def renamed(self, spec: str, weights_hash: str) -> HfModel:
        """The same network and engine under another name: what it is after some training."""
        other = copy(self)
        other._info = replace(self._info, spec=spec, weights_hash=weights_hash)
        return other

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The conversation through the model's own template, ready for the answer."""
        if self._tokenizer.chat_template is None:
            raise ModelError(f"{self._info.spec} has no chat template; use --completion")
        text: str = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        return text

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions by request; a prompt that does not fit fails as data."""
        return [drawn.completions for drawn in self.draw(requests, policy)]

    def draw(self, requests: Sequence[Request], policy: Policy) -> list[Drawn]:
        """What `generate` gives, and the tokens it is made of with their log-probabilities."""
        prompts = [self._encode(request.prompt, is_chat=request.is_chat) for request in requests]
        reasons = [self._too_long(ids, policy) for ids in prompts]
        drawing = Drawing(
            policy=policy,
            ends=self._ending(policy),
            with_entropies=any(request.with_trace for request in requests),
        )
        asked = [
            Asked(ids, () if reason else request.seeds)
            for ids, reason, request in zip(prompts, reasons, requests, strict=True)
        ]
        drawn = zip(requests, prompts, reasons, self._engine.sample(asked, drawing), strict=True)
        return [
            Drawn(
                prompt_ids=tuple(ids),
                rows=tuple(rows),
                completions=[
                    self._completion(row, policy, with_trace=request.with_trace) for row in rows
                ]
                if not reason
                else [Completion(text="", finish_reason="error", detail=reason)]
                * len(request.seeds),
            )
            for request, ids, reason, rows in drawn
        ]

    def _too_long(self, ids: Sequence[int], policy: Policy) -> str:
        """Why nothing can be drawn after a prompt; empty if it can."""
        room = getattr(self._network.config, "max_position_embeddings", None)
        if ids and (room is None or len(ids) + policy.max_tokens <= room):
            return ""
        return f"prompt of {len(ids)} tokens + {policy.max_tokens} exceeds context of {room}"

    def _encode(self, text: str, *, is_chat: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=not is_chat)
        return ids

    def _ending(self, policy: Policy) -> Finished:
        """What tells whether a row has ended."""
        end_ids = self._end_ids
        if not policy.stop:
            return lambda tokens: tokens[-1] in end_ids
        stops = StopTexts(self._tokenizer, policy.stop)
        return lambda tokens: tokens[-1] in end_ids or stops.ended(tokens)

    def _completion(self, row: Row, policy: Policy, *, with_trace: bool) -> Completion:
        text: str = self._tokenizer.decode(row.tokens, skip_special_tokens=True)
        cuts = [at for stop in policy.stop if (at := text.find(stop)) >= 0]
        return Completion(
            text=text[: min(cuts)] if cuts else text,
            token_ids=tuple(row.tokens),
            n_tokens=len(row.tokens),
            finish_reason=row.finish_reason,
            logprob_sum=row.logprob,
            sampling_logprob_sum=row.sampling_logprob,
            trace=self._trace(row) if with_trace else None,
        )

    def _trace(self, row: Row) -> TokenTrace:
        scores = TokenScores(row.logprobs, row.sampling_logprobs, row.entropies)
        return self._traced(row.tokens, scores)

    def _traced(self, token_ids: Sequence[int], scores: TokenScores) -> TokenTrace:
        return TokenTrace(
            token_ids=tuple(token_ids),
            pieces=tuple(self._tokenizer.batch_decode([[token] for token in token_ids])),
            logprobs=tuple(scores.logprobs),
            policy_logprobs=tuple(scores.policy_logprobs),
            entropies=tuple(scores.entropies),
        )

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Log-probability of each token of the continuation after the prompt."""
        prompt_ids = self._encode(prompt, is_chat=False)
        continuation_ids = self._encode(continuation, is_chat=True)
        if not prompt_ids or not continuation_ids:
            raise ModelError("score needs a prompt and a continuation of at least one token each")
        (scored,) = score_rows(self._network, prompt_ids, [continuation_ids], Policy())
        return scored.logprobs

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Continuations of one prompt, token by token."""
        prompt_ids = self._encode(prompt, is_chat=is_chat)
        rows = [self._tokens_of(continuation) for continuation in continuations]
        reasons = [self._unfit(prompt_ids, row) for row in rows]
        fit = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
        scores = iter(score_rows(self._network, prompt_ids, fit, policy) if fit else [])
        return [
            Scored(detail=reason) if reason else Scored(trace=self._traced(row, next(scores)))
            for row, reason in zip(rows, reasons, strict=True)
        ]

    def _tokens_of(self, continuation: Continuation) -> list[int]:
        if continuation.token_ids:
            return list(continuation.token_ids)
        if not continuation.text:
            return []
        end = self._tokenizer.eos_token_id
        ended = [end] if continuation.is_ended and end is not None else []
        return self._encode(continuation.text, is_chat=True) + ended

    def _unfit(self, prompt_ids: Sequence[int], row: Sequence[int]) -> str:
        """Why a continuation cannot be scored; empty if it can."""
        room = getattr(self._network.config, "max_position_embeddings", None)
        length = len(prompt_ids) + len(row)
        if not prompt_ids or not row:
            return "empty completion" if prompt_ids else "empty prompt"
        if room is not None and length > room:
            return f"{length} tokens exceed the context of {room}"
        if max(row) >= self._network.config.vocab_size or min(row) < 0:
            return "a token number the model does not have"
        return ""


def load_hf(
    spec: str,
    location: str,
    *,
    revision: str | None = None,
    dtype: str = "fp32",
    device: str = "cpu",
    n_rows: int = 64,
) -> HfModel:
    """Load weights and tokenizer.

    Raises:
        ConfigError: unknown dtype, or a number of rows that is not a multiple of 16.
        ModelError: not there, not a language model, or weights that are not safetensors.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not known; use one of {', '.join(DTYPES)}")
    if n_rows < 16 or n_rows % 16:
        raise ConfigError(f"rows must be a multiple of 16, got {n_rows}; 64 is usual on a CPU")
    network, tokenizer = load_parts(spec, location, revision=revision, dtype=dtype, device=device)
    weights_hash = weights_hash_of(network, location)
    return HfModel(spec, network, tokenizer, weights_hash=weights_hash, n_rows=n_rows)


def load_parts(
    spec: str, location: str, *, revision: str | None, dtype: str, device: str
) -> tuple[Any, Any]:
    """Network and tokenizer; errors as `load_hf`."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    _check_reachable(spec, location, revision)
    try:
        where = torch.device(device)
        tokenizer = AutoTokenizer.from_pretrained(
            location, revision=revision, trust_remote_code=False
        )
        network = AutoModelForCausalLM.from_pretrained(
            location,
            revision=revision,
            dtype=DTYPES[dtype],
            use_safetensors=True,
            trust_remote_code=False,
        )
        network = network.to(where).eval()
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split())[:240]
        raise ModelError(
            f"model {spec} cannot be loaded: {reason}; give a folder with config.json, tokenizer "
            "and safetensors weights, or a hub id that is in the local cache or reachable"
        ) from error
    return network, tokenizer


def _check_reachable(spec: str, location: str, revision: str | None) -> None:
    """One short question to the hub, so that a typing error does not wait for a dozen retries."""
    if Path(location).is_dir():
        return
    if location.startswith(("/", ".", "~")):
        raise ModelError(f"model {spec}: there is no folder {location}")
    if try_to_load_from_cache(location, "config.json", revision=revision) is not None:
        return
    try:
        HfApi().model_info(location, revision=revision, timeout=_HUB_SECONDS)
    except Exception as error:
        # Broad on purpose: the hub's library lets through errors of whichever client it uses.
        reason = " ".join(str(error).split())[:160]
        raise ModelError(
            f"model {spec}: {location} is no folder, is not in the local hub cache, and the hub "
            f"did not give it ({reason}); give a folder, or a hub id that can be reached"
        ) from error


def _end_ids(network: Any, tokenizer: Any) -> frozenset[int]:
    ends = network.generation_config.eos_token_id
    ids = ends if isinstance(ends, list) else [ends]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)


def _tokenizer_hash(tokenizer: Any) -> str:
    """By which two models are known to number the same texts with the same tokens."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    text = fast.to_str() if fast is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def weights_hash_of(network: Any, location: str) -> str:
    """SHA-256 over config and weight files; of files above 1 GiB 64 pieces of 1 MiB are read."""
    found = hashlib.sha256(network.config.to_json_string().encode())
    folder = Path(location)
    if not folder.is_dir():
        # The hub names a revision by its content; the cache keeps that name.
        found.update(str(getattr(network.config, "_commit_hash", "")).encode())
        return found.hexdigest()
    for path in sorted(folder.glob("*.safetensors")):
        _add_file(found, path)
    return found.hexdigest()


def _add_file(found: Any, path: Path) -> None:
    size = path.stat().st_size
    found.update(f"{path.name}:{size}".encode())
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_BYTES:
            while piece := file.read(2**24):
                found.update(piece)
            return
        for i in range(64):
            file.seek(i * (size - _PROBE_BYTES) // 63)
            found.update(file.read(_PROBE_BYTES))
