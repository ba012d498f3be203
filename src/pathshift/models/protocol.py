"""What the rest of the package may ask of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pathshift.decoding.policy import Policy
from pathshift.records import TokenTrace

Message = Mapping[str, str]
"""One chat turn: keys `role` and `content`."""

MESSAGES_MARK = '{"messages": '
"""How a chat's prompt begins where only a server can fill in its template: JSON of the turns."""


def is_conversation(prompt: str) -> bool:
    """Whether the prompt of a chat is its turns, and not the text that a model reads."""
    return prompt.startswith(MESSAGES_MARK)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a run records of a model.

    Attributes:
        spec: The string the user named it with.
        weights_hash: Hash of what decides its output besides the prompt.
        chat_template: Template text; None for a base model.
        capabilities: What it can do: "deterministic", "token_ids", "score", "full_logits" (knows
            every token's entropy).
        details: dtype, device, parameter count and the like, as JSON values; `tokenizer` is a
            hash by which two models are known to share one.
        at_once: Samples it draws beside each other: a caller gains by asking for several times as
            many at once, from several threads. 1 for a model that takes one call after the other.
    """

    spec: str
    weights_hash: str
    chat_template: str | None
    capabilities: frozenset[str]
    details: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt and the seeds of the samples wanted from it: one sample a seed.

    Attributes:
        is_chat: The text came from the chat template and holds its special tokens already.
        with_trace: Every completion is wanted token by token.
    """

    prompt: str
    seeds: tuple[int, ...]
    is_chat: bool = False
    with_trace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled continuation.

    Attributes:
        text: Without stop texts and special tokens.
        token_ids: Sampled tokens, the stop token included; empty where a backend hides them.
        n_tokens: Their number.
        finish_reason: "stop", "length" or "error".
        logprob_sum: Sum of ln p over the tokens at temperature 1, untruncated; None if unknown.
        sampling_logprob_sum: The same under the policy.
        detail: Why, where the reason is "error".
    """

    text: str
    token_ids: tuple[int, ...] = ()
    n_tokens: int = 0
    finish_reason: str = "stop"
    logprob_sum: float | None = None
    sampling_logprob_sum: float | None = None
    detail: str = ""
    trace: TokenTrace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """A text to be scored after a prompt.

    Attributes:
        token_ids: The tokens that were drawn, in the scoring model's own numbers; empty to have the
            text encoded.
        is_ended: An end token followed the text; of use where the text is encoded.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    is_ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A continuation, token by token, or why there is no score."""

    trace: TokenTrace | None = None
    detail: str = ""


class Model(Protocol):
    """A language model.

    A sample depends on the prompt, the policy and its own seed, never on the batch it is drawn
    in; that is why a request carries one seed a sample and not a number of samples.
    """

    @property
    def info(self) -> ModelInfo:
        """What a run records of it."""

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The prompt text of a conversation, ready for the answer.

        A server that does not show this text gives the turns instead (`is_conversation`).

        Raises:
            ModelError: the model has no chat template.
        """

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions by request, in the order of its seeds.

        Raises:
            ModelLost: the model went away; holds what was drawn until then.
        """

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Natural-log probabilities of the continuation's tokens, temperature 1, fp32.

        Raises:
            ModelError: the model cannot score.
        """

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Continuations of one prompt, each token by token, in their order.

        What cannot be scored (empty, longer than the context) comes back with the reason.

        Raises:
            ModelError: the model cannot score.
        """
