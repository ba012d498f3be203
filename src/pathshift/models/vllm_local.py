"""vLLM in this process, for machines with a GPU (its CPU build runs the same code).

All samples of all prompts that are asked for together go to vLLM at once, each with its own seed;
its scheduler keeps the prompts' shared beginnings. As with a server no determinism is promised,
and there are no entropies: vLLM gives the likeliest tokens, not the whole distribution.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # read when vLLM is imported
os.environ.setdefault("DO_NOT_TRACK", "1")

import vllm
from vllm.inputs import TokensPrompt

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError
from pathshift.models.openai.model import completion_of, is_plain_policy
from pathshift.models.openai.replies import Said
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.records import TokenTrace, digest

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


AT_ONCE = 256
"""vLLM's own number of sequences beside each other."""


class _Job:
    """One caller's prompts with their parameters, and where the results go."""

    def __init__(self, prompts: list[Any], params: list[Any]) -> None:
        self.prompts, self.params = prompts, params
        self.outputs: list[Any] | None = None


class _Turns:
    """vLLM takes one call at a time; whoever comes first takes along all that wait."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._waiting: list[_Job] = []
        self._list, self._turn = threading.Lock(), threading.Lock()

    def run(self, prompts: list[Any], params: list[Any]) -> list[Any]:
        """Results in the order of the prompts; callable from several threads."""
        job = _Job(prompts, params)
        with self._list:
            self._waiting.append(job)
        with self._turn:
            if job.outputs is None:
                self._run_all()
        if job.outputs is None:
            raise RuntimeError("vLLM failed for another caller of the same turn")
        return job.outputs

    def _run_all(self) -> None:
        with self._list:
            jobs, self._waiting = self._waiting, []
        found = iter(
            self._engine.generate(
                [prompt for job in jobs for prompt in job.prompts],
                [params for job in jobs for params in job.params],
                use_tqdm=False,
            )
        )
        for job in jobs:
            job.outputs = [next(found) for _ in job.prompts]


class VllmModel:
    """An engine of vLLM as a model; safe to share among threads."""

    def __init__(self, spec: str, engine: Any, *, weights_hash: str, dtype: str) -> None:
        self._spec, self._turns = spec, _Turns(engine)
        self._tokenizer = engine.get_tokenizer()
        self._context = int(engine.llm_engine.model_config.max_model_len)
        self._info = ModelInfo(
            spec=spec,
            weights_hash=weights_hash,
            chat_template=self._tokenizer.chat_template,
            capabilities=frozenset({"token_ids", "logprobs", "score"}),
            details={
                "server": f"vllm {vllm.__version__}, in process",
                "dtype": dtype,
                "context": self._context,
            },
            at_once=AT_ONCE,
        )

    @property
    def info(self) -> ModelInfo:
        """What a run records of it."""
        return self._info

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The conversation through the model's own template, ready for the answer."""
        if self._tokenizer.chat_template is None:
            raise ModelError(f"{self._spec} has no chat template; use --completion")
        text: str = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        return text

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions of all requests together; a prompt that does not fit fails as data.

        Raises:
            ConfigError: a trace is asked for, which needs every token's entropy.
        """
        if any(request.with_trace for request in requests):
            raise ConfigError(
                f"--store tokens keeps every token's entropy, which needs the whole distribution, "
                f"and {self._spec} gives the likeliest tokens only; leave it out and use "
                "`pathshift score --model hf:PATH` afterwards"
            )
        ids = [self._encode(request.prompt, is_chat=request.is_chat) for request in requests]
        rooms = [self._unfit(len(one), policy.max_tokens) for one in ids]
        asked = [
            (place, seed)
            for place, request in enumerate(requests)
            for seed in request.seeds
            if not rooms[place]
        ]
        outputs = self._turns.run(
            [TokensPrompt(prompt_token_ids=ids[place]) for place, _ in asked],
            [_params(policy, seed) for _, seed in asked],
        )
        drawn = iter(outputs)
        return [
            [Completion(text="", finish_reason="error", detail=reason)] * len(request.seeds)
            if reason
            else [_completion(next(drawn), policy) for _ in request.seeds]
            for request, reason in zip(requests, rooms, strict=True)
        ]

    def _encode(self, text: str, *, is_chat: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=not is_chat)
        return ids

    def _unfit(self, n_tokens: int, more: int) -> str:
        """Why a prompt of so many tokens cannot be gone on from; empty if it can."""
        if n_tokens and n_tokens + more <= self._context:
            return ""
        return f"prompt of {n_tokens} tokens + {more} exceeds context of {self._context}"

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Log-probability of each token of the continuation after the prompt."""
        one = Continuation(text=continuation)
        (scored,) = self.score_all(prompt, [one], Policy(), is_chat=False)
        if scored.trace is None:
            raise ModelError(f"{self._spec}: {scored.detail}")
        return list(scored.trace.logprobs)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Continuations of one prompt, token by token, at temperature 1 and without entropies."""
        before = self._encode(prompt, is_chat=is_chat)
        rows = [self._tokens_of(one) for one in continuations]
        reasons = [
            self._unfit(len(before) + len(row), 1) if row and before else "empty completion"
            for row in rows
        ]
        fit = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
        params = vllm.SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0)
        outputs = self._turns.run(
            [TokensPrompt(prompt_token_ids=before + row) for row in fit], [params] * len(fit)
        )
        found = iter(outputs)
        return [
            Scored(detail=reason) if reason else Scored(trace=_trace(row, next(found), policy))
            for row, reason in zip(rows, reasons, strict=True)
        ]

    def _tokens_of(self, one: Continuation) -> list[int]:
        if one.token_ids or not one.text:
            return list(one.token_ids)
        end = self._tokenizer.eos_token_id
        return self._encode(one.text, is_chat=True) + ([end] if one.is_ended and end else [])


def _params(policy: Policy, seed: int) -> Any:
    """A policy in vLLM's words; penalties of the model's own configuration are not taken over."""
    return vllm.SamplingParams(
        seed=seed,
        temperature=policy.temperature,
        top_k=policy.top_k or -1,
        top_p=policy.top_p,
        min_p=policy.min_p,
        max_tokens=policy.max_tokens,
        stop=list(policy.stop) or None,
        logprobs=0,
    )


def _completion(output: Any, policy: Policy) -> Completion:
    """A result of vLLM, read as a reply of its server is."""
    (one,) = output.outputs
    ids = tuple(one.token_ids)
    logprobs = one.logprobs or []
    said = Said(
        text=one.text,
        finish=str(one.finish_reason),
        n_tokens=len(ids),
        token_ids=ids,
        logprobs=tuple(
            float(place[token].logprob) for token, place in zip(ids, logprobs, strict=False)
        ),
    )
    return completion_of(said, policy, "raw")


def _trace(row: Sequence[int], output: Any, policy: Policy) -> TokenTrace:
    places = output.prompt_logprobs[-len(row) :]
    found = [place[token] for token, place in zip(row, places, strict=True)]
    logprobs = tuple(float(one.logprob) for one in found)
    return TokenTrace(
        token_ids=tuple(row),
        pieces=tuple(str(one.decoded_token or "") for one in found),
        logprobs=logprobs,
        policy_logprobs=logprobs if is_plain_policy(policy) else (),
        entropies=(),
    )


def load_vllm(spec: str, *, dtype: str = "bf16", **engine: Any) -> VllmModel:
    """Start vLLM in this process.

    Args:
        spec: vllm:PATH_OR_ID.
        engine: Settings for `vllm.LLM`, such as tensor_parallel_size.

    Raises:
        ConfigError: unknown dtype.
        ModelError: the model cannot be loaded.
    """
    if dtype not in _DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not known; use one of {', '.join(_DTYPES)}")
    location = spec.partition(":")[2]
    settings = {
        "model": location, "dtype": _DTYPES[dtype], "trust_remote_code": False,
        "logprobs_mode": "raw_logprobs", "generation_config": "vllm",
        "load_format": "safetensors", "disable_log_stats": True,
    }  # fmt: skip
    try:
        made = vllm.LLM(**(settings | engine))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"model {spec} cannot be loaded by vLLM: {' '.join(str(error).split())[:240]}"
        ) from error
    return VllmModel(spec, made, weights_hash=_weights_hash(location), dtype=dtype)


def _weights_hash(location: str) -> str:
    """Of config and weights in a folder; a hub id stands for itself."""
    folder = Path(location)
    if not folder.is_dir():
        return digest("vllm", location)
    found = hashlib.sha256()
    for path in [folder / "config.json", *sorted(folder.glob("*.safetensors"))]:
        found.update(f"{path.name}:{path.stat().st_size}".encode())
        with path.open("rb") as file:
            while piece := file.read(2**24):
                found.update(piece)
    return found.hexdigest()
