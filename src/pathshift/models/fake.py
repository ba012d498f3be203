"""A model with exactly known success probabilities, so that every estimate can meet the truth.

It reads the last line of a prompt that holds whole numbers joined by + - *, works the value out,
and answers from a distribution over six texts: the right number, four near misses, a mumble
without a number. How likely it is right on a prompt is drawn once, from the prompt's own hash.
Prompts it cannot read it answers with a mumble. Temperature reshapes the distribution exactly as
for a real model; truncation is refused.

    fake:base     many hard problems, a long tail of rare successes
    fake:tuned    the same problems, sharpened: p^(1/2.5), and the rarest successes lost
    fake:grown    the same problems, a fifth of the failures recovered: gains at every k
    fake:even     one half on every problem
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import seed_of, uniforms
from pathshift.errors import ConfigError, ModelError, UnknownName
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.records import TokenTrace, digest

MUMBLE = "I am not sure"
_NEAR_MISSES = (1, -1, 10, -10)
_TERM = re.compile(r"\s*([+\-*])?\s*(-?\d{1,9})")
_EXPRESSION = re.compile(r"-?\d{1,9}(?:\s*[+\-*]\s*-?\d{1,9})+")


def _base(u: float) -> float:
    """A third of the problems below .02, the rest spread: the shape of a hard set."""
    return 10 ** (-4 + 6.9 * u) if u < 1 / 3 else ((u - 1 / 3) * 1.5) ** 1.8


def _tuned(u: float) -> float:
    p = _base(u)
    return 0.0 if p < 0.005 else p ** (1 / 2.5)


def _grown(u: float) -> float:
    return 0.2 + 0.8 * _base(u)


def _even(u: float) -> float:
    return 0.5


SUCCESS: Mapping[str, Callable[[float], float]] = {
    "base": _base,
    "tuned": _tuned,
    "grown": _grown,
    "even": _even,
}
"""Success probability at temperature 1 as a function of the prompt's uniform hash."""


def value_of(expression: str) -> int:
    """Value of whole numbers joined by + - *, products first.

    >>> value_of("2 + 3 * 4")
    14
    """
    total, product = 0, None
    for operator, digits in _TERM.findall(expression):
        number = int(digits)
        if operator == "*" and product is not None:
            product *= number
        else:
            total += product or 0
            product = -number if operator == "-" else number
    return total + (product or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """See the module.

    Attributes:
        name: One of `SUCCESS`.
        delay: Seconds to wait for each completion, to play a slow model.
    """

    name: str
    delay: float = 0.0

    def __post_init__(self) -> None:
        """Check the name and the delay."""
        if self.name not in SUCCESS:
            raise UnknownName(f"fake:{self.name} is not known; use fake:{', fake:'.join(SUCCESS)}")
        if not 0 <= self.delay <= 10:
            raise ConfigError(f"delay must be 0 to 10 seconds, got {self.delay}")

    @property
    def info(self) -> ModelInfo:
        """What a run records of it; the delay changes no sample and is left out."""
        return ModelInfo(
            spec=f"fake:{self.name}",
            weights_hash=digest("fake", 1, self.name),
            chat_template=None,
            capabilities=frozenset({"deterministic", "score", "full_logits"}),
            details={"tokenizer": "fake: one text, one token"},
        )

    def render_chat(self, messages: Sequence[Message]) -> str:
        """Refuses: a fake has no chat template."""
        raise ModelError(f"fake:{self.name} has no chat template; use --completion")

    def score(self, prompt: str, continuation: str) -> list[float]:
        """The whole text as one token: ln p of that answer."""
        return [_log(self.answers(prompt, Policy()).get(continuation.strip(), 0.0))]

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Each text as one token; a text the fake never says has no probability."""
        plain, under = self.answers(prompt, Policy()), self.answers(prompt, policy)
        return [
            Scored(trace=_trace(one.text.strip(), plain, under))
            if one.text
            else Scored(detail="empty completion")
            for one in continuations
        ]

    def answers(self, prompt: str, policy: Policy) -> dict[str, float]:
        """Every answer to the prompt with its exact probability under the policy."""
        if policy.top_k or policy.top_p < 1 or policy.min_p or policy.temperature == 0:
            raise ConfigError("a fake model knows temperature above 0 only; leave truncation off")
        found = _EXPRESSION.findall(prompt)
        if not found:
            return {MUMBLE: 1.0}
        p = SUCCESS[self.name](float(uniforms([seed_of("fake", found[-1])], 0, 0)[0]))
        right = value_of(found[-1])
        rest = (1 - p) / (len(_NEAR_MISSES) + 1)
        texts = [str(right), *(str(right + miss) for miss in _NEAR_MISSES), MUMBLE]
        weights = [x ** (1 / policy.temperature) for x in (p, *[rest] * (len(texts) - 1))]
        return {text: w / sum(weights) for text, w in zip(texts, weights, strict=True)}

    def success_probability(self, prompt: str, policy: Policy) -> float:
        """Exact chance that one sample is right."""
        return next(iter(self.answers(prompt, policy).values()))

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions by inversion of the known distribution."""
        return [[self._one(r.prompt, seed, policy) for seed in r.seeds] for r in requests]

    def _one(self, prompt: str, seed: int, policy: Policy) -> Completion:
        if self.delay:
            time.sleep(self.delay)
        answers = self.answers(prompt, policy)
        passed = list(accumulate(answers.values()))
        drawn = bisect_left(passed, float(uniforms([seed], 0, 0)[0]) * passed[-1])
        text = list(answers)[drawn]
        trace = _trace(text, self.answers(prompt, Policy()), answers)
        return Completion(
            text=f" {text}",
            n_tokens=1,
            logprob_sum=trace.logprobs[0],
            sampling_logprob_sum=trace.policy_logprobs[0],
            trace=trace,
        )


def _trace(text: str, plain: Mapping[str, float], under: Mapping[str, float]) -> TokenTrace:
    """A text as its only token; its number is its place among the answers, -1 for no answer."""
    return TokenTrace(
        token_ids=(list(plain).index(text) if text in plain else -1,),
        pieces=(f" {text}",),
        logprobs=(_log(plain.get(text, 0.0)),),
        policy_logprobs=(_log(under.get(text, 0.0)),),
        entropies=(-sum(p * _log(p) for p in plain.values() if p),),
    )


def _log(probability: float) -> float:
    return math.log(probability) if probability else -math.inf
