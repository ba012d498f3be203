"""The manual check of rare right answers, blinded and repeatable.

A problem whose share of right answers is above 0 and below 5% may have been hit by luck. The check
of Yue et al. (2025) reads the chains behind such hits: on how many of these problems does at least
one chain hold up? Here base and tuned chains are mixed and the side is hidden while a person reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathshift.errors import ConfigError, InputError
from pathshift.records import Outcome, ProblemCount
from pathshift.stats.exact import clopper_pearson
from pathshift.store.counts import run_counts
from pathshift.store.reviews import Item, Key, Origin, Side, token_of
from pathshift.store.run import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """Which chains are put on a sheet.

    Attributes:
        max_p: Problems with a share of right answers above 0 and below this.
        per_problem: Different right chains a problem and a side, at most.
        n: Chains on the sheet, at most; shared evenly between two sides.
        secret: Hides and orders; equal secrets choose equal chains.
        verifier: Whose verdicts say which answers are right; the base run's own if None.
    """

    secret: str
    max_p: float = 0.05
    per_problem: int = 1
    n: int = 40
    verifier: str | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 < self.max_p <= 1:
            raise ConfigError(f"--max-p must be above 0, up to 1, got {self.max_p}")
        for name in ("per_problem", "n"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RareProblem:
    """A problem that a side solved rarely; `low` and `high` bound its success probability."""

    id: str
    n: int
    c: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What goes onto a sheet.

    Attributes:
        rare: All problems of each side that are rare by their samples.
        chosen: How many of them have a chain on the sheet.
    """

    items: tuple[Item, ...]
    key: Key
    rare: Mapping[str, tuple[RareProblem, ...]]
    chosen: Mapping[str, int]


_Chains = dict[str, dict[str, tuple[Item, list[Origin]]]]
"""Right chains of rare problems: by problem id, then by token."""


def choose(runs: Mapping[Side, Path], settings: ReviewSettings, *, sheet: Path) -> Selection:
    """Right chains of problems that are rarely solved, both sides mixed.

    Problems and chains are taken in the order of their tokens, which the secret makes random and
    which does not depend on the side.

    Args:
        runs: One run folder, or two.
        sheet: Where the sheet will lie; the key names the runs from there.

    Raises:
        InputError: no side has such a problem; says which share its samples allow.
    """
    verifier = settings.verifier or str(RunFolder(runs["base"]).manifest.config["verifier"])
    found: dict[str, tuple[RareProblem, ...]] = {}
    taken: dict[str, tuple[Item, list[Origin]]] = {}
    chosen: dict[str, int] = {}
    chains = {}
    for side, run in runs.items():
        counts = [p for p in run_counts(run, verifier=verifier).counts if p.n]
        found[side] = tuple(_rare(p) for p in counts if 0 < p.c < settings.max_p * p.n)
        chains[side] = _right_chains(side, run, {p.id for p in found[side]}, verifier, settings)
        if not found[side] and len(runs) == 1:
            raise _nothing_rare(run, counts, settings.max_p)
    if not any(found.values()):
        raise InputError(
            f"no problem of either run has a share of right answers above 0 and below "
            f"{settings.max_p:g}; draw more samples or raise --max-p"
        )
    room = _shares(settings.n, {side: _size(chains[side], settings) for side in runs})
    for side in runs:
        picked = _pick(chains[side], settings.per_problem, room[side])
        chosen[side] = len({origin.problem_id for _, origins in picked for origin in origins})
        for item, origins in picked:
            taken.setdefault(item.token, (item, []))[1].extend(origins)
    key = Key(
        secret=settings.secret,
        verifier=verifier,
        runs={side: _relative(run, sheet) for side, run in runs.items()},
        contents={token: item.content for token, (item, _) in taken.items()},
        origins={token: tuple(origins) for token, (_, origins) in taken.items()},
    )
    items = tuple(item for item, _ in taken.values())
    return Selection(items=items, key=key, rare=found, chosen=chosen)


def _rare(count: ProblemCount) -> RareProblem:
    low, high = clopper_pearson(count.c, count.n)
    return RareProblem(id=count.id, n=count.n, c=count.c, low=low, high=high)


def _nothing_rare(run: Path, counts: Sequence[ProblemCount], max_p: float) -> InputError:
    most = max((p.n for p in counts), default=0)
    few = f"with {most} samples the smallest share is {1 / most:.3g}" if most else "no samples"
    return InputError(
        f"{run} has no problem with a share of right answers above 0 and below {max_p:g} ({few}); "
        "draw more samples or raise --max-p"
    )


def _right_chains(
    side: Side, run: Path, wanted: set[str], verifier: str, settings: ReviewSettings
) -> _Chains:
    """All right chains of some problems; samples of equal text share an item."""
    if not wanted:
        return {}
    folder = RunFolder(run)
    problems = {p.id: p for p in folder.problems() if p.id in wanted}
    right = folder.outcomes(verifier)
    found: _Chains = {}
    for sample in folder.samples(problem_ids=sorted(wanted)):
        problem = problems[sample.problem_id]
        if right[problem.id][sample.sample_no] is not Outcome.CORRECT:
            continue
        shown = (problem.question, problem.gold, sample.text)
        token = token_of(settings.secret, *shown)
        item = Item(token=token, question=shown[0], reference=shown[1], chain=shown[2])
        origin = Origin(side=side, problem_id=problem.id, sample_no=sample.sample_no)
        found.setdefault(problem.id, {}).setdefault(token, (item, []))[1].append(origin)
    return found


def _size(chains: _Chains, settings: ReviewSettings) -> int:
    return sum(min(len(found), settings.per_problem) for found in chains.values())


def _shares(n: int, available: Mapping[Side, int]) -> dict[Side, int]:
    """Room for each side: even, and what one side cannot fill is the other's."""
    even = n // len(available) or 1
    left = max(0, n - sum(min(even, size) for size in available.values()))
    more = left // max(1, sum(size > even for size in available.values()))
    return {side: min(size, even + more) for side, size in available.items()}


def _pick(chains: _Chains, per_problem: int, room: int) -> list[tuple[Item, list[Origin]]]:
    problems = sorted((sorted(found)[:per_problem], name) for name, found in chains.items())
    picked = [chains[name][token] for tokens, name in problems for token in tokens]
    return picked[:room]


def _relative(run: Path, sheet: Path) -> str:
    """The run as seen from the sheet's folder, so that both may move together."""
    return os.path.relpath(run.resolve(), sheet.resolve().parent)
