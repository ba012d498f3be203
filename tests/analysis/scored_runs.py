"""Pairs of run folders whose models are known distributions over a list of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pathshift.records import Outcome, Problem, RunManifest, Sample, Score, TokenTrace, Verdict
from pathshift.stats.passk import FloatArray
from pathshift.store.run import RunWriter
from pathshift.store.scores import Scorer, ScoreWriter

PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


class Token(NamedTuple):
    """One token as the run's own model and the other see it."""

    piece: str
    own: float
    other: float
    own_entropy: float = 1.0
    other_entropy: float = 1.0


Tokens = Sequence[Token]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One completion of one problem as both models see it.

    Attributes:
        own: ln p by the run's model, T=1.
        other: By the other model; None where it has no score.
        own_policy, other_policy: None for the same as at T=1.
    """

    text: str
    outcome: Outcome
    own: float | None
    other: float | None
    n_tokens: int = 4
    own_policy: float | None = None
    other_policy: float | None = None
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How one of the two runs was made."""

    model: str
    other: str
    tokens_from: str = "sampled"
    tokenizer: str = "letters"
    other_tokenizer: str = "letters"
    config: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = "?"


BASE = Side(model="base", other="tuned")
TUNED = Side(model="tuned", other="base")


def write_scored(
    path: Path, side: Side, answers: Mapping[str, Sequence[Answer]], *, clusters: bool = False
) -> Path:
    """A run folder with the samples, their verdicts and the other model's scores."""
    problems = [
        Problem(id=name, task="toy", question=f"{name}?", gold="g",
                cluster=str(i // 4) if clusters else None)
        for i, name in enumerate(answers)
    ]  # fmt: skip
    config = {
        "verifier": "v", "model": side.model, "task": "toy", "seed": 0, "max_tokens": 64,
        "stop": [], "weights_hash": side.model, **PLAIN, **side.config,
    }  # fmt: skip
    n = max(len(rows) for rows in answers.values())
    environment = {"details": {"tokenizer": side.tokenizer}}
    manifest = RunManifest(config=config, n=n, environment=environment)
    with RunWriter.open(path, manifest, problems, [side.prompt] * len(problems)) as writer:
        for name, rows in answers.items():
            writer.add(
                [_sample(name, i, row) for i, row in enumerate(rows)],
                [
                    Verdict(problem_id=name, sample_no=i, outcome=row.outcome, answer=row.text)
                    for i, row in enumerate(rows)
                ],
            )
    with ScoreWriter(path, scorer_of(side)) as scores:
        scores.add([_score(name, i, row, side) for name, rows in answers.items()
                    for i, row in enumerate(rows)])  # fmt: skip
    return path


def scorer_of(side: Side, *, name: str | None = None, has_traces: bool = False) -> Scorer:
    return Scorer(
        name=name or side.other, model=side.other, weights_hash=side.other,
        tokenizer=side.other_tokenizer, dtype="float32", policy=dict(PLAIN), has_traces=has_traces,
    )  # fmt: skip


def _sample(name: str, number: int, row: Answer) -> Sample:
    return Sample(
        problem_id=name, sample_no=number, seed=hash_of(name, number), text=row.text,
        n_tokens=row.n_tokens, finish_reason=row.finish_reason, logprob_sum=row.own,
        sampling_logprob_sum=row.own if row.own_policy is None else row.own_policy,
    )  # fmt: skip


def hash_of(name: str, number: int) -> int:
    return sum(map(ord, name)) * 1000 + number


def _score(name: str, number: int, row: Answer, side: Side) -> Score:
    return Score(
        problem_id=name, sample_no=number, n_tokens=row.n_tokens, n_bytes=len(row.text),
        logprob_sum=row.other,
        policy_logprob_sum=row.other if row.other_policy is None else row.other_policy,
        entropy_sum=None, tokens_from=side.tokens_from,
        detail="" if row.other is not None else "empty completion",
    )  # fmt: skip


def write_traced(path: Path, side: Side, answers: Mapping[str, Sequence[Tokens]]) -> Path:
    """A run folder whose samples are stored token by token, scored by the other model as well."""
    problems = [Problem(id=name, task="toy", question=f"{name}?", gold="g") for name in answers]
    config = {
        "verifier": "v", "model": side.model, "task": "toy", "seed": 0, "max_tokens": 64,
        "stop": [], "weights_hash": side.model, "store": "tokens", **PLAIN, **side.config,
    }  # fmt: skip
    n = max(len(rows) for rows in answers.values())
    environment = {"details": {"tokenizer": side.tokenizer}}
    manifest = RunManifest(config=config, n=n, environment=environment)
    keys = [(name, i, row) for name, rows in answers.items() for i, row in enumerate(rows)]
    with RunWriter.open(path, manifest, problems, [side.prompt] * len(problems)) as writer:
        writer.add(
            [_traced_sample(*key) for key in keys],
            [
                Verdict(problem_id=name, sample_no=i, outcome=Outcome.CORRECT, answer="g")
                for name, i, _ in keys
            ],
        )
    with ScoreWriter(path, scorer_of(side, has_traces=True)) as scores:
        scores.add([_traced_score(*key, side) for key in keys])
    return path


def _trace(
    pieces: Sequence[str], logprobs: Sequence[float], entropies: Sequence[float]
) -> TokenTrace:
    return TokenTrace(
        token_ids=tuple(sum(map(ord, piece)) for piece in pieces), pieces=tuple(pieces),
        logprobs=tuple(logprobs), policy_logprobs=tuple(logprobs), entropies=tuple(entropies),
    )  # fmt: skip


def _traced_sample(name: str, number: int, row: Tokens) -> Sample:
    logprobs, pieces = [token.own for token in row], [token.piece for token in row]
    return Sample(
        problem_id=name, sample_no=number, seed=hash_of(name, number), text="".join(pieces),
        n_tokens=len(row), finish_reason="stop", logprob_sum=sum(logprobs),
        sampling_logprob_sum=sum(logprobs),
        trace=_trace(pieces, logprobs, [token.own_entropy for token in row]),
    )  # fmt: skip


def _traced_score(name: str, number: int, row: Tokens, side: Side) -> Score:
    logprobs, pieces = [token.other for token in row], [token.piece for token in row]
    entropies = [token.other_entropy for token in row]
    return Score(
        problem_id=name, sample_no=number, n_tokens=len(row),
        n_bytes=len("".join(pieces).encode()), logprob_sum=sum(logprobs),
        policy_logprob_sum=sum(logprobs), entropy_sum=sum(entropies),
        tokens_from=side.tokens_from, trace=_trace(pieces, logprobs, entropies),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Two known distributions over one problem's paths; the first `n_right` are right."""

    base: FloatArray
    tuned: FloatArray
    n_right: int

    @property
    def success(self) -> float:
        return float(self.base[: self.n_right].sum())


def random_paths(rng: np.random.Generator) -> Paths:
    """20 to 400 paths; the tuned model is the base sharpened, right paths favoured."""
    n_paths = int(20 * 20 ** rng.random())
    base = rng.dirichlet(np.full(n_paths, 0.4))
    n_right = max(1, int(n_paths * rng.uniform(0.02, 0.6)))
    tuned = base**1.5 * np.where(np.arange(n_paths) < n_right, 4, 1)
    return Paths(base=base, tuned=tuned / tuned.sum(), n_right=n_right)


def drawn(paths: Paths, n: int, rng: np.random.Generator, *, by_tuned: bool) -> list[Answer]:
    own, other = (paths.tuned, paths.base) if by_tuned else (paths.base, paths.tuned)
    return [
        Answer(
            text=f"path {i}", outcome=Outcome.CORRECT if i < paths.n_right else Outcome.WRONG,
            own=float(np.log(own[i])), other=float(np.log(other[i])),
        )
        for i in rng.choice(len(own), n, p=own)
    ]  # fmt: skip
