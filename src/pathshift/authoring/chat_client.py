"""A thin client of any OpenAI-compatible chat server, that cannot be kept waiting or flooded.

Each request has a deadline and few retries with growing pauses; a reply has a size limit. A reply
that cannot be read is data (a text of None with its reason); a server that is gone, or a key that
it refuses, is an error. The key comes from an environment variable, goes into the request's header
and nowhere else. Redirects are not followed, replies are not unpacked (a small packed body can
be huge), proxies of the environment are not used.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pathshift.errors import ConfigError, MissingExtra, ModelError

KEY_VARIABLE = "PATHSHIFT_API_KEY"
"""Where the key is looked for unless another variable is named."""

_TRANSIENT = {408, 409, 425, 429}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_LOST_IN_A_ROW = 3
"""Requests given up one after the other until the server counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatServer:
    """A model at a server."""

    base_url: str
    model: str

    @classmethod
    def from_spec(cls, spec: str) -> ChatServer:
        """Read openai:BASE_URL#MODEL.

        Raises:
            ConfigError: it is no such spec, or the address holds a password.

        >>> ChatServer.from_spec("openai:http://127.0.0.1:8000/v1#Qwen/Qwen3-8B").model
        'Qwen/Qwen3-8B'
        """
        kind, _, rest = spec.partition(":")
        url, _, model = rest.rpartition("#")
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        if kind != "openai" or not is_address or not model.strip():
            raise ConfigError(
                f"a judge is openai:BASE_URL#MODEL, such as openai:http://127.0.0.1:8000/v1#NAME; "
                f"got {_without_password(spec)[:100]!r}"
            )
        if parts.username is not None or parts.query:
            raise ConfigError(
                f"the address of a judge holds no password or query, got "
                f"{_without_password(url)[:100]!r}; put the key into {KEY_VARIABLE}"
            )
        return cls(base_url=url, model=model.strip())


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", text).partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much.

    Attributes:
        timeout_s: Wall time of one try, from the connection to the last byte.
        retries: Tries after the first.
        reply_bytes: Largest body that is read.
    """

    timeout_s: float = 120.0
    retries: int = 4
    reply_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 < self.timeout_s <= 3600:
            raise ConfigError(f"timeout must be above 0, up to 3600 s, got {self.timeout_s}")
        if not 0 <= self.retries <= 20:
            raise ConfigError(f"retries must be 0 to 20, got {self.retries}")


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


class _Try(NamedTuple):
    """One try; `pause` says how long the server asks to wait before the next."""

    reply: Reply
    is_transient: bool = False
    pause: float | None = None


class ChatClient:
    """One server's chat completions. Close it after use; safe to share among threads.

    Raises:
        MissingExtra: The openai package is not installed.
    """

    def __init__(
        self,
        server: ChatServer,
        *,
        key: str = "",
        limits: Limits | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        packages = _packages()
        self._openai, self._http = packages.openai, packages.http
        self._refused: type[Exception] = packages.bounded.ReplyRefused
        self.server, self._key = server, key
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self.limits = limits or Limits()
        transport = packages.bounded.BoundedTransport(
            self.limits.reply_bytes, self.limits.timeout_s
        )
        self._client = self._openai.OpenAI(
            base_url=server.base_url,
            api_key=key or "none",  # a server without keys takes any
            organization="", project="", max_retries=0, timeout=self.limits.timeout_s,
            http_client=self._http.Client(
                transport=transport, follow_redirects=False, trust_env=False
            ),
            default_headers={"Accept-Encoding": "identity"},
        )  # fmt: skip
        self._lost, self._lock = 0, threading.Lock()

    def close(self) -> None:
        """End all connections; threads that are still asking stop before their next try."""
        self._stop.set()
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
        attempt, tried = 0, self._try(asked)
        while tried.is_transient and attempt < self.limits.retries:
            wanted = _FIRST_PAUSE_S * 2**attempt if tried.pause is None else tried.pause
            self._sleep(min(wanted, _LONGEST_PAUSE_S))
            attempt, tried = attempt + 1, self._try(asked)
        self._note(tried.reply)
        return tried.reply

    def _note(self, reply: Reply) -> None:
        with self._lock:
            self._lost = self._lost + 1 if reply.is_lost else 0
            if self._lost >= _LOST_IN_A_ROW:
                raise self._gone(reply.detail)

    def _gone(self, why: str) -> ModelError:
        return ModelError(f"the judge {self.server.model} at {self.server.base_url} is gone: {why}")

    def _try(self, asked: Mapping[str, Any]) -> _Try:
        if self._stop.is_set():
            raise ModelError("the client of the judge was closed")
        try:
            raw = self._client.chat.completions.with_raw_response.create(**asked)
            return _Try(reply_of(raw.content))
        except self._refused as error:
            return _Try(Reply(text=None, detail=str(error), is_lost=True))
        except self._openai.APITimeoutError:
            why = f"no reply within {self.limits.timeout_s:g} s"
            return _Try(Reply(text=None, detail=why, is_lost=True), is_transient=True)
        except self._openai.APIConnectionError as error:
            return self._unconnected(error)
        except self._openai.APIStatusError as error:
            return self._status(error)
        except self._http.RequestError as error:
            why = f"the connection broke ({type(error).__name__})"
            return _Try(Reply(text=None, detail=why, is_lost=True), is_transient=True)

    def _unconnected(self, error: Exception) -> _Try:
        cause = error.__cause__
        if isinstance(cause, self._refused):
            return _Try(Reply(text=None, detail=str(cause), is_lost=True))
        why = f"no connection ({type(cause or error).__name__})"
        return _Try(Reply(text=None, detail=why, is_lost=True), is_transient=True)

    def _status(self, error: Any) -> _Try:
        code = int(error.status_code)
        if code in (401, 403):
            raise ModelError(
                f"{self.server.base_url} refuses the key (HTTP {code}); put a valid one into the "
                f"environment variable {KEY_VARIABLE} or name another with --key-env"
            )
        if code == 404 or 300 <= code < 400:
            raise ModelError(
                f"{self.server.base_url} knows no chat completions of {self.server.model} "
                f"(HTTP {code}); mend the address (often it ends in /v1) or the model's name"
            )
        if code in _TRANSIENT or code >= 500:
            pause = _seconds(error.response.headers.get("retry-after"))
            reply = Reply(text=None, detail=f"HTTP {code} from the server", is_lost=True)
            return _Try(reply, is_transient=True, pause=pause)
        said = self._redacted(str(error.message))[:120]
        return _Try(Reply(text=None, detail=f"refused by the server (HTTP {code}): {said}"))

    def _redacted(self, text: str) -> str:
        """A server may echo what it was sent."""
        return text.replace(self._key, "...") if self._key else text


def key_from(variable: str) -> str:
    """The key in an environment variable; empty if there is none.

    Raises:
        ConfigError: the name is none, or the key holds what no header may.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", variable):
        raise ConfigError("--key-env takes the name of an environment variable, not a key")
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and (key.isprintable() or not key)):
        raise ConfigError(f"the key in {variable} holds characters that no key has")
    return key


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


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; the date form counts as none."""
    if header is None or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", header.strip()):
        return None
    return float(header)


class _Packages(NamedTuple):
    """What the api extra brings."""

    openai: ModuleType
    http: ModuleType
    bounded: ModuleType


def _packages() -> _Packages:
    try:
        import httpx2
        import openai

        from pathshift.authoring import bounded_http
    except ImportError:
        raise MissingExtra("openai", "api") from None
    return _Packages(openai, httpx2, bounded_http)
