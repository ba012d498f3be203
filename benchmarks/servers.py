"""What one sample through a server costs this machine: our client beside the openai package.

A server in another process answers at once with 200 tokens and their log-probabilities. Printed are
CPU milliseconds of this process a sample, which bound the samples a second whatever the server.

    python benchmarks/servers.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai

from pathshift.decoding.policy import Policy
from pathshift.models.openai.client import HttpClient, Server
from pathshift.models.openai.model import OpenAIModel
from pathshift.models.openai.probe import Features
from pathshift.models.protocol import Request

N, AT_ONCE, RUNS, TOKENS = 512, 32, 5, 200
SERVER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
body = json.dumps({"choices": [{"text": "abcd" * 200, "finish_reason": "length",
    "logprobs": {"token_logprobs": [-1.25] * 200, "tokens": ["abcd"] * 200},
    "token_ids": [5] * 200}], "usage": {"completion_tokens": 200}}).encode()
class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def cpu_ms(draw: Callable[[], None]) -> float:
    """CPU milliseconds of this process a sample."""
    before = time.process_time()
    draw()
    return (time.process_time() - before) / N * 1e3


def ours(url: str) -> Callable[[], None]:
    """Our model at the server."""
    client = HttpClient(Server(base_url=url, model="m"))
    features = Features(dialect="vllm", has_completions=True, logprobs="raw", gives_ids=True)
    model = OpenAIModel("openai:x#m", client, features, concurrency=AT_ONCE)

    def draw() -> None:
        asked = Request(prompt="x" * 300, seeds=tuple(range(2, 2 + N)))
        (drawn,) = model.generate([asked], Policy(max_tokens=TOKENS))
        assert all(one.logprob_sum == -1.25 * TOKENS for one in drawn)

    return draw


def theirs(url: str) -> Callable[[], None]:
    """The openai package, its replies read by it."""
    client = openai.OpenAI(base_url=url, api_key="none")

    def one(seed: int) -> None:
        reply = client.completions.create(
            model="m", prompt="x" * 300, seed=seed, max_tokens=TOKENS, logprobs=0
        )
        assert sum(reply.choices[0].logprobs.token_logprobs) == -1.25 * TOKENS

    def draw() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, range(N)))

    return draw


def main() -> None:
    """Print both and their ratio."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{json.loads(server.stdout.readline())}/v1"
        ways = {"pathshift": ours(url), "openai package": theirs(url)}
        costs: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, draw in ways.items():
                costs[name].append(cpu_ms(draw))
    finally:
        server.terminate()
    middle = {name: statistics.median(values) for name, values in costs.items()}
    for name, value in middle.items():
        print(f"{name:15} {value:6.2f} ms CPU a sample, {AT_ONCE} at once")
    print(f"ratio {middle['openai package'] / middle['pathshift']:.2f}")


if __name__ == "__main__":
    main()
