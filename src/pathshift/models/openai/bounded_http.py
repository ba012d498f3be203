"""An HTTP transport whose replies end: at a size and at a time, whatever their status.

Needs httpx2; imported when a client is made, never before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2

_CONNECT_SECONDS = 10.0


class ReplyRefused(Exception):
    """A body that is too large, too slow, or packed."""


class BoundedTransport(httpx2.BaseTransport):  # type: ignore[misc]
    """Passes requests on and puts limits around what comes back."""

    def __init__(self, reply_bytes: int, timeout_s: float) -> None:
        # How many ask at once is the caller's business.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        self._inner = httpx2.HTTPTransport(limits=limits)
        self._reply_bytes, self._timeout_s = reply_bytes, timeout_s

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it; a packed reply is refused, since a small one can unpack to a huge one."""
        deadline = time.monotonic() + self._timeout_s
        response = self._inner.handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise ReplyRefused("the reply is packed, which was not asked for")
        response.stream = self._bounded(response.stream, deadline)
        return response

    def _bounded(self, stream: httpx2.SyncByteStream, deadline: float) -> _Body:
        return _Body(stream, self._reply_bytes, deadline, self._timeout_s)

    def close(self) -> None:
        """End all connections."""
        self._inner.close()


class _Body(httpx2.SyncByteStream):  # type: ignore[misc]
    def __init__(
        self, inner: httpx2.SyncByteStream, most: int, deadline: float, timeout_s: float
    ) -> None:
        self._inner, self._most = inner, most
        self._deadline, self._timeout_s = deadline, timeout_s

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > self._most:
                raise ReplyRefused(f"the reply is larger than {self._most:,} bytes")
            if time.monotonic() > self._deadline:
                raise ReplyRefused(f"the reply took longer than {self._timeout_s:g} s")
            yield chunk

    def close(self) -> None:
        self._inner.close()


def bounded_client(reply_bytes: int, timeout_s: float) -> httpx2.Client:
    """A client that follows no redirect, heeds no proxy of the environment and unpacks nothing."""
    return httpx2.Client(
        transport=BoundedTransport(reply_bytes, timeout_s),
        timeout=httpx2.Timeout(timeout_s, connect=min(_CONNECT_SECONDS, timeout_s)),
        follow_redirects=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
    )
