"""Pre-training corpora: worked solutions of stated levels in stated shares.

The level is the depth in compose and the count of numbers in countdown. The share of a deeper
level, from none to about 1%, is what the design of "Interplay" (arXiv:2512.07783) varies: how much
of a skill has to stand in pre-training before reinforcement learning can bring it out.

Held-out problems never get in: neither by id (what is asked) nor by content hash (that and the
gold). Countdown's corpus is made forwards, by random operations on random numbers whose last result
is the target, so its targets are the common ones; the family's own draw is even over all reachable
targets. Does not cover tokens, packing and mixing with other sources: `pathshift.training`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

from pathshift.errors import ConfigError, UnknownName
from pathshift.lab.zoo.traces import after, blind_operation, number, trace
from pathshift.problems import compose, countdown
from pathshift.problems.seeds import generator
from pathshift.records import Problem
from pathshift.store.shards import whole_or_absent

FAMILIES = ("compose", "countdown")
MAX_NUMBER = 25
"""Largest number dealt in countdown's corpora and evaluation sets."""
TARGETS = (100, 999)
"""Smallest and largest target there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPlan:
    """What a corpus holds.

    Attributes:
        family: "compose" or "countdown".
        n_documents: How many documents.
        shares: (level, share of the documents), summing to 1; a share of 0 may stand there.
        noise: Chance that a step is wrong, the same at every level.
        seed: Of problems, noise and order.
    """

    family: str
    n_documents: int
    shares: tuple[tuple[int, float], ...]
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise UnknownName(f"no corpus for {self.family!r}; there are: {', '.join(FAMILIES)}")
        if self.n_documents < 1:
            raise ConfigError(f"n_documents must be at least 1, got {self.n_documents}")
        if not 0 <= self.noise < 1:
            raise ConfigError(f"noise must be from 0 to below 1, got {self.noise}")
        _check_shares(self.shares, self.family)

    @property
    def counts(self) -> dict[int, int]:
        """Level -> documents. Shares are rounded down; what is left goes to the largest rests."""
        exact = {level: share * self.n_documents for level, share in self.shares}
        counts = {level: int(wanted) for level, wanted in exact.items()}
        by_rest = sorted(exact, key=lambda level: (counts[level] - exact[level], level))
        for level in by_rest[: self.n_documents - sum(counts.values())]:
            counts[level] += 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One worked solution.

    Attributes:
        problem: Its id, which says what was asked.
        content_hash: The problem's.
        level: Depth, or count of numbers.
        prompt: The question and a line end, as the tokenizer's chat template renders it.
        completion: The solution; an end token belongs behind it.
        is_right: Whether its answer is.
    """

    problem: str
    content_hash: str
    level: int
    prompt: str
    completion: str
    is_right: bool


class ShareRow(NamedTuple):
    """What one level makes up of a corpus; `right` is the share of its documents that are right."""

    level: int
    documents: int
    document_share: float
    tokens: int
    token_share: float
    problems: int
    right: float


def documents(plan: CorpusPlan, held_out: Iterable[Problem] = ()) -> Iterator[Document]:
    """The corpus in its order, one by one."""
    refused = {name for problem in held_out for name in (problem.id, problem.content_hash)}
    levels = [level for level, n in plan.counts.items() for _ in range(n)]
    generator("zoo-order", plan.family, plan.seed).shuffle(levels)
    sources = {level: problems(plan, level, refused) for level in plan.counts}
    for place, level in enumerate(levels):
        yield _document(next(sources[level]), level, plan, place)


def problems(
    plan: CorpusPlan, level: int, refused: Collection[str] = frozenset()
) -> Iterator[Problem]:
    """The problems of one level without end, but those whose id or content hash is refused."""
    draw = _compose_problem if plan.family == "compose" else _countdown_problem
    for place in count():
        problem = draw(level, plan.seed, place)
        if problem.id not in refused and problem.content_hash not in refused:
            yield problem


def write_corpus(plan: CorpusPlan, path: Path, held_out: Iterable[Problem] = ()) -> list[Document]:
    """Write the corpus as JSONL, one document a line with the fields of `Document`; return it.

    The file is there whole or not at all.
    """
    made = list(documents(plan, held_out))
    with whole_or_absent(path) as file:
        for document in made:
            file.write(json.dumps(asdict(document), ensure_ascii=False).encode() + b"\n")
    return made


def read_corpus(path: Path) -> Iterator[Document]:
    """The documents of a file by `write_corpus`."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Document(**json.loads(line))


def share_table(made: Sequence[Document], n_tokens: Callable[[str], int]) -> list[ShareRow]:
    """Documents, tokens, distinct problems and right answers by level; `n_tokens` counts a text's.

    An end token is counted to every document.
    """
    tokens = [n_tokens(document.prompt + document.completion) + 1 for document in made]
    total = sum(tokens)
    rows = []
    for level in sorted({document.level for document in made}):
        here = [place for place, document in enumerate(made) if document.level == level]
        n_here = sum(tokens[place] for place in here)
        rows.append(
            ShareRow(
                level=level,
                documents=len(here),
                document_share=len(here) / len(made),
                tokens=n_here,
                token_share=n_here / total,
                problems=len({made[place].problem for place in here}),
                right=sum(made[place].is_right for place in here) / len(here),
            )
        )
    return rows


def prompt_of(problem: Problem) -> str:
    """What stands before the solution."""
    return f"{problem.question}\n"


def _document(problem: Problem, level: int, plan: CorpusPlan, place: int) -> Document:
    # The place is in the seed because a small family can deal one problem twice.
    written = trace(problem, noise=plan.noise, seed=plan.seed * plan.n_documents + place)
    return Document(
        problem=problem.id,
        content_hash=problem.content_hash,
        level=level,
        prompt=prompt_of(problem),
        completion=written.text,
        is_right=not written.wrong,
    )


def _compose_problem(depth: int, seed: int, place: int) -> Problem:
    return compose.draw_bare(compose.Options(depth=(depth,), definitions="none", seed=seed), place)


def _countdown_problem(n_numbers: int, seed: int, place: int) -> Problem:
    """Random operations on random numbers until their result is a target."""
    rng = generator("zoo-countdown", seed, n_numbers, place)
    low, high = TARGETS
    while True:
        numbers = sorted(rng.randint(1, MAX_NUMBER) for _ in range(n_numbers))
        pool = [number(value) for value in numbers]
        while len(pool) > 1:
            pool = after(pool, blind_operation(pool, rng))
        if low <= pool[0].value <= high:
            return countdown.stated(numbers, pool[0].value, gold=pool[0].text)


def _check_shares(shares: tuple[tuple[int, float], ...], family: str) -> None:
    lowest, highest = (
        (1, compose.DEEPEST) if family == "compose" else (countdown.FEWEST, countdown.MOST)
    )
    levels = [level for level, _ in shares]
    if len(set(levels)) < len(levels) or not all(lowest <= level <= highest for level in levels):
        raise ConfigError(
            f"levels of {family} must be different and from {lowest} to {highest}, got {levels}"
        )
    if any(share < 0 for _, share in shares) or abs(sum(share for _, share in shares) - 1) > 1e-9:
        raise ConfigError(
            f"shares must be at least 0 and sum to 1, got {[share for _, share in shares]}"
        )
