"""A real OpenAI-compatible server for tests: a judge with known truth and known noise.

A chain is sound if it holds the word GOOD. A reply tells the truth, save with probability `noise`,
drawn from the request's seed and text alone, so the same request always gets the same vote.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = BaseHTTPRequestHandler
Mishap = Callable[[BaseHTTPRequestHandler, dict[str, Any], int], bool]
"""(handler, request, its number from 0) -> whether it answered in its own way."""


@dataclass
class FakeJudge:
    """What the server was told to do, and what it was asked."""

    noise: float = 0.0
    mishap: Mishap | None = None
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spec(self) -> str:
        return f"openai:{self.url}#test/Judge-1"


def solution_of(request: dict[str, Any]) -> str:
    """The fenced chain of a request."""
    text: str = request["messages"][-1]["content"]
    return text.split("<<< SOLUTION ")[1].split("\n", 1)[1].split("\n<<< END ")[0]


def is_flipped(seed: int, chain: str, noise: float) -> bool:
    drawn = hashlib.sha256(f"{seed} {chain}".encode()).digest()
    return int.from_bytes(drawn[:6], "big") / 2**48 < noise


def answer(handler: BaseHTTPRequestHandler, text: str | None, finish: str = "stop") -> None:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text},
              "finish_reason": finish}  # fmt: skip
    body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]})
    send(handler, 200, body.encode())


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    for name, value in {**sent, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running(noise: float = 0.0, mishap: Mishap | None = None) -> Iterator[FakeJudge]:
    """The server on a free port of this machine, until the block ends."""
    state = FakeJudge(noise=noise, mishap=mishap)

    class Chat(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                number = len(state.asked)
                state.asked.append(request)
                state.headers.append({k.lower(): v for k, v in self.headers.items()})
            try:
                if state.mishap is not None and state.mishap(self, request, number):
                    return
                chain = solution_of(request)
                sound = ("GOOD" in chain) != is_flipped(request["seed"], chain, state.noise)
                answer(self, f"Checked it.\nVERDICT: {'sound' if sound else 'unsound'}\n")
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
