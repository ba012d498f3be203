"""A model that reasons in tokens, every probability of which is known: a Markov chain over texts.

It reads whole numbers joined by + - * (as `models.fake`), chooses a strategy with its first token,
works the strategy's steps off, may doubt a result and write it again, and ends with an answer:

     tens 37 + 40 = 77; 77 + 8 = 84, wait 77 + 8 = 85; Answer: 85

Each problem has one strategy that works and four that guess, all drawn from the problem's own
hash. What is computed from the chain without sampling: success under any policy, also after any
prefix, log-probability and entropy of every token, and all paths with their probabilities.

    fake:paths-base    the working strategy is entered in .0005 to .5 of samples, and then
                       completed in about .2 to .9
    fake:paths-tuned   the same problems: it is entered more often on 85% of them, a thousand times
                       more rarely on the rest; completed slightly better; fewer other ways

Covers temperature (0 included), top-k, top-p and min-p exactly. Does not cover chat, stop texts
without a newline, and problems with numbers of nine digits and more: those it mumbles about.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import uniforms
from pathshift.errors import ConfigError, ModelError, UnknownName
from pathshift.models.fake_chain import (
    END,
    HABITS,
    STRATEGIES,
    TERM,
    Chain,
    State,
    chain_for,
    encode,
    id_of,
    piece_of,
)
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.records import TokenTrace, digest

_LARGEST = 10**8
_EXPRESSION = re.compile(r"-?\d{1,9}(?:\s*[+\-*]\s*-?\d{1,9})+")
_ENTRY = re.compile(rf" (?:{'|'.join(STRATEGIES)})(?= -?\d|\Z)")


class Path(NamedTuple):
    """One whole completion with its exact probability."""

    text: str
    token_ids: tuple[int, ...]
    probability: float
    is_correct: bool


class Entrance(NamedTuple):
    """Chance of a first token, and of a right answer after it."""

    probability: float
    completion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePaths:
    """See the module.

    Attributes:
        name: One of `HABITS`.
        delay: Seconds to wait for each completion, to play a slow model.
    """

    name: str
    delay: float = 0.0

    def __post_init__(self) -> None:
        """Check the name and the delay."""
        if self.name not in HABITS:
            raise UnknownName(f"fake:{self.name} is not known; use fake:{', fake:'.join(HABITS)}")
        if not 0 <= self.delay <= 10:
            raise ConfigError(f"delay must be 0 to 10 seconds, got {self.delay}")

    @property
    def info(self) -> ModelInfo:
        """What a run records of it; the delay changes no sample and is left out."""
        return ModelInfo(
            spec=f"fake:{self.name}",
            weights_hash=digest("fake-paths", 1, self.name),
            chat_template=None,
            capabilities=frozenset({"deterministic", "token_ids", "score", "full_logits"}),
            details={"tokenizer": "fake: numbers and words of a chain of steps"},
        )

    def render_chat(self, messages: Sequence[Message]) -> str:
        """Refuses: a fake has no chat template."""
        raise ModelError(f"fake:{self.name} has no chat template; use --completion")

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Completions by inversion of the known distributions, token by token."""
        _check(policy)
        return [self._drawn(request, policy) for request in requests]

    def score(self, prompt: str, continuation: str) -> list[float]:
        """ln p of each token of the text at temperature 1; -inf for what cannot come next."""
        return list(self.token_table(prompt, encode(continuation), Policy()).logprobs)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Continuations of one prompt, each token by token; the drawn ids where they are given."""
        return [self._scored(prompt, one, policy) for one in continuations]

    def token_table(self, prompt: str, token_ids: Sequence[int], policy: Policy) -> TokenTrace:
        """Exact log-probability, the same under the policy, and entropy of every token.

        A token that cannot come next has ln p = -inf, and the chain mumbles from there on.
        """
        chain, state = self._start(prompt)
        pieces = tuple(map(piece_of, token_ids))
        rows = []
        for piece in pieces:
            options = chain.options(state, policy)
            said = next(((o.probability, p) for o, p in options if o.piece == piece), (0.0, 0.0))
            entropy = -sum(o.probability * _log(o.probability) for o, _ in options if o.probability)
            rows.append((*map(_log, said), entropy))
            state = chain.after(state, piece)
        plain_logs, under_logs, entropies = zip(*rows, strict=True) if rows else ((), (), ())
        return TokenTrace(
            token_ids=tuple(token_ids), pieces=pieces, logprobs=plain_logs,
            policy_logprobs=under_logs, entropies=entropies,
        )  # fmt: skip

    def success_probability(self, prompt: str, policy: Policy) -> float:
        """Exact chance that a sample is right; the prompt may end in a chain that has begun.

        `policy.max_tokens` counts from the end of the prompt.
        """
        _check(policy)
        chain, state = self._start(prompt)
        known: dict[tuple[State, int], float] = {}

        def chance(state: State, left: int) -> float:
            if state.stage == "end" or left == 0:
                return float(state.stage == "end" and state.values == (chain.truth,))
            if (state, left) not in known:
                options = chain.options(state, policy)
                known[state, left] = sum(p * chance(o.then, left - 1) for o, p in options if p)
            return known[state, left]

        return chance(state, policy.max_tokens)

    def entrances(self, prompt: str, policy: Policy) -> dict[str, Entrance]:
        """Every first token with its probability and the chance of a right answer after it."""
        _check(policy)
        chain, state = self._start(prompt)
        rest = replace(policy, max_tokens=max(1, policy.max_tokens - 1))
        return {
            option.piece: Entrance(p, self.success_probability(prompt + option.piece, rest))
            for option, p in chain.options(state, policy)
        }

    def paths(self, prompt: str, policy: Policy) -> Iterator[Path]:
        """Every completion that has a probability, cut at `policy.max_tokens`."""
        _check(policy)
        chain, start = self._start(prompt)
        waiting: list[tuple[State, tuple[str, ...], float]] = [(start, (), 1.0)]
        while waiting:
            state, pieces, probability = waiting.pop()
            if len(pieces) == policy.max_tokens or (pieces and pieces[-1] == ""):
                right = state.stage == "end" and state.values == (chain.truth,)
                yield Path("".join(pieces), tuple(map(id_of, pieces)), probability, right)
                continue
            for option, p in chain.options(state, policy):
                if p:
                    waiting.append((option.then, (*pieces, option.piece), probability * p))

    def _start(self, prompt: str) -> tuple[Chain, State]:
        """The prompt's last problem, and how far a chain at its end has come."""
        begun = [found.start() for found in _ENTRY.finditer(prompt)]
        asked, prefix = (prompt[: begun[-1]], prompt[begun[-1] :]) if begun else (prompt, "")
        found = _EXPRESSION.findall(asked)
        if not found or _size(found[-1]) > _LARGEST:
            return chain_for(self.name, "1 + 1"), State("lost")
        chain, state = chain_for(self.name, found[-1]), State("enter")
        for token in encode(prefix):
            state = chain.after(state, piece_of(token))
        return chain, state

    def _drawn(self, request: Request, policy: Policy) -> list[Completion]:
        chain, start = self._start(request.prompt)
        columns = _Columns(request.seeds)
        found = []
        for row in range(len(request.seeds)):
            if self.delay:
                time.sleep(self.delay)
            drawn = _walk(chain, start, policy, columns.of(row))
            ids = tuple(id_of(token.piece) for token in drawn)
            found.append(
                Completion(
                    text="".join(token.piece for token in drawn),
                    token_ids=ids,
                    n_tokens=len(ids),
                    finish_reason="length" if drawn[-1].piece else "stop",
                    logprob_sum=math.fsum(token.logprob for token in drawn),
                    sampling_logprob_sum=math.fsum(token.policy_logprob for token in drawn),
                    trace=self.token_table(request.prompt, ids, policy)
                    if request.with_trace
                    else None,
                )
            )
        return found

    def _scored(self, prompt: str, one: Continuation, policy: Policy) -> Scored:
        ids = one.token_ids or (*encode(one.text), *([END] if one.is_ended else []))
        if not one.text:
            return Scored(detail="empty completion")
        return Scored(trace=self.token_table(prompt, ids, policy))


def _size(expression: str) -> int:
    """No result of any step, mistakes included, is much larger than this."""
    return math.prod(abs(int(number)) + 20 for _, number in TERM.findall(expression))


def _check(policy: Policy) -> None:
    seen = [stop for stop in policy.stop if "\n" not in stop]
    if seen:
        raise ConfigError(
            f"stop text {seen[0]!r}: the paths fakes know exact probabilities without stop texts "
            "only; leave it out (one with a newline never occurs and is let pass)"
        )


class _Drawn(NamedTuple):
    """One token of a completion."""

    piece: str
    logprob: float
    policy_logprob: float


class _Columns:
    """Uniform numbers of several samples, made a position at a time for all of them."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._columns: list[list[float]] = []

    def of(self, row: int) -> Callable[[int], float]:
        """One sample's number at a position."""

        def at(position: int) -> float:
            while len(self._columns) <= position:
                self._columns.append(uniforms(self._seeds, 0, len(self._columns)).tolist())
            return self._columns[position][row]

        return at


def _walk(
    chain: Chain, state: State, policy: Policy, uniform: Callable[[int], float]
) -> list[_Drawn]:
    """Tokens up to the end token or the limit, by inversion of each distribution."""
    drawn: list[_Drawn] = []
    while len(drawn) < policy.max_tokens and (not drawn or drawn[-1].piece):
        options = chain.options(state, policy)
        passed = list(accumulate(p for _, p in options))
        option, p = options[bisect_left(passed, uniform(len(drawn)) * passed[-1])]
        drawn.append(_Drawn(option.piece, _log(option.probability), _log(p)))
        state = option.then
    return drawn


def _log(probability: float) -> float:
    return math.log(probability) if probability else -math.inf
