"""Tokens per second of the k-sample engine beside transformers' own generate, in one run.

    python benchmarks/engine.py [ROUNDS]

Same weights (SmolLM2-135M, fp32, CPU), same prompt, same number of rows and tokens, no stop texts.
Prints medians and the ratio; single times on a shared machine mean little.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from pathshift.decoding.policy import Policy
from pathshift.models import smollm2
from pathshift.models.hf.model import HfModel, load_hf
from pathshift.models.protocol import Request

PROMPT = "Question: What is 14 + 23?\nAnswer: 37\n\nQuestion: What is 37 + 48?\nAnswer:"
TOKENS = 32


def ours(model: HfModel, rows: int) -> int:
    """Sampled tokens of one call of the engine."""
    request = Request(prompt=PROMPT, seeds=tuple(range(rows)))
    (drawn,) = model.generate([request], Policy(max_tokens=TOKENS))
    return sum(completion.n_tokens for completion in drawn)


def theirs(model: HfModel, rows: int) -> int:
    """Sampled tokens of one call of transformers' generate."""
    import torch  # after the package has set its environment

    ids = torch.tensor([model._encode(PROMPT, is_chat=False)]).expand(rows, -1)
    with torch.inference_mode():
        out = model._network.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0,
            max_new_tokens=TOKENS,
        )  # fmt: skip
    ends = torch.tensor(sorted(model._end_ids))
    new = out[:, ids.shape[1] :]
    is_over = torch.isin(new, ends).int().cumsum(-1) > 1
    return int((~is_over).sum())


def rate(call: Callable[[HfModel, int], int], model: HfModel, rows: int) -> float:
    """Tokens per second of one call."""
    started = time.perf_counter()
    return call(model, rows) / (time.perf_counter() - started)


def main(rounds: int) -> None:
    """Print one line for each number of rows."""
    print(f"{rounds} rounds in turn, {TOKENS} tokens a sample")
    for rows in (16, 32, 64):
        model = load_hf("smollm2", str(smollm2.location()), n_rows=rows)
        ours(model, rows)
        pairs = [(rate(ours, model, rows), rate(theirs, model, rows)) for _ in range(rounds)]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(x / y for x, y in pairs)
        print(f"rows {rows:>3}: engine {a:6.0f} tokens/s, generate {b:6.0f}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
