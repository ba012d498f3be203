"""vLLM beside `benchmarks.engine --vllm`: draws whenever a line comes in, prints tokens a second.

Runs under a Python that has vLLM and knows nothing of this package. Both cores are bound by the
caller through VLLM_CPU_OMP_THREADS_BIND; a first call, which compiles, is not counted.

    PYTHON benchmarks/vllm_peer.py MODEL PROMPT SAMPLES
"""

from __future__ import annotations

import sys
import time

import vllm

MARK = "tokens/s "


def main() -> None:
    """Answer every line, the number of tokens a sample, with a rate."""
    model, prompt, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    engine = vllm.LLM(model, dtype="bfloat16", max_model_len=512, max_num_seqs=samples, seed=0)

    def rate(tokens: int) -> float:
        drawing = vllm.SamplingParams(
            n=samples, temperature=1.0, top_p=1.0, top_k=0, max_tokens=tokens, ignore_eos=True,
            detokenize=False,
        )  # fmt: skip
        started = time.perf_counter()
        (answer,) = engine.generate([prompt], drawing, use_tqdm=False)
        drawn = sum(len(one.token_ids) for one in answer.outputs)
        return drawn / (time.perf_counter() - started)

    rate(8)
    print("ready", flush=True)
    for line in sys.stdin:
        print(f"{MARK}{rate(int(line))}", flush=True)


if __name__ == "__main__":
    main()
