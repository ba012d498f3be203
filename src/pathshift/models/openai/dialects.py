"""How a policy is said to each kind of server. Knows no connection.

What is off is said to be off: vLLM and SGLang fall back on the model's generation_config.json for
whatever a request leaves out (top-k 20, a repetition penalty), llama-server on top-k 40 and min-p
.05, and the samples would be of another policy than the run says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError
from pathshift.models.protocol import MESSAGES_MARK, Message

VLLM, SGLANG, LLAMA, OTHER = "vllm", "sglang", "llama.cpp", "other"
_OWNERS = {"vllm": VLLM, "sglang": SGLANG, "llamacpp": LLAMA, "llama.cpp": LLAMA}
_31_BITS = 2**31 - 1
_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|max_model_len|too long|too many tokens"
    r"|content[ _](filter|policy|management)",
    re.IGNORECASE,
)


def dialect_of(owner: object) -> str:
    """The kind of server by the owner it states of a model.

    >>> dialect_of("vllm"), dialect_of("openai")
    ('vllm', 'other')
    """
    return _OWNERS.get(str(owner).lower(), OTHER)


def check(policy: Policy, dialect: str, spec: str) -> None:
    """Refuse what the server could not be told.

    Raises:
        ConfigError: top-k or min-p for a server of unknown kind.
    """
    asked = [name for name, is_on in (("top-k", policy.top_k), ("min-p", policy.min_p)) if is_on]
    if asked and dialect == OTHER:
        raise ConfigError(
            f"{' and '.join(asked)} are no part of the OpenAI protocol, and the server of {spec} "
            "does not say that it is vLLM, SGLang or llama.cpp, which have them; leave them off"
        )


def wishes(policy: Policy, seed: int, dialect: str) -> dict[str, Any]:
    """The part of a request that says how to sample."""
    asked: dict[str, Any] = {
        "max_tokens": policy.max_tokens,
        "temperature": policy.temperature,
        "top_p": policy.top_p,
        "seed": seed if dialect == VLLM else seed % _31_BITS,
        **({"stop": list(policy.stop)} if policy.stop else {}),
    }
    if dialect == OTHER:
        return asked
    penalty = "repeat_penalty" if dialect == LLAMA else "repetition_penalty"
    return asked | {"top_k": policy.top_k or -1, "min_p": policy.min_p, penalty: 1.0}


def logprob_wish(dialect: str, *, is_chat: bool) -> dict[str, Any]:
    """Ask for the log-probability of the sampled tokens, and for little else."""
    if is_chat:
        return {"logprobs": True}
    return {"logprobs": 0 if dialect == VLLM else 1}


def is_about_content(detail: str) -> bool:
    """Whether a refusal is about this prompt (too long, filtered) and not about every request."""
    return _TOO_LONG.search(detail) is not None


def as_text(messages: Sequence[Message]) -> str:
    """A conversation whose template only the server can fill in, as the prompt of a run."""
    return MESSAGES_MARK + json.dumps([dict(m) for m in messages], ensure_ascii=False) + "}"


def as_messages(prompt: str) -> list[Message]:
    """The conversation in such a prompt.

    Raises:
        ModelError: it is none.
    """
    try:
        found = json.loads(prompt)["messages"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(
            "the prompt is no conversation, and the server takes a chat as one only; use "
            "--completion"
        ) from None
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in found]
