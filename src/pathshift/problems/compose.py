"""Function composition: what is f(g(h(x))) for named functions on strings?

Covers depths 1 to 5 over forty functions and inputs of 8 to 10 distinct letters; the definitions
stand in the question, or do not. The gold answer is the exact string. Does not cover functions with
arguments of their own or branching.

Null policy, the better of two: applying `depth` functions chosen blindly (uniform, with
replacement) to x, counted exactly by meeting in the middle; or a blind shuffle of x's letters.
Neither reads which functions the question names. From depth 3 on a problem is kept only if this
stays below 5% within 1024 tries; depth 1 is right once in 40 and depth 2 once in 1600 at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from pathshift.errors import ConfigError
from pathshift.problems.compose_functions import FUNCTIONS, LETTERS, PartialStep, StringFunction
from pathshift.problems.floors import blind_arrangement, reached_in
from pathshift.problems.options import check_at_least
from pathshift.problems.seeds import generator
from pathshift.records import Problem, digest

DEEPEST = 5
DEFINITIONS = ("all", "used", "none")
# From this depth on blind choice is rare enough to be kept below the bound.
_GUARDED_DEPTH = 3
_GUARD_TRIES, _GUARD_RATE = 1024, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which compositions to draw.

    Attributes:
        n: How many.
        depth: Functions applied one after the other, 1 to 5; of several the problems take turns.
        definitions: Those given in the question: "all" forty, the "used" ones, or "none".
        seed: Seed of the draw.
    """

    n: int = 200
    depth: tuple[int, ...] = (3,)
    definitions: str = "used"
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(self, n=1)
        if not self.depth or not all(1 <= depth <= DEEPEST for depth in self.depth):
            raise ConfigError(f"depth must be from 1 to {DEEPEST} (as 3, or 2,3), got {self.depth}")
        if self.definitions not in DEFINITIONS:
            raise ConfigError(
                f"definitions must be one of {', '.join(DEFINITIONS)}, got {self.definitions!r}"
            )


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """Problems drawn one by one; the first ones do not depend on how many follow."""
    n_wanted = options.n if limit is None else min(limit, options.n)
    return [_draw(options, number) for number in range(n_wanted)]


def floor(word: str, gold: str, *, depth: int) -> float:
    """Chance of `gold` on one try for the better of the two blind policies."""
    return max(blind_choice(word, gold, depth=depth), blind_arrangement(gold, letters=word))


def blind_choice(word: str, gold: str, *, depth: int) -> float:
    """Chance that `depth` functions, uniform with replacement, lead from `word` to `gold`.

    Exact. At most two steps are taken backwards from the gold and three forwards from the word:
    since functions are injective, a backward step has at most one result per function.
    """
    n_back = depth // 2
    ends = _after({gold: 1}, [function.undo for function in FUNCTIONS.values()], n_back)
    starts = _after({word: 1}, [function.apply for function in FUNCTIONS.values()], depth - n_back)
    hits = sum(n_ways * ends.get(text, 0) for text, n_ways in starts.items())
    return hits / float(len(FUNCTIONS) ** depth)


def _after(texts: dict[str, int], steps: Sequence[PartialStep], n_steps: int) -> dict[str, int]:
    """Texts after `n_steps` of any of `steps` each, with the number of ways to get there."""
    for _ in range(n_steps):
        following: Counter[str] = Counter()
        for text, n_ways in texts.items():
            for step in steps:
                result = step(text)
                if result is not None:
                    following[result] += n_ways
        texts = following
    return texts


def draw_bare(options: Options, number: int) -> Problem:
    """The `number`-th draw of a long text: no floor, and not kept below the guard.

    For corpora, where nobody guesses: exact floors would take most of the time.
    """
    depth = _depth(options, number)
    rng = generator("compose-bare", options.seed, depth, number)
    word, chain = _chain(rng, depth)
    return _problem(word, chain, chance=None, definitions=options.definitions)


def _draw(options: Options, number: int) -> Problem:
    """The first draw of this place's own generator that blind choice does not find."""
    depth = _depth(options, number)
    rng = generator("compose", options.seed, depth, number)
    while True:
        word, chain = _chain(rng, depth)
        chance = floor(word, _apply(word, chain), depth=depth)
        if depth < _GUARDED_DEPTH or reached_in(chance, tries=_GUARD_TRIES) < _GUARD_RATE:
            return _problem(word, chain, chance=chance, definitions=options.definitions)


def _depth(options: Options, number: int) -> int:
    """In turn, so that a mixture holds the very problems of its depths drawn alone."""
    return options.depth[number % len(options.depth)]


def _chain(rng: Random, depth: int) -> tuple[str, list[StringFunction]]:
    """A word and functions for it, of which every step and the order matter."""
    while True:
        word = "".join(rng.sample(LETTERS, rng.randint(8, 10)))
        chain = [FUNCTIONS[rng.choice(list(FUNCTIONS))] for _ in range(depth)]
        if _every_step_matters(word, chain):
            return word, chain


def _apply(word: str, chain: Sequence[StringFunction]) -> str:
    for function in chain:
        word = function.apply(word)
    return word


def _every_step_matters(word: str, chain: Sequence[StringFunction]) -> bool:
    """Whether each step changes the string and neighbours in the chain do not commute on it."""
    words = [word]
    for function in chain:
        words.append(function.apply(words[-1]))
    if words[-1] == word or any(before == after for before, after in pairwise(words)):
        return False
    return all(
        first.apply(second.apply(before)) != after
        for before, (first, second), after in zip(words, pairwise(chain), words[2:], strict=False)
    )


def _problem(
    word: str, chain: list[StringFunction], *, chance: float | None, definitions: str
) -> Problem:
    names = [function.name for function in chain]
    call = "".join(f"{name}(" for name in reversed(names)) + f'"{word}"' + ")" * len(names)
    return Problem(
        id=f"compose-{digest(word, names)[:16]}",
        task="compose",
        question=f"{_definitions(names, definitions)}What is {call}?",
        gold=_apply(word, chain),
        source=f"compose-{len(names)}",
        floor=chance,
        data={"input": word, "functions": names, "depth": len(names)},
    )


def _definitions(names: list[str], which: str) -> str:
    """The paragraph before the question, with the functions in the order of their names."""
    shown = {"all": list(FUNCTIONS), "used": sorted(set(names)), "none": []}[which]
    if not shown:
        return ""
    lines = [f"{name}(s): {FUNCTIONS[name].meaning}." for name in shown]
    return f"{_INTRODUCTION}\n" + "\n".join(lines) + "\n\n"


_INTRODUCTION = (
    "Each function takes a string s of lower-case letters and returns another. Letters are "
    "numbered a=0 to z=25 and places are counted from 1; sums of letters and moves in the alphabet "
    "wrap around from z to a."
)
