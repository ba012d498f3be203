"""Tokens per second of the k-sample engine beside transformers' own generate, in one run.

    python -m benchmarks.engine [ROUNDS] [--threads N] [--tokens N] [--only NAME] [--clock cpu]
                                [--vllm PYTHON]

Rounds are run in turn and medians printed; single times on a shared machine mean little. The prompt
has 61 tokens of SmolLM2, 256 samples are drawn, the end token is off, temperature 1, the
distribution not cut. transformers' generate gets the best of its dtypes and batch sizes, found in a
trial. Three parts: `smollm2`; `tiny`, a random model of about 1M parameters whose tokens are bytes;
`memory`, peak memory of one call with a short and a long prompt (Linux). The first prints too which
share of the best square bf16 product of the same run the engine reaches, and with a Python that has
vLLM (that of `make test-servers`) the ratio to vLLM, rounds in turn, both on all threads asked for.
`--clock cpu --threads 1` counts processor seconds: for a machine that others are busy on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from tests.tiny import save_tiny

from pathshift.decoding.policy import Policy
from pathshift.models import smollm2
from pathshift.models.hf.model import DTYPES, HfModel, load_hf
from pathshift.models.protocol import Request

PROMPT = (
    "Question: What is 14 + 23?\nAnswer: 37\n\nQuestion: What is 37 + 48?\nAnswer: 85\n\n"
    "Question: What is 61 + 12?\nAnswer: 73\n\nQ"
)
SAMPLES = 256
TRIAL_TOKENS = 8
PEER = Path(__file__).with_name("vllm_peer.py")
SIDES = (1024, 2048, 4096)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Ours:
    """The engine, 256 rows in a pass."""

    def __init__(self, folder: str, dtype: str) -> None:
        self.model: HfModel = load_hf("bench", folder, dtype=dtype, n_rows=SAMPLES)
        self.model._end_ids = frozenset()
        self.name = f"pathshift {dtype}"

    def __call__(self, tokens: int) -> int:
        """Draw; return how many tokens."""
        request = Request(prompt=PROMPT, seeds=tuple(range(SAMPLES)))
        (drawn,) = self.model.generate([request], Policy(max_tokens=tokens))
        return sum(completion.n_tokens for completion in drawn)


class Theirs:
    """transformers' generate, in batches."""

    def __init__(self, folder: str, ids: list[int], dtype: str, batch: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self.ids = torch.tensor([ids])
        self.batch, self.name = batch, f"transformers {dtype} batch {batch}"
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype]).eval()
        self.model.generation_config.eos_token_id = None

    def __call__(self, tokens: int, samples: int = SAMPLES) -> int:
        """Draw; return how many tokens."""
        import torch

        with torch.inference_mode():
            for _ in range(0, samples, self.batch):
                self.model.generate(
                    self.ids, attention_mask=torch.ones_like(self.ids), do_sample=True, top_k=0,
                    num_return_sequences=self.batch, max_new_tokens=tokens, pad_token_id=0,
                )  # fmt: skip
        return samples * tokens


class Stopwatch:
    """Rates by one of the clocks."""

    def __init__(self, clock: str) -> None:
        self._now = CLOCKS[clock]

    def rate(self, call: Callable[[], float]) -> float:
        """What a call returns, a second."""
        started = self._now()
        return call() / (self._now() - started)


def best_of_theirs(folder: str, ids: list[int], watch: Stopwatch) -> Theirs:
    """The quickest dtype and batch size, by a trial of one batch each."""
    found = []
    for dtype, batch in product(("bf16", "fp32"), (64, SAMPLES)):
        theirs = Theirs(folder, ids, dtype, batch)
        theirs(2, 16)
        call = partial(theirs, TRIAL_TOKENS, batch)
        found.append((watch.rate(call), theirs))
        print(f"  trial: {theirs.name}: {found[-1][0]:.0f} tokens/s", flush=True)
    return max(found, key=lambda pair: pair[0])[1]


def race(folder: str, tokens: int, rounds: int, watch: Stopwatch) -> tuple[float, Ours]:
    """Print medians and the ratio; return our median."""
    ours = max(
        (Ours(folder, dtype) for dtype in ("bf16", "fp32")),
        key=lambda o: max(watch.rate(partial(o, TRIAL_TOKENS)) for _ in range(4)),
    )
    ids = ours.model._encode(PROMPT, is_chat=False)
    theirs = best_of_theirs(folder, ids, watch)
    both = [partial(call, tokens) for call in (ours, theirs)]
    pairs = [[watch.rate(call) for call in both] for _ in range(rounds)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(x / y for x, y in pairs)
    print(f"  prompt {len(ids)} tokens, {SAMPLES} samples of {tokens} tokens, {rounds} rounds")
    print(f"  {ours.name}: {a:.0f} tokens/s; {theirs.name}: {b:.0f}; ratio {ratio:.2f}", flush=True)
    return a, ours


def best_product(watch: Stopwatch) -> float:
    """GFLOP/s of the best square bf16 product."""
    import torch

    def product_of(a: Any, b: Any) -> float:
        torch.mm(a, b)
        return 2e-9 * len(a) ** 3

    pairs = [[torch.randn(side, side).bfloat16() for _ in range(2)] for side in SIDES]
    return max(watch.rate(partial(product_of, *pair)) for pair in pairs for _ in range(3))


class Vllm:
    """vLLM in a process of its own, which sleeps while the other side draws."""

    def __init__(self, python: str, folder: str, threads: int) -> None:
        bound = {
            "VLLM_CPU_OMP_THREADS_BIND": f"0-{threads - 1}", "VLLM_CPU_KVCACHE_SPACE": "2",
            "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR",
        }  # fmt: skip
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OMP_NUM_THREADS")}
        self._process = subprocess.Popen(
            [python, str(PEER), folder, PROMPT, str(SAMPLES)], env=env | bound, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._answer("ready")

    def rate(self, tokens: int) -> float:
        """Tokens a second by the clock on the wall."""
        assert self._process.stdin
        self._process.stdin.write(f"{tokens}\n")
        self._process.stdin.flush()
        return float(self._answer("tokens/s "))

    def _answer(self, mark: str) -> str:
        """What follows the mark; vLLM's own words are passed over."""
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(mark):
                return line.removeprefix(mark)
        raise RuntimeError(f"vLLM ended with exit code {self._process.wait()}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def vllm_race(python: str, tokens: int, rounds: int, watch: Stopwatch, threads: int) -> None:
    """Ours beside vLLM's CPU build."""
    folder = str(smollm2.location())
    ours, theirs = Ours(folder, "bf16"), Vllm(python, folder, threads)
    try:
        watch.rate(partial(ours, TRIAL_TOKENS))
        pairs = [(watch.rate(partial(ours, tokens)), theirs.rate(tokens)) for _ in range(rounds)]
    finally:
        theirs.close()
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(x / y for x, y in pairs)
    print(
        f"  {ours.name}: {a:.0f} tokens/s; vLLM bf16 on {threads} threads: {b:.0f}; "
        f"ratio {ratio:.2f}, {rounds} rounds", flush=True,
    )  # fmt: skip


def smollm2_race(tokens: int, rounds: int, watch: Stopwatch) -> None:
    """The bar of a real model, and what share of the processor it takes."""
    print("SmolLM2-135M", flush=True)
    reached, ours = race(str(smollm2.location()), tokens, rounds, watch)
    peak = best_product(watch)
    per_token = 2e-9 * int(str(ours.model.info.details["parameters"]))
    print(
        f"  best square bf16 product {peak:.0f} GFLOP/s; the engine's products "
        f"{reached * per_token:.0f}: {reached * per_token / peak:.0%}"
    )


def tiny_race(rounds: int, watch: Stopwatch) -> None:
    """The bar of a bundled tiny model."""
    print("tiny, 0.9M parameters, a token a byte", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        save_tiny(Path(folder), width=128, layers=4)
        race(folder, 32, rounds, watch)


MEMORY = """
import sys
from benchmarks.engine import peak_mb
peak_mb(int(sys.argv[1]), int(sys.argv[2]))
"""


def peak_mb(prompt: int, samples: int) -> None:
    """Print the peak memory that a call adds to the loaded model, in MB."""
    model = load_hf("bench", str(smollm2.location()), dtype="bf16", n_rows=SAMPLES)
    model._end_ids = frozenset()
    text = " 7" * (prompt // 2)
    model.generate([Request(prompt=text, seeds=(0,))], Policy(max_tokens=2))
    before = _resident_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the peak back
    model.generate([Request(prompt=text, seeds=tuple(range(samples)))], Policy(max_tokens=8))
    print(_resident_mb("VmHWM") - before)


def _resident_mb(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) // 1024


def memory() -> None:
    """Peak memory by prompt length, each in a process of its own."""
    copied = 2 * 30 * 3 * 64 * 2 / 2**20  # keys and values of one position, bf16
    for prompt in (60, 2000):
        command = [sys.executable, "-c", MEMORY, str(prompt), str(SAMPLES)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        print(
            f"memory: prompt of {prompt}, {SAMPLES} samples of 8 tokens: {run.stdout.strip()} MB "
            f"more; the prompt's keys and values for every row would be "
            f"{copied * prompt * SAMPLES:.0f} MB",
            flush=True,
        )


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--only", choices=("smollm2", "tiny", "memory"))
    parser.add_argument("--vllm", metavar="PYTHON", help="a Python that has vLLM")
    asked = parser.parse_args()
    import torch  # after the package has set its environment

    torch.set_num_threads(asked.threads)
    watch = Stopwatch(asked.clock)
    if asked.only in (None, "smollm2"):
        smollm2_race(asked.tokens, asked.rounds, watch)
    if asked.vllm and asked.only in (None, "smollm2"):
        vllm_race(asked.vllm, asked.tokens, asked.rounds, watch, asked.threads)
    if asked.only in (None, "tiny"):
        tiny_race(asked.rounds, watch)
    if asked.only in (None, "memory"):
        memory()


if __name__ == "__main__":
    main()
