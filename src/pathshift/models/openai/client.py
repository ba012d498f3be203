"""The one HTTP client of OpenAI-compatible servers, that cannot be kept waiting or flooded.

Each request has a deadline and few retries with growing pauses; a reply has a size limit. What the
server says of one request is data (an `Answer`); a server that is gone, or a key that it refuses,
is an error. The key comes from an environment variable, goes into the request's header and nowhere
else. Redirects are not followed, replies are not unpacked (a small packed body can be huge),
proxies of the environment are not used.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pathshift.errors import ConfigError, MissingExtra, ModelError

KEY_VARIABLE = "PATHSHIFT_API_KEY"
"""Where the key is looked for unless another variable is named."""

_TRANSIENT = {408, 409, 425, 429}
_BUSY_OR_GONE = {429, 502, 503, 504}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model at a server."""

    base_url: str
    model: str

    @classmethod
    def from_spec(cls, spec: str) -> Server:
        """Read openai:BASE_URL#MODEL.

        Raises:
            ConfigError: it is no such spec, or the address holds a password.

        >>> Server.from_spec("openai:http://127.0.0.1:8000/v1#Qwen/Qwen3-8B").model
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
                "a model at a server is openai:BASE_URL#MODEL, such as "
                f"openai:http://127.0.0.1:8000/v1#NAME; got {_without_password(spec)[:100]!r}"
            )
        if parts.username is not None or parts.query:
            raise ConfigError(
                f"the address of a server holds no password or query, got "
                f"{_without_password(url)[:100]!r}; put the key into {KEY_VARIABLE}"
            )
        return cls(base_url=url.rstrip("/"), model=model.strip())

    @property
    def root_url(self) -> str:
        """The address without its /v1, where servers keep what OpenAI's does not have."""
        return self.base_url.removesuffix("/v1")


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", text).partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much.

    Attributes:
        timeout_s: Wall time of one try, from the connection to the last byte.
        retries: Tries after the first.
        reply_bytes: Largest body that is read.
        lost_in_a_row: Requests given up one after the other until the server counts as gone.
    """

    timeout_s: float = 120.0
    retries: int = 4
    reply_bytes: int = 4_000_000
    lost_in_a_row: int = 3

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 < self.timeout_s <= 36000:
            raise ConfigError(f"timeout must be above 0, up to 36000 s, got {self.timeout_s:g}")
        if not 0 <= self.retries <= 20:
            raise ConfigError(f"retries must be 0 to 20, got {self.retries}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request, after its retries.

    Attributes:
        body: Of an accepted request; None else.
        status: HTTP status; None if there was no reply.
        detail: Why there is no body.
        is_lost: It is the server's fault, not that of what was asked.
        is_gone: Nobody answers, or somebody says that nobody can; no other request fares better.
    """

    body: bytes | None = None
    status: int | None = None
    detail: str = ""
    is_lost: bool = False
    is_gone: bool = False


class _Try(NamedTuple):
    """One try; `pause` says how long the server asks to wait before the next."""

    answer: Answer
    is_transient: bool = False
    pause: float | None = None


class HttpClient:
    """Requests to one server. Close it after use; safe to share among threads.

    Raises:
        MissingExtra: httpx2 is not installed.
    """

    def __init__(
        self,
        server: Server,
        *,
        key: str = "",
        limits: Limits | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        packages = _packages()
        self._http = packages.http
        self._refused: type[Exception] = packages.bounded.ReplyRefused
        self.server, self._key = server, key
        self.limits = limits or Limits()
        self._stop = threading.Event()
        self._why: ModelError | None = None
        self._sleep = sleep or self._stop.wait
        self._client = packages.bounded.bounded_client(
            self.limits.reply_bytes, self.limits.timeout_s
        )
        # A server without keys takes any.
        self._headers = {"Authorization": f"Bearer {key or 'none'}"}
        self._lost, self._lock = 0, threading.Lock()

    def close(self) -> None:
        """End all connections; threads that are still asking stop before their next try."""
        self._stop.set()
        self._client.close()

    def stop(self, why: ModelError) -> None:
        """Let what is under way come to its end and try nothing anew; say why to who tries."""
        self._why = self._why or why
        self._stop.set()

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Ask for something that the server is known to have; `note` then what came of it.

        Args:
            path: Below the base address, such as "completions".

        Raises:
            ModelError: the server is gone, knows no such model or refuses the key.
        """
        answer = self._sent("POST", f"{self.server.base_url}/{path}", body)
        if answer.status == 404 or 300 <= (answer.status or 0) < 400:
            raise ModelError(
                f"{self.server.base_url} knows no {path.replace('/', ' ')} of {self.server.model} "
                f"(HTTP {answer.status}); mend the address (often it ends in /v1) or the model's "
                "name"
            )
        return answer

    def probe(self, url: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Ask for something that the server may not have; a refusal is an answer too.

        Args:
            url: The whole address.
            body: None for a GET.

        Raises:
            ModelError: the server cannot be reached or refuses the key.
        """
        answer = self._sent("GET" if body is None else "POST", url, body)
        if answer.is_gone:
            raise self.gone(answer.detail)
        return answer

    def note(self, detail: str, *, is_lost: bool) -> None:
        """Count a request that was given up; one that was not ends the row.

        Raises:
            ModelError: it was one too many.
        """
        with self._lock:
            self._lost = self._lost + 1 if is_lost else 0
            if self._lost >= self.limits.lost_in_a_row:
                raise self.gone(detail)

    def gone(self, why: str) -> ModelError:
        """The error of a server that answers no more."""
        return ModelError(f"{self.server.model} at {self.server.base_url} is gone: {why}")

    def _sent(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        attempt, tried = 0, self._try(method, url, content)
        while tried.is_transient and attempt < self.limits.retries:
            wanted = _FIRST_PAUSE_S * 2**attempt if tried.pause is None else tried.pause
            self._sleep(min(wanted, _LONGEST_PAUSE_S))
            attempt, tried = attempt + 1, self._try(method, url, content)
        return tried.answer

    def _try(self, method: str, url: str, content: bytes | None) -> _Try:
        if self._stop.is_set():
            raise self._why or ModelError(f"the client of {self.server.model} was closed")
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            return self._read(self._client.request(method, url, content=content, headers=headers))
        except self._refused as error:
            return _Try(Answer(detail=str(error), is_lost=True))
        except self._http.ConnectTimeout:
            return _lost("no connection within the time", is_gone=True)
        except self._http.TimeoutException:
            return _lost(f"no reply within {self.limits.timeout_s:g} s")
        except self._http.ConnectError as error:
            return _lost(f"no connection ({type(error).__name__})", is_gone=True)
        except self._http.HTTPError as error:
            return _lost(f"the connection broke ({type(error).__name__})")
        except RuntimeError as error:
            # httpx2's word for a client that another thread has closed.
            raise ModelError(f"the client of {self.server.model} was closed") from error

    def _read(self, response: Any) -> _Try:
        code = int(response.status_code)
        if 200 <= code < 300:
            return _Try(Answer(body=response.content, status=code))
        if code in (401, 403):
            raise ModelError(
                f"{self.server.base_url} refuses the key (HTTP {code}); put a valid one into the "
                f"environment variable {KEY_VARIABLE}, or the one that --key-env names"
            )
        if code in _TRANSIENT or code >= 500:
            pause = _seconds(response.headers.get("retry-after"))
            answer = Answer(
                status=code, detail=f"HTTP {code} from the server", is_lost=True,
                is_gone=code in _BUSY_OR_GONE,
            )  # fmt: skip
            return _Try(answer, is_transient=True, pause=pause)
        said = self._redacted(_message(response.content))[:240]
        return _Try(Answer(status=code, detail=f"refused by the server (HTTP {code}): {said}"))

    def _redacted(self, text: str) -> str:
        """A server may echo what it was sent."""
        return text.replace(self._key, "...") if self._key else text


def _lost(why: str, *, is_gone: bool = False) -> _Try:
    return _Try(Answer(detail=why, is_lost=True, is_gone=is_gone), is_transient=True)


def _message(body: bytes) -> str:
    """What the server says of an error, in one line; servers differ in where they say it."""
    text = body.decode(errors="replace")
    try:
        found = json.loads(body)
        found = found.get("error", found)
        text = found if isinstance(found, str) else str(found.get("message", text))
    except (ValueError, AttributeError, RecursionError):
        pass
    return " ".join(text[:2000].split())


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


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; the date form counts as none."""
    if header is None or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", header.strip()):
        return None
    return float(header)


class _Packages(NamedTuple):
    """What the api extra brings."""

    http: ModuleType
    bounded: ModuleType


def _packages() -> _Packages:
    try:
        import httpx2

        from pathshift.models.openai import bounded_http
    except ImportError:
        raise MissingExtra("httpx2", "api") from None
    return _Packages(httpx2, bounded_http)
