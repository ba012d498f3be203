"""Run folders with chains whose soundness is known: a sound one holds the word GOOD."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.run import RunWriter

Chain = tuple[str, Outcome]
"""A text, and what became of its answer."""


def write_run(
    path: Path, chain_at: Callable[[int, int], Chain], *, problems: int = 4, n: int = 8
) -> Path:
    """A run with a chain at every (problem, sample number)."""
    asked = [
        Problem(id=f"p{i}", task="t", question=f"What is {i} + {i}?", gold=str(2 * i), floor=0.0)
        for i in range(problems)
    ]
    manifest = RunManifest(config={"verifier": "text", "model": "fake:m", "seed": 0}, n=n)
    with RunWriter.open(path, manifest, asked, [p.question for p in asked]) as run:
        for i, problem in enumerate(asked):
            for number in range(n):
                text, outcome = chain_at(i, number)
                sample = Sample(
                    problem_id=problem.id, sample_no=number, seed=1000 * i + number, text=text,
                    n_tokens=3, finish_reason="stop",
                )  # fmt: skip
                verdict = Verdict(
                    problem_id=problem.id, sample_no=number, outcome=outcome, answer="a"
                )
                run.add([sample], [verdict])
        run.compact()
    return path


def half_right(i: int, number: int) -> Chain:
    """Even samples are right, every fourth of all has a sound chain; all texts differ."""
    outcome = Outcome.CORRECT if number % 2 == 0 else Outcome.WRONG
    return f"step {i} {number} {'GOOD' if number % 4 == 0 else 'LUCK'}", outcome
