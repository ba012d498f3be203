"""Chains of arithmetic steps as a Markov process over tokens: its grammar, its tokens, its numbers.

What `models.fake_paths` draws from. One problem has five strategies; each is a plan of one to three
steps an operation; from every state the next tokens and their probabilities at temperature 1 are
listed here, and reshaped by a policy. Knows no prompt and draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from pathshift.decoding.policy import Policy
from pathshift.decoding.uniforms import seed_of, uniforms
from pathshift.models.fake import MUMBLE, value_of

STRATEGIES = ("direct", "swap", "tens", "round", "split")
"""Entrances. Which of the last three works is the problem's secret; all others guess."""

MAX_WAITS = 2
"""A chain doubts so often at most, so that there are finitely many paths."""

_MISSES = (1, -10)
_COPIES_RIGHT = 0.98
TERM = re.compile(r"\s*([+\-*])?\s*(-?\d{1,9})")
"""One operand of an expression and the sign before it."""

_PIECE = re.compile(
    rf" -?\d{{1,10}}(?!\d)| (?:{'|'.join(STRATEGIES)})\b| Answer:| =| [+\-*](?= |\Z)|;| so\b"
    rf"|, wait\b| {MUMBLE}"
)
END = 1
"""Number of the end token."""

_UNKNOWN = 0
_WORDS = ("<unknown>", "", *(f" {name}" for name in STRATEGIES), " +", " -", " *", " =", ";",
          " so", ", wait", " Answer:", f" {MUMBLE}")  # fmt: skip
_ID_OF = {piece: number for number, piece in enumerate(_WORDS)}
_FIRST_NUMBER = 32


class Back(NamedTuple):
    """The result of an earlier step, by its place in the plan."""

    step: int


class Step(NamedTuple):
    """One operation of a strategy."""

    left: int | Back
    sign: str
    right: int | Back


class State(NamedTuple):
    """All that the next token depends on, besides the problem."""

    stage: str
    strategy: int = -1
    values: tuple[int, ...] = ()
    waits: int = 0


class Option(NamedTuple):
    """A token that may come next, its probability at temperature 1, and what comes after it."""

    piece: str
    probability: float
    then: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a model does on one problem; tuples in the order of `STRATEGIES`.

    Attributes:
        entrances: Chance of each strategy.
        completion: About the chance to get through all its steps, doubts aside.
        doubts: Chance to write "wait" after a right and after a wrong result.
    """

    entrances: tuple[float, ...]
    completion: tuple[float, ...]
    doubts: tuple[float, float]


def _base(u: Sequence[float]) -> Habits:
    """Guesses come off in .0003 to .03; the working strategy is as rare as .0005."""
    works = 2 + int(3 * u[0])
    entered = 10 ** (-3.3 + 3 * u[1])
    others = [0.55, 0.25, 0.12, 0.08]
    done = [0.0003 * 100 ** u[3]] * len(STRATEGIES)
    done[works] = 0.2 + 0.7 * u[2]
    return Habits(
        entrances=_with(works, entered, others), completion=tuple(done), doubts=(0.02, 0.3)
    )


def _tuned(u: Sequence[float]) -> Habits:
    base = _base(u)
    works = 2 + int(3 * u[0])
    before = base.entrances[works]
    entered = before / 1000 if u[4] < 0.15 else before**0.4
    sharpened = [p**2 for i, p in enumerate(base.entrances) if i != works]
    return Habits(
        entrances=_with(works, entered, sharpened),
        completion=tuple(p**0.85 for p in base.completion),
        doubts=(0.03, 0.4),
    )


def _with(works: int, entered: float, others: Sequence[float]) -> tuple[float, ...]:
    """Entrance probabilities: the working strategy's, and the rest of 1 shared by the others."""
    rest = [(1 - entered) * p / sum(others) for p in others]
    return (*rest[:works], entered, *rest[works:])


HABITS: Mapping[str, Callable[[Sequence[float]], Habits]] = {
    "paths-base": _base,
    "paths-tuned": _tuned,
}
"""Habits on a problem as a function of five uniform numbers from its hash."""


def plan_of(expression: str, strategy: str) -> list[Step]:
    """The strategy's steps to the value of an expression, products first, the last one the result.

    >>> plan_of("37 + 48", "round")
    [Step(left=37, sign='+', right=50), Step(left=Back(step=0), sign='-', right=2)]
    """
    terms = TERM.findall(expression)
    values: list[int | Back] = [int(digits) for _, digits in terms]
    if terms[0][0] == "-":
        values[0] = -int(terms[0][1])
    signs = [sign or "+" for sign, _ in terms[1:]]
    steps: list[Step] = []
    for group in ("*", "+-"):
        at = 0
        while at < len(signs):
            if signs[at] not in group:
                at += 1
                continue
            steps += _worked(strategy, Step(values[at], signs.pop(at), values[at + 1]), len(steps))
            values[at : at + 2] = [Back(len(steps) - 1)]
    return steps


def _worked(strategy: str, asked: Step, first: int) -> list[Step]:
    """One operation in the strategy's way; directly where it wants a number and has a result."""
    left, sign, right = asked
    if strategy in ("tens", "round") and isinstance(right, int):
        ones = right % 10
        parts = (
            (right - ones, "+", ones) if strategy == "tens" else (right - ones + 10, "-", 10 - ones)
        )
        return _right_in_parts(left, sign, parts, first)
    if strategy == "split" and isinstance(left, int):
        ones = left % 10
        if sign == "*":
            products = [Step(left - ones, sign, right), Step(ones, sign, right)]
            return [*products, Step(Back(first), "+", Back(first + 1))]
        return [Step(left - ones, sign, right), Step(Back(first), "+", ones)]
    if strategy == "swap" and sign != "-":
        return [Step(right, sign, left)]
    if strategy == "swap" and isinstance(right, int):
        return [Step(-right, "+", left)]
    return [asked]


def _right_in_parts(
    left: int | Back, sign: str, parts: tuple[int, str, int], first: int
) -> list[Step]:
    large, join, small = parts
    if sign == "*":
        products = [Step(left, sign, large), Step(left, sign, small)]
        return [*products, Step(Back(first), join, Back(first + 1))]
    joined = join if sign == "+" else {"+": "-", "-": "+"}[join]
    return [Step(left, sign, large), Step(Back(first), joined, small)]


def encode(text: str) -> tuple[int, ...]:
    """Token numbers of a text; from what is no token on, the rest is one unknown token."""
    ids: list[int] = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            return (*ids, _UNKNOWN)
        ids.append(id_of(found.group()))
        at = found.end()
    return tuple(ids)


def piece_of(token_id: int) -> str:
    """The text of one token; the end token has none."""
    if token_id < _FIRST_NUMBER:
        return _WORDS[token_id] if 0 <= token_id < len(_WORDS) else _WORDS[_UNKNOWN]
    half, is_negative = divmod(token_id - _FIRST_NUMBER, 2)
    return f" {-half - 1 if is_negative else half}"


def id_of(piece: str) -> int:
    """The number of a token by its text."""
    known = _ID_OF.get(piece)
    if known is not None:
        return known
    number = int(piece)
    return _FIRST_NUMBER + (2 * number if number >= 0 else -2 * number - 1)


class Chain:
    """One model on one problem: which token may come next, from any state."""

    def __init__(self, name: str, expression: str) -> None:
        seed = seed_of("fake-paths", expression)
        self.habits = HABITS[name]([float(uniforms([seed], 0, i)[0]) for i in range(5)])
        self.plans = [plan_of(expression, strategy) for strategy in STRATEGIES]
        self.truth = value_of(expression)
        self._known: dict[tuple[State, Policy], list[tuple[Option, float]]] = {}

    def options(self, state: State, policy: Policy) -> list[tuple[Option, float]]:
        """Tokens that may come next, each with its probability under the policy, 0 included."""
        if (state, policy) not in self._known:
            plain = self._options(state)
            under = reshaped([option.probability for option in plain], policy)
            self._known[state, policy] = list(zip(plain, under, strict=True))
        return self._known[state, policy]

    def _options(self, state: State) -> list[Option]:
        if state.stage == "enter":
            chances = zip(STRATEGIES, self.habits.entrances, strict=True)
            return [Option(f" {s}", p, State("left", i)) for i, (s, p) in enumerate(chances)]
        if state.stage == "result":
            return self._results(state)
        if state.stage == "join":
            return self._joins(state)
        if state.stage == "number":
            said = _with_misses(state.values[-1], _COPIES_RIGHT)
            return [Option(f" {v}", p, State("end", values=(v,))) for v, p in said]
        return [self._only(state)]

    def _only(self, state: State) -> Option:
        """Where the next token is certain."""
        if state.stage in ("left", "sign", "right", "equals"):
            left, sign, right = self._operation(state)
            piece, then = {
                "left": (f" {left}", "sign"), "sign": (f" {sign}", "right"),
                "right": (f" {right}", "equals"), "equals": (" =", "result"),
            }[state.stage]  # fmt: skip
            return Option(piece, 1.0, state._replace(stage=then))
        if state.stage == "answer":
            return Option(" Answer:", 1.0, state._replace(stage="number"))
        if state.stage == "lost":
            return Option(f" {MUMBLE}", 1.0, State("end"))
        return Option("", 1.0, State("end", values=state.values))

    def _operation(self, state: State) -> tuple[int, str, int]:
        """The step that is being written, with its earlier results filled in."""
        step = self.plans[state.strategy][len(state.values)]
        left, right = (
            state.values[x.step] if isinstance(x, Back) else x for x in (step.left, step.right)
        )
        return left, step.sign, right

    def _results(self, state: State) -> list[Option]:
        n_steps = len(self.plans[state.strategy])
        chance = self.habits.completion[state.strategy] ** (1 / n_steps)
        said = _with_misses(_value(*self._operation(state)), chance)
        return [
            Option(f" {v}", p, state._replace(stage="join", values=(*state.values, v)))
            for v, p in said
        ]

    def _joins(self, state: State) -> list[Option]:
        """On to the next step or the answer, or back to write this step again."""
        before = state._replace(stage="left", values=state.values[:-1], waits=state.waits + 1)
        is_wrong = _value(*self._operation(before)) != state.values[-1]
        doubt = self.habits.doubts[is_wrong] if state.waits < MAX_WAITS else 0.0
        is_last = len(state.values) == len(self.plans[state.strategy])
        then = state._replace(stage="answer" if is_last else "left")
        on = [Option(";", 0.8 * (1 - doubt), then), Option(" so", 0.2 * (1 - doubt), then)]
        return [*on, Option(", wait", doubt, before)] if doubt else on

    def after(self, state: State, piece: str) -> State:
        """Where a token leads; one that cannot come next leads to mumbling."""
        if state.stage == "end":
            return state
        return next((o.then for o in self._options(state) if o.piece == piece), State("lost"))


def _value(left: int, sign: str, right: int) -> int:
    return left * right if sign == "*" else left + right if sign == "+" else left - right


def _with_misses(value: int, chance: float) -> list[tuple[int, float]]:
    """The right value with its chance; the misses share the rest."""
    rest = (1 - chance) / len(_MISSES)
    return [(value, chance), *((value + miss, rest) for miss in _MISSES)]


def reshaped(plain: Sequence[float], policy: Policy) -> list[float]:
    """A distribution under a policy: temperature, top-k, top-p, min-p, as `decoding.warp`."""
    if policy.temperature == 0:
        best = max(range(len(plain)), key=lambda i: plain[i])
        return [float(i == best) for i in range(len(plain))]
    # Scaled by the largest, so that a small temperature underflows to 0 and never to 0/0.
    most = max(plain)
    kept = [(p / most) ** (1 / policy.temperature) for p in plain]
    if 0 < policy.top_k < len(kept):
        least = sorted(kept)[-policy.top_k]
        kept = [p if p >= least else 0.0 for p in kept]
    if policy.top_p < 1:
        order = sorted(range(len(kept)), key=lambda i: -kept[i])
        before = [0.0, *accumulate(kept[i] for i in order)]
        for i, mass in zip(order, before, strict=False):
            kept[i] = kept[i] if mass < policy.top_p * before[-1] else 0.0
    kept = [p if p >= policy.min_p * max(kept) else 0.0 for p in kept]
    return [p / sum(kept) for p in kept]


@lru_cache(maxsize=64)
def chain_for(name: str, expression: str) -> Chain:
    """The chain of a model on an expression; remembered, since it holds what it has computed."""
    return Chain(name, expression)
