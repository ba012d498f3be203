"""Scoring a run: what a model gives to the samples that it, or another model, drew.

A unit is some samples of one problem, always the same ones, scored beside each other and stored
together: a scoring that was killed and goes on writes the bytes of one in a single go.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError
from pathshift.models.protocol import Continuation, Model, Scored, is_conversation
from pathshift.records import Problem, Sample, Score, TokenTrace, digest
from pathshift.rollout.sampling import Progress
from pathshift.store.run import SHARD_SECONDS, RunFolder, SampleKey
from pathshift.store.scores import POLICY_FIELDS, Scorer, ScoreWriter, policy_stated

UNIT_SAMPLES = 32
MOST_CHARACTERS = 2_000_000
"""Longer completions are told and passed over."""
_SHARD_SCORES = 4096
_READ_SAMPLES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How a run is to be scored.

    Attributes:
        name: Of the scorer's folder; None makes one of the model, its weights and the policy.
        temperature, top_k, top_p, min_p: Of the policy behind `policy_logprob_sum`; None takes what
            the run was drawn with.
        traced: Store the scores token by token.
    """

    name: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    traced: bool = True

    def policy(self, config: Mapping[str, Any]) -> dict[str, float]:
        """The policy to score under: what was asked for, else the run's own."""
        asked = {name: getattr(self, name) for name in POLICY_FIELDS}
        return policy_stated({n: config.get(n) if v is None else v for n, v in asked.items()})


def scorer_for(model: Model, run: Path, scoring: Scoring) -> Scorer:
    """Who will score, under which policy and name."""
    info = model.info
    policy = scoring.policy(RunFolder(run).manifest.config)
    dtype = info.details.get("dtype")
    slug = re.sub(r"[^A-Za-z0-9]+", "-", info.spec).strip("-")[-40:].strip("-") or "model"
    made = f"{slug}-{digest(info.weights_hash, policy, dtype)[:6]}"
    return Scorer(
        name=scoring.name or made, model=info.spec, weights_hash=info.weights_hash,
        tokenizer=str(info.details.get("tokenizer", "")), dtype=dtype, policy=policy,
        has_traces=scoring.traced,
    )  # fmt: skip


def score_run(
    run: Path,
    model: Model,
    scoring: Scoring | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    shard_seconds: float = SHARD_SECONDS,
) -> tuple[Scorer, Progress]:
    """Score every sample of a run that this scorer has not scored.

    What cannot be scored (an empty or an over-long completion) is a row without numbers and with
    the reason. What is on disk is kept.

    Raises:
        ModelError: the model cannot score.
        ConfigError: a run without prompts, as some logs of other tools are.
        RunError: the scorer's folder is locked, damaged, or another model's.
    """
    if "score" not in model.info.capabilities:
        raise ModelError(
            f"{model.info.spec} cannot give log-probabilities of a text; score with a model that "
            "can: smollm2, hf:PATH_OR_ID"
        )
    folder = RunFolder(run)
    scoring = scoring or Scoring()
    if scoring.traced and "full_logits" not in model.info.capabilities:
        raise ModelError(
            f"scores token by token hold every token's entropy, which {model.info.spec} does not "
            "tell; score with --sums, or with hf:PATH_OR_ID"
        )
    scorer = scorer_for(model, run, scoring)
    with ScoreWriter(run, scorer) as writer:
        passing = _Scoring(folder, model, scorer, writer, on_progress)
        passing.score_all(shard_seconds)
        writer.compact()
    return scorer, passing.progress


class _Scoring:
    """One call of `score_run`."""

    def __init__(
        self,
        folder: RunFolder,
        model: Model,
        scorer: Scorer,
        writer: ScoreWriter,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.folder, self.model, self.scorer, self.writer = folder, model, scorer, writer
        self._on_progress = on_progress
        self.policy = Policy(**scorer.policy)  # type: ignore[arg-type]  # checked by Policy itself
        self.prompts = folder.prompts()
        self.shares_tokens = _shares_tokens(folder, scorer)
        self.is_ended = not folder.manifest.config.get("stop")
        self.is_chat = folder.manifest.config.get("mode") == "chat"

    def score_all(self, shard_seconds: float) -> None:
        """Every unit that has a sample without a score."""
        done, present = self.writer.scored(), self.folder.sampled()
        started = flushed = time.monotonic()
        self.progress = Progress(
            kept=len(done), drawn=0, wanted=len(present - done), tokens=0, seconds=0.0, correct=None
        )
        self._on_progress(self.progress)
        for problem, samples in _by_problem(self.folder, present, present - done):
            self._check_prompt(problem)
            for unit in _units(samples):
                missing = [s for s in unit if (s.problem_id, s.sample_no) not in done]
                if missing:
                    scores = [
                        s for s in self._score(unit) if (s.problem_id, s.sample_no) not in done
                    ]
                    self.writer.add(scores)
                    self._step(scores, time.monotonic() - started)
            now = time.monotonic()
            if self.writer.waiting >= _SHARD_SCORES or now - flushed >= shard_seconds:
                self.writer.flush()
                flushed = now

    def _check_prompt(self, problem: Problem) -> None:
        if not self.prompts.get(problem.id):
            raise ConfigError(
                f"{self.folder.path} holds no prompt of problem {problem.id[:60]}: what a text's "
                "probability is depends on it; import a log that has the prompts"
            )
        if self.is_chat and is_conversation(self.prompts[problem.id]):
            raise ConfigError(
                f"{self.folder.path} was asked through a server that fills in the chat template "
                "itself and does not show the text, so nothing can be scored after it; sample it "
                "through vLLM or llama-server, or with hf:PATH_OR_ID"
            )

    def _score(self, unit: Sequence[Sample]) -> list[Score]:
        fit = [s for s in unit if len(s.text) <= MOST_CHARACTERS and s.finish_reason != "error"]
        found = self.model.score_all(
            self.prompts[unit[0].problem_id],
            [self._continuation(sample) for sample in fit],
            self.policy,
            is_chat=self.is_chat,
        )
        scored = {s.id: one for s, one in zip(fit, found, strict=True)}
        return [self._row(sample, scored.get(sample.id)) for sample in unit]

    def _continuation(self, sample: Sample) -> Continuation:
        ids = sample.trace.token_ids if sample.trace is not None and self.shares_tokens else ()
        is_ended = self.is_ended and sample.finish_reason == "stop"
        return Continuation(text=sample.text, token_ids=ids, is_ended=is_ended)

    def _row(self, sample: Sample, scored: Scored | None) -> Score:
        """A sample's score; without one where the model gave none, or the sample is none."""
        if scored is None:
            detail = (
                "the sample is an error" if sample.finish_reason == "error"
                else f"completion of more than {MOST_CHARACTERS:,} characters"
            )  # fmt: skip
            scored = Scored(detail=detail)
        trace = scored.trace
        was_drawn = trace is not None and sample.trace is not None and self.shares_tokens
        return Score(
            problem_id=sample.problem_id,
            sample_no=sample.sample_no,
            n_tokens=0 if trace is None else len(trace.token_ids),
            n_bytes=len(sample.text.encode()),
            logprob_sum=_sum(trace, "logprobs"),
            policy_logprob_sum=_sum(trace, "policy_logprobs"),
            entropy_sum=_sum(trace, "entropies"),
            tokens_from="sampled" if was_drawn else "text",
            detail=scored.detail,
            trace=trace if self.scorer.has_traces else None,
        )

    def _step(self, scores: Sequence[Score], seconds: float) -> None:
        before = self.progress
        self.progress = replace(
            before,
            drawn=before.drawn + len(scores),
            tokens=before.tokens + sum(score.n_tokens for score in scores),
            seconds=seconds,
        )
        self._on_progress(self.progress)


def _sum(trace: TokenTrace | None, name: str) -> float | None:
    """Sum over the tokens; None where a backend does not tell these values."""
    values = () if trace is None else getattr(trace, name)
    return float(sum(values)) if values else None


def _shares_tokens(folder: RunFolder, scorer: Scorer) -> bool:
    """Whether the tokens that were drawn are stored, and mean the same to the scorer."""
    details = folder.manifest.environment.get("details") or {}
    own = details.get("tokenizer")
    return folder.has_traces and bool(own) and own == scorer.tokenizer


def _by_problem(
    folder: RunFolder, present: set[SampleKey], wanted: set[SampleKey]
) -> Iterator[tuple[Problem, list[Sample]]]:
    """Problems with a wanted sample, each with all its samples; read some thousands at a time."""
    open_ids = {problem_id for problem_id, _ in wanted}
    sizes: dict[str, int] = {}
    for problem_id, _ in present:
        sizes[problem_id] = sizes.get(problem_id, 0) + 1
    batch: list[Problem] = []
    held = 0
    problems = [problem for problem in folder.problems() if problem.id in open_ids]
    for i, problem in enumerate(problems):
        batch.append(problem)
        held += sizes[problem.id]
        if held >= _READ_SAMPLES or i + 1 == len(problems):
            yield from _read(folder, batch)
            batch, held = [], 0


def _read(folder: RunFolder, problems: Sequence[Problem]) -> Iterator[tuple[Problem, list[Sample]]]:
    samples: dict[str, list[Sample]] = {problem.id: [] for problem in problems}
    for sample in folder.samples(problem_ids=list(samples), traced=True):
        samples[sample.problem_id].append(sample)
    for problem in problems:
        yield problem, sorted(samples[problem.id], key=lambda sample: sample.sample_no)


def _units(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Samples by blocks of numbers, so that a unit is the same however the run has grown."""
    block: list[Sample] = []
    for sample in samples:
        if block and sample.sample_no // UNIT_SAMPLES != block[0].sample_no // UNIT_SAMPLES:
            yield block
            block = []
        block.append(sample)
    if block:
        yield block
