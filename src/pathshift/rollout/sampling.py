"""The loop: what is missing is drawn, judged and stored, unit by unit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ModelLost
from pathshift.models.protocol import Completion, Model, Request
from pathshift.records import SCHEMA_VERSION, Outcome, Problem, Sample, Verdict
from pathshift.rollout.course import Course
from pathshift.rollout.feeding import Asked, draw_together
from pathshift.rollout.plan import Plan, rule_of
from pathshift.rollout.waves import PASSES, waves
from pathshift.store.run import SHARD_SECONDS, RunFolder, RunWriter
from pathshift.verify.judge import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        kept: Samples that were on disk at the start.
        drawn: Samples drawn and kept since.
        wanted: Samples to draw in all since the start; under a stopping rule at most so many.
        tokens: Tokens drawn since the start, those of surplus samples included.
        seconds: Since the start.
        correct: Correct ones among the drawn; None where nothing is judged.
        surplus: Samples drawn beyond where a rule stopped, and thrown away.
    """

    kept: int
    drawn: int
    wanted: int
    tokens: int
    seconds: float
    correct: int | None
    surplus: int = 0


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
    """Bring a run folder to n samples of every problem, or to where its rule stops.

    What is there is kept.

    Returns:
        The last progress.

    Raises:
        RunError: the folder holds another configuration, is locked or damaged.
        StorageError: the disk is full; closed shards are safe.
        ModelLost: a server went away; what it had drawn is stored.
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
        on_disk = len(writer.sampled())
        judge_leftovers(writer, judge, plan.problems)
        drawing = _Drawing(plan, model, writer, judge, on_progress)
        drawing.start(kept=on_disk)
        try:
            drawing.finish_all()
        except ModelLost as lost:
            raise ModelLost(
                f"{lost}; what was drawn is in {out}, run the same command again to go on"
            ) from lost
        finally:
            progress = drawing.progress
            if progress.drawn:
                drawn = progress.drawn + progress.surplus
                writer.record_pace(drawn, progress.tokens, progress.seconds)
        writer.compact()
    return progress


class _Drawing:
    """One call of `draw_samples`: its courses and how far it is."""

    def __init__(
        self,
        plan: Plan,
        model: Model,
        writer: RunWriter,
        judge: Judge,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.plan, self.model, self.writer, self.judge = plan, model, writer, judge
        self.courses = courses(
            plan, writer.folder.outcomes(writer.verifier), writer.folder.manifest.n
        )
        self._on_progress = on_progress

    def start(self, kept: int) -> None:
        """Start the clock and say what is to be done."""
        self._started = time.monotonic()
        self.progress = Progress(
            kept=kept, drawn=0, wanted=sum(course.left for _, _, course in self.courses),
            tokens=0, seconds=0.0, correct=0,
        )  # fmt: skip
        self._on_progress(self.progress)

    def finish_all(self) -> None:
        """Draw, judge and store until every course is over."""
        at_once = self.model.info.at_once
        if at_once > 1:
            draw_together(self.courses, self._draw, self._keep, at_once=at_once)
            return
        rows = int(self.model.info.details.get("rows") or 0)
        for wave in waves(self.courses, PASSES * rows):
            units = [Unit(problem, prompt, numbers) for (problem, prompt, _), numbers in wave]
            lost: ModelLost | None = None
            try:
                drawn = draw_units(units, self.plan, self.model)
            except ModelLost as error:
                drawn, lost = [list(unit) for unit in error.drawn], error
            for (asked, _), samples in zip(wave, drawn, strict=lost is None):
                self._keep(asked, samples)
            if lost is not None:
                raise lost

    def _draw(self, problem: Problem, prompt: str, numbers: tuple[int, ...]) -> list[Sample]:
        return draw_unit(Unit(problem, prompt, numbers), self.plan, self.model)

    def _keep(self, asked: Asked, samples: Sequence[Sample]) -> None:
        """Judge and store samples of a problem, as far as its course reaches."""
        problem, _, course = asked
        left = course.left
        verdicts = self.judge.verdicts((problem, sample) for sample in samples)
        keep = course.take({v.sample_no: v.outcome for v in verdicts})
        verdicts = [v for v in verdicts if v.sample_no in keep]
        self.writer.add([s for s in samples if s.sample_no in keep], verdicts)
        self._step(samples, verdicts, saved=left - course.left - len(verdicts))

    def _step(self, samples: Sequence[Sample], verdicts: Sequence[Verdict], *, saved: int) -> None:
        """Count a unit; `saved` draws will not be made since the course is over."""
        before = self.progress
        self.progress = replace(
            before,
            drawn=before.drawn + len(verdicts),
            wanted=before.wanted - saved,
            tokens=before.tokens + sum(sample.n_tokens or 0 for sample in samples),
            seconds=time.monotonic() - self._started,
            correct=(before.correct or 0) + sum(v.outcome is Outcome.CORRECT for v in verdicts),
            surplus=before.surplus + len(samples) - len(verdicts),
        )
        self._on_progress(self.progress)


def courses(
    plan: Plan, kept: Mapping[str, Mapping[int, Outcome]], n: int
) -> list[tuple[Problem, str, Course]]:
    """Every problem with its prompt and what is left to draw of it.

    Args:
        kept: Outcomes on disk by problem id and sample number.
        n: Samples per problem; the cap under a stopping rule.
    """
    rule = rule_of(plan.manifest.config, n)
    return [
        (problem, prompt, Course(n, rule, kept.get(problem.id, {})))
        for problem, prompt in zip(plan.problems, plan.prompts, strict=True)
    ]


def draw_unit(unit: Unit, plan: Plan, model: Model) -> list[Sample]:
    """Ask the model for one unit."""
    (samples,) = draw_units([unit], plan, model)
    return samples


def draw_units(units: Sequence[Unit], plan: Plan, model: Model) -> list[list[Sample]]:
    """Ask the model for several units at once; a sample's seed depends on its own number alone.

    Raises:
        ModelLost: the model went away; `drawn` holds the samples it had drawn, by unit.
    """
    seeds = [_seeds(unit, plan) for unit in units]
    requests = [
        Request(
            prompt=unit.prompt, seeds=of_unit, is_chat=plan.is_chat,
            with_trace=plan.manifest.config.get("store") == "tokens",
        )
        for unit, of_unit in zip(units, seeds, strict=True)
    ]  # fmt: skip
    try:
        drawn: Sequence[Sequence[Completion | None]] = model.generate(requests, plan.policy)
    except ModelLost as lost:
        kept = [_samples(*one) for one in zip(units, seeds, lost.drawn, strict=False)]
        raise ModelLost(str(lost), kept) from lost
    return [_samples(*one) for one in zip(units, seeds, drawn, strict=True)]


def _samples(unit: Unit, seeds: Sequence[int], drawn: Sequence[Completion | None]) -> list[Sample]:
    """A unit's samples, as far as they were drawn."""
    return [
        _sample(unit.problem, number, seed, completion)
        for number, seed, completion in zip(unit.numbers, seeds, drawn, strict=True)
        if completion is not None
    ]


def _seeds(unit: Unit, plan: Plan) -> tuple[int, ...]:
    config = plan.manifest.config
    return tuple(
        seed_of(
            "sample", SCHEMA_VERSION, config["seed"], config["stream"],
            unit.problem.content_hash, number,
        )
        for number in unit.numbers
    )  # fmt: skip


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
        trace=completion.trace,
    )


def judge_leftovers(writer: RunWriter, judge: Judge, problems: Sequence[Problem]) -> int:
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
        judged = judge_leftovers(writer, judge, writer.folder.problems())
        writer.compact()
    return judged
