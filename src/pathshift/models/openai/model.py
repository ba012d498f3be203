"""A model behind any OpenAI-compatible server: vLLM, SGLang, llama-server and others.

One request a sample, each with its own seed, many under way at once. A sample does not depend on
those beside it as far as the server keeps that; servers promise no determinism, and none is
declared. What is not known of a sample (log-probabilities under a truncated policy, entropies) is
left out, never made up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError, ModelLost
from pathshift.models.openai import dialects
from pathshift.models.openai.client import Answer, HttpClient, Limits, Server
from pathshift.models.openai.dialects import VLLM
from pathshift.models.openai.probe import (
    Features,
    features_of,
    rendered,
    scored_echo,
    scored_ids,
    tokens_of,
)
from pathshift.models.openai.replies import Said, said
from pathshift.models.openai.together import gather
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
    is_conversation,
)
from pathshift.records import TokenTrace, digest

REPLY_BYTES = 64_000_000
LOST_IN_A_ROW = 16
"""Requests without a readable reply, one after the other, until the run is ended."""


class OpenAIModel:
    """One model at one server; safe to share among threads. `close` ends its connections.

    Args:
        concurrency: Requests under way at once, over all callers.
    """

    def __init__(
        self, spec: str, client: HttpClient, features: Features, *, concurrency: int = 32
    ) -> None:
        self._spec, self._client, self._features = spec, client, features
        self._concurrency = concurrency
        self._slots = threading.BoundedSemaphore(concurrency)
        self._info = ModelInfo(
            spec=spec,
            weights_hash=digest("server", client.server.model, features.root),
            chat_template=features.template,
            capabilities=_capabilities(features),
            details=_details(features),
            at_once=concurrency,
        )

    @property
    def info(self) -> ModelInfo:
        """What a run records of it. The weights' identity is the server's word: name and path."""
        return self._info

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The text that the model reads, where the server shows it; else the conversation."""
        if self._features.template is None:
            raise ModelError(f"{self._spec} has no chat template; use --completion")
        if self._features.renders:
            text = rendered(self._client, self._features.dialect, [dict(m) for m in messages])
            if text is not None:
                return text
        return dialects.as_text(messages)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions, a request for each; what the server refuses for its content fails as data.

        Raises:
            ConfigError: a policy or a trace that the server cannot give.
            ModelLost: the server is gone; holds what was drawn until then.
            ModelError: it refuses every such request.
        """
        self._check(requests, policy)
        tasks: list[Callable[[], Completion]] = [
            partial(self._one, request, seed, policy)
            for request in requests
            for seed in request.seeds
        ]
        gathered = gather(tasks, self._concurrency, on_error=self._client.stop)
        drawn, at = [], 0
        for request in requests:
            drawn.append(gathered.values[at : at + len(request.seeds)])
            at += len(request.seeds)
        if gathered.error is not None:
            raise ModelLost(str(gathered.error), drawn) from gathered.error
        return [[one for one in of_request if one is not None] for of_request in drawn]

    def _check(self, requests: Sequence[Request], policy: Policy) -> None:
        dialects.check(policy, self._features.dialect, self._spec)
        if any(request.with_trace for request in requests):
            raise ConfigError(
                f"--store tokens keeps every token's entropy, which needs the whole distribution, "
                f"and the server of {self._spec} gives the likeliest tokens only; leave it out "
                "and use `pathshift score --model hf:PATH` afterwards"
            )

    def _one(self, request: Request, seed: int, policy: Policy) -> Completion:
        with self._slots:
            answer = self._client.post(*self._asked(request, seed, policy))
        if answer.is_gone:
            raise self._client.gone(answer.detail)
        if answer.body is None and not answer.is_lost:
            return self._refused(answer)
        is_chat = self._is_conversation(request)
        found = said(answer.body, is_chat=is_chat) if answer.body is not None else None
        detail = answer.detail or "the reply is no completion"
        self._client.note(detail, is_lost=found is None)
        if found is None:
            return Completion(text="", finish_reason="error", detail=detail)
        return completion_of(found, policy, self._features.logprobs)

    def _refused(self, answer: Answer) -> Completion:
        """A refusal of this one prompt is a failed sample, any other one an error."""
        if not dialects.is_about_content(answer.detail):
            raise ModelError(f"{self._client.server.base_url}: {answer.detail}")
        self._client.note("", is_lost=False)
        return Completion(text="", finish_reason="error", detail=answer.detail)

    def _is_conversation(self, request: Request) -> bool:
        return request.is_chat and is_conversation(request.prompt)

    def _asked(self, request: Request, seed: int, policy: Policy) -> tuple[str, dict[str, Any]]:
        """Path and body of the request for one sample."""
        dialect, is_chat = self._features.dialect, self._is_conversation(request)
        asked = {
            "model": self._client.server.model, **dialects.wishes(policy, seed, dialect),
        }  # fmt: skip
        if self._features.logprobs:
            asked |= dialects.logprob_wish(dialect, is_chat=is_chat)
        if dialect == VLLM:
            asked["return_token_ids"] = True
        if is_chat:
            return "chat/completions", asked | {"messages": dialects.as_messages(request.prompt)}
        if not self._features.has_completions:
            raise ModelError(f"{self._spec} takes chats only; use --chat")
        if dialect == VLLM:
            asked["add_special_tokens"] = not request.is_chat
        return "completions", asked | {"prompt": request.prompt}

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Log-probability of each token of the continuation after the prompt."""
        (scored,) = self.score_all(
            prompt, [Continuation(text=continuation)], Policy(), is_chat=False
        )
        if scored.trace is None:
            raise ModelError(f"{self._spec}: {scored.detail}")
        return list(scored.trace.logprobs)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Continuations of one prompt, each token by token, without entropies.

        Under a policy that is not plain sampling at temperature 1 only the log-probabilities at
        temperature 1 are known.
        """
        if not self._features.scores:
            raise ModelError(
                f"{self._spec} gives no log-probabilities of a text; score with hf:PATH_OR_ID"
            )
        if is_chat and is_conversation(prompt):
            raise ModelError(f"{self._spec} does not show the text of a chat, which a score needs")
        before: list[int] = []
        if self._features.scores == "ids":
            before = tokens_of(self._client, prompt, with_special=not is_chat)
        tasks = [
            partial(self._score, prompt, before, one, is_plain=is_plain_policy(policy))
            for one in continuations
        ]
        gathered = gather(tasks, self._concurrency, on_error=self._client.stop)
        if gathered.error is not None:
            raise gathered.error
        return [one for one in gathered.values if one is not None]

    def _score(
        self, prompt: str, before: list[int], one: Continuation, *, is_plain: bool
    ) -> Scored:
        if not one.text and not one.token_ids:
            return Scored(detail="empty completion")
        with self._slots:
            found = self._by_ids(before, one) if before else self._by_echo(prompt, one)
        if found is None:
            return Scored(detail="the server gave no log-probabilities of it (too long?)")
        ids, logprobs = found
        return Scored(
            trace=TokenTrace(
                token_ids=ids,
                pieces=("",) * len(ids),
                logprobs=logprobs,
                policy_logprobs=logprobs if is_plain else (),
                entropies=(),
            )
        )

    def _by_ids(
        self, before: list[int], one: Continuation
    ) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
        ids = list(one.token_ids) or tokens_of(self._client, one.text, with_special=False)
        found = scored_ids(self._client, before + ids) if ids else None
        return None if found is None else (tuple(ids), tuple(found[-len(ids) :]))

    def _by_echo(
        self, prompt: str, one: Continuation
    ) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
        """The tokens that begin after the prompt; none if one lies across its end."""
        places = scored_echo(self._client, prompt + one.text)
        if places is None or len(prompt) not in {at for at, _ in places}:
            return None
        found = tuple(value for at, value in places if at >= len(prompt))
        return (-1,) * len(found), found


def completion_of(found: Said, policy: Policy, logprobs: str) -> Completion:
    """A reply as a completion.

    Args:
        logprobs: Whose log-probabilities the server gives: "raw", "tempered" or empty.
    """
    n_tokens = found.n_tokens or 0
    cut = min((at for stop in policy.stop if (at := found.text.find(stop)) >= 0), default=None)
    detail = ""
    if found.finish not in ("stop", "length"):
        detail = f"the server ended it ({found.finish})"
    elif found.finish == "length" and 0 < n_tokens < policy.max_tokens:
        # vLLM and others lower the limit without a word where prompt and limit exceed the context.
        detail = f"the server's context was full after {n_tokens} of {policy.max_tokens} tokens"
    raw, sampling = _sums(found, policy, logprobs)
    return Completion(
        text=found.text[:cut],
        token_ids=found.token_ids,
        n_tokens=n_tokens,
        finish_reason="error" if detail else found.finish,
        logprob_sum=raw,
        sampling_logprob_sum=sampling,
        detail=detail,
    )


def _sums(found: Said, policy: Policy, logprobs: str) -> tuple[float | None, float | None]:
    """Sum of ln p at temperature 1, and under the policy; None where it cannot be known."""
    values = found.logprobs
    if values is None or not logprobs or len(values) != found.n_tokens:
        return None, None
    total = sum(values)
    if is_plain_policy(policy):
        return total, total
    if policy.temperature == 0:
        return (total if logprobs == "raw" else None), 0.0
    if logprobs == "raw":
        return total, None
    return None, (None if _is_cut(policy) else total)


def _is_cut(policy: Policy) -> bool:
    return bool(policy.top_k or policy.min_p or policy.top_p < 1)


def is_plain_policy(policy: Policy) -> bool:
    """Whether a policy is plain sampling at temperature 1, so that both log-probabilities agree."""
    return policy.temperature == 1 and not _is_cut(policy)


def _capabilities(features: Features) -> frozenset[str]:
    found = {
        "token_ids": features.gives_ids,
        "logprobs": bool(features.logprobs),
        "score": bool(features.scores),
    }
    return frozenset(name for name, has in found.items() if has)


def _details(features: Features) -> dict[str, Any]:
    return {
        "server": f"{features.dialect} {features.version}".strip(),
        "context": features.context,
        "logprobs": features.logprobs,
        "prompts": "rendered text" if features.renders else "conversations",
        "fingerprint": features.fingerprint,
    }


def load_openai(
    spec: str, *, key: str = "", concurrency: int = 32, timeout_s: float = 600.0, retries: int = 4
) -> OpenAIModel:
    """Find out what a server can and make a model of it.

    Args:
        spec: openai:BASE_URL#MODEL.
        timeout_s: Of one try, from the connection to the last byte.

    Raises:
        ConfigError: no such spec, or a number out of its range.
        ModelError: the server cannot be reached or serves no such model.
        MissingExtra: the api extra is not installed.
    """
    if not 1 <= concurrency <= 1024:
        raise ConfigError(f"concurrency must be 1 to 1024, got {concurrency}")
    limits = Limits(
        timeout_s=timeout_s, retries=retries, reply_bytes=REPLY_BYTES, lost_in_a_row=LOST_IN_A_ROW
    )
    client = HttpClient(Server.from_spec(spec), key=key, limits=limits)
    try:
        return OpenAIModel(spec, client, features_of(client), concurrency=concurrency)
    except ModelError:
        client.close()
        raise
