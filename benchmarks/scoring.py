"""Time to score 10,000 completions of 100 tokens with a model of about 1M parameters.

    python -m benchmarks.scoring

Beside it the peer in the same run: transformers' own forward pass, one completion after the other,
prompt and all, on a part of them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from tests.tiny import save_tiny

from pathshift.models.hf.model import HfModel, load_hf
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.rollout.scoring import score_run
from pathshift.store.run import RunWriter

PROBLEMS, EACH, LENGTH, PEER = 100, 100, 100, 300
PROMPT = "Question: what is the sum of the first {} odd numbers?\nAnswer:"


def made(out: Path) -> None:
    """A run of random lower-case texts."""
    draw = torch.Generator().manual_seed(0)
    problems = [
        Problem(id=f"p{i:03}", task="made", question=f"q{i}", gold="1") for i in range(PROBLEMS)
    ]
    config = {"verifier": "number", "model": "made", "weights_hash": "none", "mode": "completion"}
    samples, verdicts = [], []
    for problem in problems:
        letters = torch.randint(97, 123, (EACH, LENGTH), generator=draw).tolist()
        for number, row in enumerate(letters):
            samples.append(
                Sample(
                    problem_id=problem.id, sample_no=number, seed=number, text=bytes(row).decode(),
                    n_tokens=LENGTH, finish_reason="length",
                )
            )  # fmt: skip
            verdicts.append(Verdict(problem_id=problem.id, sample_no=number, outcome=Outcome.WRONG))
    prompts = [PROMPT.format(i) for i in range(PROBLEMS)]
    with RunWriter.open(out, RunManifest(config=config, n=EACH), problems, prompts) as writer:
        writer.add(samples, verdicts)


def peer_seconds(model: HfModel, out: Path) -> float:
    """Plain passes over PEER completions, scaled to all."""
    from pathshift.store.run import RunFolder

    folder = RunFolder(out)
    prompts, samples = folder.prompts(), folder.samples()[:PEER]
    started = time.perf_counter()
    with torch.inference_mode():
        for sample in samples:
            ids = torch.tensor(
                [model._encode(prompts[sample.problem_id] + sample.text, is_chat=False)]
            )
            logits = model._network(ids).logits[0, -LENGTH - 1 : -1].float()
            logits.log_softmax(-1).gather(-1, ids[0, -LENGTH:, None]).sum()
    return (time.perf_counter() - started) / PEER * PROBLEMS * EACH


def main() -> None:
    """Print both times and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        made(out)
        model = load_hf("hf:tiny", str(save_tiny(Path(folder) / "tiny", width=128, layers=4)))
        started = time.perf_counter()
        _, progress = score_run(out, model)
        ours = time.perf_counter() - started
        peer = peer_seconds(model, out)
    print(
        f"{model.info.details['parameters']:,} parameters, {progress.drawn:,} completions of "
        f"{LENGTH} tokens scored and stored in {ours:.1f} s ({progress.tokens / ours:,.0f} "
        f"tokens/s); plain passes one by one {peer:.1f} s, ratio {peer / ours:.1f}"
    )


if __name__ == "__main__":
    main()
