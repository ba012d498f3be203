"""Processor time a sample of a run folder's life at 10,000, 100,000 and a million samples.

    python benchmarks/store.py [PYTHON_WITH_INSPECT] [SIZES]

Append (records to shards on disk), the scan of a resumed run (which samples are there, which lack a
verdict, where each problem stands), compaction and counts, each in milliseconds of processor time
for one sample, system time and library threads included. Beside them in the same run, where a
Python that has inspect-ai is given: Inspect's own log of 2,000 samples, written one by one as its
recorder does, and read back. The last column is the largest memory of the process so far.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.run import RunWriter

SIZES = (10_000, 100_000, 1_000_000)
EACH, UNIT, TEXT_CHARS = 1_000, 32, 600
TARGET_MS = 0.1
OUTCOMES = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)

INSPECT = """
import asyncio, sys, tempfile, time
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, EvalStats
from inspect_ai.log import read_eval_log
from inspect_ai.log._recorders import create_recorder_for_format
from inspect_ai.log._log import EvalPlan
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
from inspect_ai.scorer import Score
n, chars = int(sys.argv[1]), int(sys.argv[2])
text = lambda i: (f"step {i} of the chain " * (chars // 15))[:chars]
async def main(folder):
    recorder = create_recorder_for_format("eval", folder)
    spec = EvalSpec(created="2026-11-24T00:00:00+00:00", task="t", dataset=EvalDataset(),
                    model="m", config=EvalConfig())
    await recorder.log_init(spec)
    await recorder.log_start(spec, EvalPlan())
    began = time.process_time()
    for i in range(n):
        said = text(i)
        await recorder.log_sample(spec, EvalSample(
            id=f"p{i // 1000}", epoch=1 + i % 1000, input="q", target="1",
            messages=[ChatMessageUser(content="q"), ChatMessageAssistant(content=said)],
            output=ModelOutput.from_content("m", said), scores={"s": Score(value="C")}))
        if i % 10 == 9:
            await recorder.flush(spec)
    log = await recorder.log_finish(spec, "success", EvalStats(), None, None)
    wrote = time.process_time() - began
    began = time.process_time()
    back = read_eval_log(log.location)
    assert len(back.samples) == n
    print(wrote / n * 1e3, (time.process_time() - began) / n * 1e3)
with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
"""


def main(sizes: tuple[int, ...], inspect: str | None) -> None:
    """Print one line for each size, then the peer's, then whether the bar was met."""
    print(f"milliseconds of processor time a sample; {TEXT_CHARS} characters of text each")
    print(f"{'samples':>9}  {'append':>7}  {'resume':>7}  {'compact':>7}  {'counts':>7}  MiB")
    worst = 0.0
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found = [seconds / size * 1e3 for seconds in life(Path(folder) / "run", size)]
        worst = max(worst, *found)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{size:>9,}  " + "  ".join(f"{ms:7.4f}" for ms in found) + f"  {memory}")
    told = "met" if worst < TARGET_MS else "NOT met"
    print(f"worst {worst:.4f} ms; the bar is {TARGET_MS} ms: {told}")
    if inspect is not None:
        printed = subprocess.run(
            [inspect, "-c", INSPECT, "2000", str(TEXT_CHARS)], capture_output=True, text=True,
            check=True,
        ).stdout.split()  # fmt: skip
        wrote, read = float(printed[-2]), float(printed[-1])
        print(
            f"Inspect, 2,000 samples: write {wrote:.2f}, read {read:.2f} ms a sample; "
            f"{wrote / worst:.0f} and {read / worst:.0f} times our worst"
        )


def life(out: Path, size: int) -> Iterator[float]:
    """Seconds of processor time of appending, resuming, compacting and counting."""
    problems = [
        Problem(id=f"p{i:05}", task="made", question=f"q{i}", gold="1") for i in range(size // EACH)
    ]
    manifest = RunManifest(config={"verifier": "number", "model": "made"}, n=EACH)

    def opened() -> RunWriter:
        return RunWriter.open(out, manifest, problems, [p.question for p in problems])

    yield append(opened, problems)
    with opened() as run:
        yield clocked(lambda: scan(run, size))
        yield clocked(run.compact)
    yield clocked(lambda: run_counts(out))


def append(opened: Callable[[], RunWriter], problems: list[Problem]) -> float:
    """Seconds to store every sample; making the records is not counted."""
    seconds = 0.0
    with opened() as run:
        for problem in problems:
            for first in range(0, EACH, UNIT):
                unit = made(problem, range(first, min(first + UNIT, EACH)))
                seconds += clocked(partial(run.add, *unit))
        seconds += clocked(run.flush)
    return seconds


def made(problem: Problem, numbers: range) -> tuple[list[Sample], list[Verdict]]:
    """Samples whose texts differ, as real ones do."""
    samples = [
        Sample(
            problem_id=problem.id, sample_no=i, seed=i, n_tokens=150, finish_reason="stop",
            text="".join(f"{i * k % 99991} is step {k}; " for k in range(TEXT_CHARS // 16)),
            logprob_sum=-i / 7, sampling_logprob_sum=-i / 7,
        )
        for i in numbers
    ]  # fmt: skip
    return samples, [
        Verdict(problem_id=problem.id, sample_no=i, outcome=OUTCOMES[i % 3], answer=str(i % 17))
        for i in numbers
    ]


def scan(run: RunWriter, size: int) -> None:
    """What `pathshift sample` reads when it goes on with a run."""
    assert len(run.sampled()) == size
    assert run.unjudged() == []
    assert len(run.folder.outcomes(run.verifier)) == size // EACH


def clocked(call: Callable[[], object]) -> float:
    """Seconds of processor time of this process, all its threads."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main(
        tuple(int(size) for size in sys.argv[2:]) or SIZES,
        sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else None,
    )
