"""The servers that the contract is held against: our own on transformers, and vLLM where it is."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch
from tests.servers.hf_server import TEMPLATE, Behaviour, serving
from tests.tiny import save_tiny
from transformers import AutoModelForCausalLM, AutoTokenizer

from pathshift.models import smollm2

VLLM_PYTHON = "PATHSHIFT_VLLM_PYTHON"
"""Names the Python of the environment that has vLLM; `make test-servers` sets it."""
START_SECONDS = 400
NAME = "test/Model-1"


@dataclass(frozen=True)
class Served:
    """A model at a server, and the very model in this process, which is the truth.

    Attributes:
        close: How far two computations of one log-probability may lie apart.
    """

    spec: str
    folder: Path
    close: float

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        """ln p of what may follow each token, shape (len(ids), V)."""
        network = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()
        with torch.inference_mode():
            found: torch.Tensor = network(torch.tensor([ids])).logits[0].log_softmax(-1)
        return found

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special)
        return ids

    def rendered(self, messages: list[dict[str, str]]) -> str:
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        text: str = tokenizer.apply_chat_template(
            messages, chat_template=tokenizer.chat_template or TEMPLATE, tokenize=False,
            add_generation_prompt=True,
        )  # fmt: skip
        return text


@pytest.fixture(scope="session", params=["transformers", "vllm"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    if request.param == "vllm":
        yield from _vllm(tmp_path_factory.mktemp("vllm") / "log")
        return
    folder = save_tiny(tmp_path_factory.mktemp("tiny"))
    with serving(folder, Behaviour()) as own:
        yield Served(own.spec, folder, close=1e-3)


def _vllm(log: Path) -> Iterator[Served]:
    python = os.environ.get(VLLM_PYTHON)
    if python is None:
        pytest.skip(f"{VLLM_PYTHON} is not set; `make test-servers` starts vLLM")
    folder = smollm2.location()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder),
        "--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port),
        "--max-model-len", "512", "--dtype", "float32", "--enforce-eager",
    ]  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    env |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=env)
        try:
            _await(f"http://127.0.0.1:{port}/health", server, log)
            yield Served(f"openai:http://127.0.0.1:{port}/v1#{NAME}", folder, close=0.02)
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            urlopen(url, timeout=5).close()
        except (URLError, OSError):
            time.sleep(1)
        else:
            return
    pytest.fail(f"vLLM did not start: {log.read_text()[-3000:]}")
