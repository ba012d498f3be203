"""What a server's reply says, whichever of the dialects it speaks. A reply is foreign text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ENDED = {"stop", "eos", "eos_token", "stop_sequence", "tool_calls", "function_call"}
_CUT = {"length", "max_tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One choice of a completion.

    Attributes:
        finish: "stop", "length", or the server's own word where it is neither.
        n_tokens: Sampled tokens; None if the server does not say.
        logprobs: ln p of each sampled token in the server's own sense; None if it does not say.
        likeliest: By position, the likeliest tokens' texts with their ln p; may be empty.
        offsets: By position, where the token begins in the text; may be empty.
        prompt_logprobs: By position of the prompt, as vLLM gives them; may be empty.
    """

    text: str
    finish: str
    n_tokens: int | None = None
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] | None = None
    likeliest: tuple[Mapping[str, float], ...] = ()
    offsets: tuple[int, ...] = ()
    prompt_logprobs: tuple[Any, ...] = ()


def said(body: bytes, *, is_chat: bool) -> Said | None:
    """Read a completion or a chat completion; None if the body is none.

    >>> said(b'{"choices": [{"text": " 4", "finish_reason": "stop"}]}', is_chat=False).text
    ' 4'
    """
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        text = _chat_text(choice["message"]) if is_chat else choice["text"]
        if not isinstance(text, str):
            return None
        ids = _whole_numbers(choice.get("token_ids"))
        usage = reply.get("usage") or {}
        logprobs = choice.get("logprobs") or {}
        return Said(
            text=text,
            finish=finish_of(choice.get("finish_reason")),
            n_tokens=len(ids) or _count(usage.get("completion_tokens")),
            token_ids=ids,
            logprobs=_token_logprobs(logprobs),
            likeliest=_likeliest(logprobs),
            offsets=_whole_numbers(logprobs.get("text_offset")),
            prompt_logprobs=tuple(choice.get("prompt_logprobs") or ()),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None


def finish_of(word: object) -> str:
    """The server's word for how a sample ended, in ours.

    >>> finish_of("eos_token"), finish_of("content_filter")
    ('stop', 'content_filter')
    """
    if word in _ENDED:
        return "stop"
    return "length" if word in _CUT else f"{word!s:.40}"


def _chat_text(message: Mapping[str, Any]) -> Any:
    """The answer; thoughts that the server has taken out of it stand before it again."""
    text = message["content"]
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if not isinstance(thoughts, str):
        return text
    return f"<think>\n{thoughts}\n</think>\n\n{text or ''}"


def _whole_numbers(found: object) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        return ()
    return tuple(found)


def _count(found: object) -> int | None:
    return found if type(found) is int and found >= 0 else None


def _numbers(found: Sequence[Any]) -> tuple[float, ...] | None:
    """Finite numbers at or below 0, or None: what is no log-probability is not summed."""
    if not all(type(one) in (int, float) and math.isfinite(one) and one <= 1e-6 for one in found):
        return None
    return tuple(float(one) for one in found)


def _token_logprobs(found: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Of the older dialect (a list of numbers) or that of chats (a list of objects)."""
    if isinstance(found.get("token_logprobs"), list):
        values = found["token_logprobs"]
        # An echoed prompt begins with a token that nothing comes before.
        if values and values[0] is None:
            values = [0.0, *values[1:]]
        return _numbers(values)
    if isinstance(found.get("content"), list):
        return _numbers([one["logprob"] for one in found["content"]])
    return None


def _likeliest(found: Mapping[str, Any]) -> tuple[Mapping[str, float], ...]:
    if isinstance(found.get("top_logprobs"), list):
        return tuple(
            {str(text): float(value) for text, value in (one or {}).items()}
            for one in found["top_logprobs"]
        )
    if isinstance(found.get("content"), list):
        return tuple(
            {str(top["token"]): float(top["logprob"]) for top in one.get("top_logprobs") or ()}
            for one in found["content"]
        )
    return ()
