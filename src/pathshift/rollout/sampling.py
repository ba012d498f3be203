"""The loop: what is missing is drawn, judged and stored, unit by unit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathshift.decoding.uniforms import seed_of
from pathshift.models.protocol import Completion, Model, Request
from pathshift.records import SCHEMA_VERSION, Outcome, Problem, Sample
from pathshift.rollout.plan import Plan
from pathshift.store.run import SHARD_SECONDS, RunFolder, RunWriter, SampleKey
from pathshift.verify.judge import Judge

UNIT_SAMPLES = 32
"""Samples of one problem drawn in one call: what a kill can lose besides the open shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        kept: Samples that were on disk at the start.
        drawn: Samples drawn since.
        wanted: Samples to draw in all since the start.
        tokens: Tokens drawn since the start.
        seconds: Since the start.
        correct: Correct ones among the drawn.
    """

    kept: int
    drawn: int
    wanted: int
    tokens: int
    seconds: float
    correct: int


@dataclass(frozen=True, slots=True)
class Unit:
    """Samples of one problem that are drawn together."""

    problem: Problem
    prompt: str
    numbers: tuple[int, ...]


def draw_samples(
    plan: Plan,
    model: Model,
    out: Path,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    shard_seconds: float = SHARD_SECONDS,
) -> Progress:
    """Bring a run folder to n samples of every problem; what is there is kept.

    Returns:
        The last progress.

    Raises:
        RunError: the folder holds another configuration, is locked or damaged.
        StorageError: the disk is full; closed shards are safe.
    """
    verifier = str(plan.manifest.config["verifier"])
    with Judge(verifier) as judge:
        judge.check(plan.problems)
        return _draw_all(plan, model, out, judge, on_progress, shard_seconds)


def _draw_all(
    plan: Plan,
    model: Model,
    out: Path,
    judge: Judge,
    on_progress: Callable[[Progress], None],
    shard_seconds: float,
) -> Progress:
    with RunWriter.open(out, plan.manifest, plan.problems, plan.prompts) as writer:
        writer.shard_seconds = shard_seconds
        kept = writer.sampled()
        _judge_leftovers(writer, judge, plan.problems)
        units = list(pending(plan, kept, writer.folder.manifest.n))
        progress = Progress(
            kept=len(kept), drawn=0, wanted=sum(len(u.numbers) for u in units),
            tokens=0, seconds=0.0, correct=0,
        )  # fmt: skip
        on_progress(progress)
        started = time.monotonic()
        for unit in units:
            samples = draw_unit(unit, plan, model)
            verdicts = judge.verdicts((unit.problem, sample) for sample in samples)
            writer.add(samples, verdicts)
            progress = Progress(
                kept=progress.kept,
                drawn=progress.drawn + len(samples),
                wanted=progress.wanted,
                tokens=progress.tokens + sum(sample.n_tokens or 0 for sample in samples),
                seconds=time.monotonic() - started,
                correct=progress.correct + sum(v.outcome is Outcome.CORRECT for v in verdicts),
            )
            on_progress(progress)
        writer.compact()
    return progress


def pending(plan: Plan, kept: set[SampleKey], n: int) -> Iterator[Unit]:
    """What is missing, problem by problem, in units of equal numbers whatever is on disk."""
    for problem, prompt in zip(plan.problems, plan.prompts, strict=True):
        missing = [i for i in range(n) if (problem.id, i) not in kept]
        for start in range(0, len(missing), UNIT_SAMPLES):
            yield Unit(problem, prompt, tuple(missing[start : start + UNIT_SAMPLES]))


def draw_unit(unit: Unit, plan: Plan, model: Model) -> list[Sample]:
    """Ask the model for one unit; each sample's seed depends on its own number alone."""
    config = plan.manifest.config
    seeds = tuple(
        seed_of(
            "sample", SCHEMA_VERSION, config["seed"], config["stream"],
            unit.problem.content_hash, number,
        )
        for number in unit.numbers
    )  # fmt: skip
    request = Request(prompt=unit.prompt, seeds=seeds, is_chat=plan.is_chat)
    (completions,) = model.generate([request], plan.policy)
    return [
        _sample(unit.problem, number, seed, completion)
        for number, seed, completion in zip(unit.numbers, seeds, completions, strict=True)
    ]


def _sample(problem: Problem, number: int, seed: int, completion: Completion) -> Sample:
    return Sample(
        problem_id=problem.id,
        sample_no=number,
        seed=seed,
        text=completion.text,
        n_tokens=completion.n_tokens,
        finish_reason=completion.finish_reason,
        logprob_sum=completion.logprob_sum,
        sampling_logprob_sum=completion.sampling_logprob_sum,
        detail=completion.detail,
    )


def _judge_leftovers(writer: RunWriter, judge: Judge, problems: Sequence[Problem]) -> int:
    """Judge samples whose verdicts a kill kept from the disk; return how many."""
    by_id = {problem.id: problem for problem in problems}
    left = writer.unjudged()
    writer.add_verdicts(judge.verdicts((by_id[s.problem_id], s) for s in left))
    return len(left)


def verify_run(path: Path, verifier: str | None = None) -> int:
    """Judge the samples of a run that this verifier has not judged; return how many.

    Raises:
        RunError: not a run folder, or locked.
    """
    name = verifier or str(RunFolder(path).manifest.config["verifier"])
    with Judge(name) as judge, RunWriter(path, name) as writer:
        judged = _judge_leftovers(writer, judge, writer.folder.problems())
        writer.compact()
    return judged
