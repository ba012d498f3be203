"""Chat completions of any OpenAI-compatible server, for judges.

A reply that cannot be read is data (a text of None with its reason); a server that is gone, or a
key that it refuses, is an error. The transport with its limits is `models.openai.client`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pathshift.models.openai.client import KEY_VARIABLE, HttpClient, Limits, key_from
from pathshift.models.openai.client import Server as ChatServer

__all__ = ["KEY_VARIABLE", "ChatClient", "ChatServer", "Limits", "Reply", "key_from", "reply_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back for one request.

    Attributes:
        text: None if nothing readable came.
        detail: Why.
        is_lost: Nothing readable came because of the server, not because of what was asked.
    """

    text: str | None
    detail: str = ""
    is_lost: bool = False


class ChatClient:
    """One server's chat completions. Close it after use; safe to share among threads.

    Raises:
        MissingExtra: The api extra is not installed.
    """

    def __init__(
        self,
        server: ChatServer,
        *,
        key: str = "",
        limits: Limits | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.server = server
        self._client = HttpClient(server, key=key, limits=limits, sleep=sleep)

    def close(self) -> None:
        """End all connections; threads that are still asking stop before their next try."""
        self._client.close()

    def ask(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
    ) -> Reply:
        """One chat completion.

        Raises:
            ModelError: the server is gone, knows no such model or refuses the key.
        """
        asked = {
            "model": self.server.model, "messages": list(messages), "seed": seed,
            "temperature": temperature, "max_tokens": max_tokens,
        }  # fmt: skip
        answer = self._client.post("chat/completions", asked)
        reply = (
            Reply(text=None, detail=answer.detail, is_lost=answer.is_lost)
            if answer.body is None
            else reply_of(answer.body)
        )
        self._client.note(reply.detail, is_lost=reply.is_lost)
        return reply


def reply_of(body: bytes) -> Reply:
    """The text of a chat completion; None, with the reason, if the body is none.

    >>> reply_of(b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}').text
    'hi'
    """
    try:
        choice = json.loads(body)["choices"][0]
        text, finish = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Reply(text=None, detail="the reply is no chat completion", is_lost=True)
    if not isinstance(text, str):
        cut = " before it said anything" if finish == "length" else ""
        return Reply(text=None, detail=f"the reply holds no text; it ended ({finish!s:.20}){cut}")
    return Reply(text=text, detail="cut by --max-tokens" if finish == "length" else "")
