"""Messages of a stated length through a pipe: eight bytes of length, then JSON. Nothing more is
read than was announced, so that what follows is still in the pipe for whoever reads next.
"""

from __future__ import annotations

import json
import os
from typing import Any

MAX_FRAME_BYTES = 16 * 2**20
_HEAD_BYTES = 8


class BadFrame(Exception):
    """What came through the pipe is no message."""


def frame(message: object) -> bytes:
    """The bytes of a message."""
    content = json.dumps(message).encode("ascii")
    return len(content).to_bytes(_HEAD_BYTES, "big") + content


def write_frame(number: int, message: object) -> None:
    """Writes the whole message to a file number; OSError if nobody reads."""
    rest = memoryview(frame(message))
    while rest:
        rest = rest[os.write(number, rest) :]


def read_frame(number: int) -> Any:
    """The next message, None at the end.

    Raises:
        BadFrame: It is longer than `MAX_FRAME_BYTES` or no JSON.
    """
    head = _exactly(number, _HEAD_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > MAX_FRAME_BYTES:
        raise BadFrame(f"a message of {length} bytes")
    content = _exactly(number, length)
    if content is None:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadFrame("no JSON") from None


def _exactly(number: int, length: int) -> bytes | None:
    parts = []
    while length:
        part = os.read(number, min(length, 2**20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
