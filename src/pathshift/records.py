"""What flows through the package: problems, samples, verdicts, and the counts made of them.

Frozen records, standard library only. They know nothing of files, models or statistics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1
"""Version of the run folder; a reader accepts this one and all before it."""


def digest(*parts: object) -> str:
    """SHA-256 of the parts' canonical JSON, as 64 hexadecimal digits.

    JSON keeps the boundaries between parts, so that ("ab", "c") and ("a", "bc") differ.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Outcome(StrEnum):
    """What became of one sample. FAILED (timeout, crash, verifier error) is never WRONG."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with its reference answer.

    Attributes:
        id: Unique within a task, stable across versions of this package.
        task: Name of the family that made it.
        question: What is asked, without template or few-shot examples.
        gold: The reference answer as text.
        source: Where it comes from (data set, contest, generator), for grouping.
        cluster: Problems that share one are not independent (same template or contest).
        floor: Success probability of the family's null policy on one try; None if unknown.
        data: What a verifier needs besides `gold`, as JSON values.
    """

    id: str
    task: str
    question: str
    gold: str
    source: str = ""
    cluster: str | None = None
    floor: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Identity across tools: what is asked and what counts as right, not the id."""
        return digest(self.question.strip(), self.gold.strip())[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrace:
    """What is known of every token of a completion; lists of one length, in their order.

    A backend that does not know the policy's probabilities, or entropies, leaves that list empty.

    Attributes:
        token_ids: The model's own numbers, the end token included where it was sampled.
        pieces: Text of each token alone; a part of a character shows as a replacement mark.
        logprobs: ln p at temperature 1, untruncated.
        policy_logprobs: ln p under the policy; -inf where the policy excludes the token.
        entropies: Of the distribution the token was drawn from, at temperature 1, in nats.
    """

    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    logprobs: tuple[float, ...]
    policy_logprobs: tuple[float, ...]
    entropies: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completion of one problem by one model under one policy.

    Attributes:
        sample_no: Number of the draw within its problem, from 0.
        seed: Seed of this draw alone; equal seeds in two runs are one draw counted twice.
        text: The completion without stop strings and special tokens.
        n_tokens: Sampled tokens, the end token included; None if an imported log does not say.
        finish_reason: "stop", "length" (cut by the token limit), "error", or "unknown" where an
            imported log does not say.
        logprob_sum: Sum over sampled tokens of ln p at temperature 1, untruncated; None if unknown.
        sampling_logprob_sum: The same under the policy that drew them.
        detail: Why, where `finish_reason` is "error"; else empty.
        trace: Token by token, where the run stores it and it was asked for.
    """

    problem_id: str
    sample_no: int
    seed: int
    text: str
    n_tokens: int | None
    finish_reason: str
    logprob_sum: float | None = None
    sampling_logprob_sum: float | None = None
    detail: str = ""
    trace: TokenTrace | None = None

    @property
    def id(self) -> str:
        """Key of the sample within its run."""
        return f"{self.problem_id}#{self.sample_no}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a sample, by one verifier.

    Attributes:
        answer: What the verifier took as the answer; None if it found none.
        detail: Why, where the outcome is FAILED; a judge's votes (`store.judgements`); else empty.
    """

    problem_id: str
    sample_no: int
    outcome: Outcome
    answer: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a model gives to a sample that it, or another model, drew.

    Attributes:
        n_tokens: Tokens scored, the end token included where one was sampled.
        n_bytes: Length of the text in UTF-8, for models with another tokenizer.
        logprob_sum: Sum of ln p at temperature 1; None where there is no score.
        policy_logprob_sum: The same under the scorer's policy; -inf where it excludes a token.
        entropy_sum: Sum over positions of the entropy at temperature 1, in nats.
        tokens_from: "sampled": the very tokens drawn; "text": the text, encoded again.
        detail: Why there is no score; else empty.
        trace: Token by token, where it was asked for.
    """

    problem_id: str
    sample_no: int
    n_tokens: int
    n_bytes: int
    logprob_sum: float | None
    policy_logprob_sum: float | None
    entropy_sum: float | None
    tokens_from: str
    detail: str = ""
    trace: TokenTrace | None = None

    @property
    def id(self) -> str:
        """Key of the sample within its run."""
        return f"{self.problem_id}#{self.sample_no}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCount:
    """All that the boundary statistics need of one problem.

    Attributes:
        n: Judged samples: correct, wrong and unparsed, but not failed.
        c: Correct samples among them.
        unparsed: Samples in which no answer was found; None if the source does not say.
        failed: Samples without a judgement (not in `n`); None if the source does not say.
        truncated: Samples cut by the token limit; None if the source does not say.
        n_tokens: Sampled tokens over all samples; None if the source does not say.
        content_hash: The problem's; None if the source does not say.
        core_hash: Hash of the question without what all questions of its source begin and end with:
            equal for two sources that ask the same questions in different templates.
    """

    id: str
    n: int
    c: int
    unparsed: int | None = None
    failed: int | None = None
    truncated: int | None = None
    n_tokens: int | None = None
    source: str = ""
    cluster: str | None = None
    floor: float | None = None
    content_hash: str | None = None
    core_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTable:
    """The counts of one model over a set of problems, in the order of their ids.

    Attributes:
        name: What to call it in a table: a path or a model spec.
        settings: What is known of how it was made (model, template, policy, ...), as JSON values.
            `stopping` holds the rule that ended each problem (pilot, successes, cap), if one did.
    """

    name: str
    counts: tuple[ProblemCount, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stopped(self) -> bool:
        """Whether a rule that looked at the outcomes ended each problem.

        Then n depends on c, and whoever takes (n, c) for a plain count is misled.
        """
        return self.settings.get("stopping") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunManifest:
    """What makes two runs the same run, and what else is worth knowing of one.

    Attributes:
        config: Settings that a resumed run must share: model and its hash, task and its content
            hash, template and its hash, policy, seed, stream, verifier. Flat, JSON values.
        n: Samples per problem asked for so far; the one setting that may grow.
        environment: Versions, CPU, threads: recorded, compared with a warning, never refused.
        schema: Version of the folder's layout.
    """

    config: Mapping[str, Any]
    n: int
    environment: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION
