"""Run folders whose answers and verdicts are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.run import RunWriter

Judged = tuple[str | None, Outcome]
"""An answer and what became of it."""


def write_run(
    path: Path,
    golds: Mapping[str, str],
    verdicts: Mapping[str, Mapping[str, Sequence[Judged]]],
    *,
    floor: float | None = 0.0,
) -> Path:
    """A run whose own verifier is the first of `verdicts` (verifier -> problem id -> samples)."""
    problems = [
        Problem(id=name, task="toy", question=f"{name}?", gold=gold, floor=floor)
        for name, gold in golds.items()
    ]
    own, *others = verdicts
    n = len(next(iter(verdicts[own].values())))
    config = {"verifier": own, "model": "toy", "task": "toy", "seed": 0}
    manifest = RunManifest(config=config, n=n)
    with RunWriter.open(path, manifest, problems, ["?"] * len(problems)) as writer:
        for name, rows in verdicts[own].items():
            samples = [_sample(name, i, answer) for i, (answer, _) in enumerate(rows)]
            writer.add(samples, _verdicts(name, rows))
    for verifier in others:
        with RunWriter(path, verifier) as writer:
            for name, rows in verdicts[verifier].items():
                writer.add([], _verdicts(name, rows))
    return path


def _sample(name: str, number: int, answer: str | None) -> Sample:
    return Sample(
        problem_id=name, sample_no=number, seed=hash_of(name, number), text=answer or "",
        n_tokens=1, finish_reason="stop",
    )  # fmt: skip


def hash_of(name: str, number: int) -> int:
    return sum(map(ord, name)) * 1000 + number


def _verdicts(name: str, rows: Sequence[Judged]) -> list[Verdict]:
    return [
        Verdict(problem_id=name, sample_no=i, outcome=outcome, answer=answer,
                detail="it hung" if outcome is Outcome.FAILED else "")
        for i, (answer, outcome) in enumerate(rows)
    ]  # fmt: skip
