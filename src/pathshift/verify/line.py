"""A child process and the two pipes to it, one JSON object a line each way.

The process gets a group of its own, few environment variables and no open files of this process.
Lines are of bounded length and waited for a bounded time. POSIX systems only (Linux, macOS).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from pathshift.errors import ConfigError

MAX_REPLY_BYTES = 65_536

_PASSED_ON = (
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("HOME", "TMPDIR", "LANG", "LC_ALL"),
)


class Lost(Exception):
    """The process gave no usable reply; the text says why."""


class Line:
    """A running process that is spoken to in lines. Used by one thread at a time."""

    def __init__(self, command: tuple[str, ...]) -> None:
        if os.name != "posix":
            raise ConfigError("this verifier needs a POSIX system (Linux, macOS)")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._received = b""

    def exchange(self, request: Mapping[str, Any] | None, *, limit_s: float) -> dict[str, Any]:
        """Sends a line, if any, and returns the next line that answers it.

        A reply that carries another `id` than the request is a late one and passed over.

        Raises:
            Lost: No such line came within the limit.
        """
        unsent = b"" if request is None else json.dumps(request).encode("ascii") + b"\n"
        wanted = None if request is None else request.get("id")
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while True:
                while b"\n" in self._received:
                    message = self._next_message()
                    if message.get("id", wanted) == wanted:
                        return message
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise Lost("timed out")
                for key, _ in ready:
                    if key.fileobj is self._stdout:
                        self._receive()
                    elif not (unsent := self._sent(unsent)):
                        selector.unregister(self._stdin)

    def close(self) -> str:
        """Kills the whole process group and reaps the process; says how it had ended before."""
        # Before the wait: until the process is reaped, its number cannot belong to another.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self._close_pipes()
        return "" if status in (0, -signal.SIGKILL) else f" (exit status {status})"

    def abandon(self) -> None:
        """In a forked child: lets go of the pipes of a process that belongs to the parent."""
        self._close_pipes()
        self._process.returncode = 0  # or its end would be waited for here, in vain

    def _close_pipes(self) -> None:
        self._stdin.close()
        self._stdout.close()

    def _receive(self) -> None:
        part = os.read(self._stdout.fileno(), MAX_REPLY_BYTES)
        if not part:
            raise Lost("process ended before it replied")
        self._received += part
        if len(self._received) > MAX_REPLY_BYTES:
            raise Lost("process wrote too much")

    def _sent(self, unsent: bytes) -> bytes:
        """What is still to be sent after one write."""
        try:
            return unsent[os.write(self._stdin.fileno(), unsent) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:
            raise Lost("process ended before it read the answer") from None

    def _next_message(self) -> dict[str, Any]:
        text, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise Lost("process wrote something else than a reply") from None
        if not isinstance(message, dict):
            raise Lost("process wrote something else than a reply")
        return message


def _environment() -> dict[str, str]:
    """Few variables of this process; a fixed hash seed, since set orders steer the algebra."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
