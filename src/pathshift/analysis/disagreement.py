"""Two verifiers on the same samples: where they disagree, and what that does to pass@k."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.readings import ladder
from pathshift.errors import ConfigError
from pathshift.records import CountTable, Outcome, Verdict
from pathshift.stats.exact import clopper_pearson
from pathshift.stats.passk import IntArray, miss_table
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder

EXAMPLES_A_KIND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One sample that the two judge differently."""

    problem_id: str
    sample_no: int
    gold: str
    first: str
    second: str
    first_answer: str | None
    second_answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Samples the second verifier judged not correct that the first calls correct.

    If the second is right, `rate` is the first one's false-positive rate; `low` and `high` are its
    exact 95% interval, as if samples were independent. None where the second accepts everything.
    """

    count: int
    of: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """The whole table.

    Attributes:
        verifiers: The two names.
        table: Samples by both outcomes: first verifier's, then second's.
        samples: Samples that both judged.
        disagreeing: Those with different outcomes where one of them is "correct".
        first_only: What the first accepts and the second does not, among what the second rejects.
        second_only: The same the other way round.
        solved_by_first_only: Problems with a correct sample by the first verifier only.
        solved_by_second_only: The same the other way round.
        k: Numbers of tries.
        first: pass@k by the first verifier, failed samples left out.
        second: The same by the second.
        examples: Up to three samples of every kind of disagreement over "correct".
    """

    verifiers: tuple[str, str]
    table: dict[str, dict[str, int]]
    samples: int
    disagreeing: int
    first_only: Accepted
    second_only: Accepted
    solved_by_first_only: int
    solved_by_second_only: int
    k: list[int]
    first: list[float]
    second: list[float]
    examples: list[Example]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def disagreement(run: Path, first: str | None, second: str) -> Disagreement:
    """Set two verifiers' verdicts on one run side by side.

    Args:
        run: Run folder with the verdicts of both; `pathshift verify` makes the second.
        first: Name of a verifier; None for the run's own.
        second: Name of another.

    Raises:
        ConfigError: The two are one.
        RunError: The run lacks verdicts of one of them.
    """
    folder = RunFolder(run)
    first = first or str(folder.manifest.config["verifier"])
    if first == second:
        raise ConfigError(f"{run} is judged by {first} already; name another verifier")
    left, right = (run_counts(run, verifier=name) for name in (first, second))
    ours = {(v.problem_id, v.sample_no): v for v in folder.verdicts(first)}
    theirs = {(v.problem_id, v.sample_no): v for v in folder.verdicts(second)}
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    both = Counter((a.outcome, b.outcome) for a, b in pairs)
    k, curves = _curves(left, right)
    return Disagreement(
        verifiers=(first, second),
        table={a.value: {b.value: both[a, b] for b in Outcome} for a in Outcome},
        samples=len(pairs),
        disagreeing=sum(n for (a, b), n in both.items() if _differs(a, b)),
        first_only=_accepted({b: both[Outcome.CORRECT, b] for b in Outcome},
                             {b: sum(both[a, b] for a in Outcome) for b in Outcome}),
        second_only=_accepted({a: both[a, Outcome.CORRECT] for a in Outcome},
                              {a: sum(both[a, b] for b in Outcome) for a in Outcome}),
        solved_by_first_only=_solved(left, right),
        solved_by_second_only=_solved(right, left),
        k=k.tolist(),
        first=curves[0],
        second=curves[1],
        examples=_examples(pairs, {p.id: p.gold for p in folder.problems()}),
    )  # fmt: skip


def _differs(a: Outcome, b: Outcome) -> bool:
    """Whether exactly one accepts; wrong against unparsed changes no rate."""
    return (a is Outcome.CORRECT) != (b is Outcome.CORRECT)


def _accepted(accepted: dict[Outcome, int], judged: dict[Outcome, int]) -> Accepted:
    """Failed samples are no rejections and are left out."""
    rejections = (Outcome.WRONG, Outcome.UNPARSED)
    count, of = sum(accepted[o] for o in rejections), sum(judged[o] for o in rejections)
    if not of:
        return Accepted(count=count, of=of, rate=None, low=None, high=None)
    interval = clopper_pearson(count, of)
    return Accepted(count=count, of=of, rate=count / of, low=interval.low, high=interval.high)


def _solved(by: CountTable, not_by: CountTable) -> int:
    others = {p.id for p in not_by.counts if p.c}
    return sum(p.c > 0 and p.id not in others for p in by.counts)


def _curves(left: CountTable, right: CountTable) -> tuple[IntArray, list[list[float]]]:
    """pass@k of both over the problems that both judged at least one sample of."""
    ours, theirs = ({p.id: (p.n, p.c) for p in t.counts if p.n} for t in (left, right))
    shared = [name for name in ours if name in theirs]
    if not shared:
        return np.array([], dtype=np.int64), [[], []]
    tables = [np.array([side[name] for name in shared]) for side in (ours, theirs)]
    k = ladder(int(min(table[:, 0].min() for table in tables)))
    curves = [
        1 - miss_table(table[:, 0], table[:, 1], int(k[-1]))[:, k - 1].mean(axis=0)
        for table in tables
    ]
    return k, [curve.tolist() for curve in curves]


def _examples(pairs: list[tuple[Verdict, Verdict]], golds: dict[str, str]) -> list[Example]:
    """The first samples of each kind, one a problem: a systematic slip repeats within a problem."""
    seen: Counter[tuple[Outcome, Outcome]] = Counter()
    shown: set[tuple[str, Outcome, Outcome]] = set()
    found = []
    for a, b in pairs:
        kind, place = (a.outcome, b.outcome), (a.problem_id, a.outcome, b.outcome)
        if not _differs(*kind) or seen[kind] == EXAMPLES_A_KIND or place in shown:
            continue
        seen[kind] += 1
        shown.add(place)
        found.append(
            Example(
                problem_id=a.problem_id,
                sample_no=a.sample_no,
                gold=golds.get(a.problem_id, ""),
                first=a.outcome.value,
                second=b.outcome.value,
                first_answer=a.answer,
                second_answer=b.answer,
            )
        )
    return found
