"""A run's samples as path keys and answers by problem: what is left of them without their text.

Texts are read a few at a time and forgotten; of each correct sample a digest of every kind of path
it has stays, of every judged sample a digest of its answer.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pathshift.analysis.answers import normalised
from pathshift.records import CountTable, Outcome, Problem, Sample, Verdict
from pathshift.store.exporters.runs import run_rows
from pathshift.traces.paths import Kind, paths_in

LEAST_SHARE = 0.9
"""A kind serves a problem if so many of the correct samples of each side have it."""

_RIGHT = b"right"
"""Stands for all right answers: one value has many spellings."""

Keys = Mapping[Kind, bytes]
"""Digest of a sample's path by every kind that it has."""


@dataclass(slots=True, kw_only=True)
class ProblemPaths:
    """One problem's samples in one run.

    Attributes:
        correct: Path keys of every correct sample.
        answers: Judged samples by their answer; all right answers are one.
        unanswered: Judged samples in which no answer was found; not in `answers`.
        untold: Wrong samples whose answer the run does not hold; nor are these.
    """

    correct: list[Keys] = field(default_factory=list)
    answers: Counter[bytes] = field(default_factory=Counter)
    unanswered: int = 0
    untold: int = 0

    def counts(self, kind: Kind) -> list[int]:
        """Correct samples of each path of this kind; those without one are left out."""
        return list(Counter(keys[kind] for keys in self.correct if kind in keys).values())


def run_paths(table: CountTable) -> dict[str, ProblemPaths]:
    """The samples behind a run folder's counts, by problem id.

    Answers are taken from draws whose number was fixed beforehand: all of a plain run, the pilot of
    one that a rule stopped. There the last draw is a right one by the rule, so all of them together
    are no fair picture of the answers; the paths among the right ones are, since the rule never
    looks at them.

    Args:
        table: From `run_counts`: its name is the folder, its settings name the verifier.

    Raises:
        DamagedShard: a file cannot be read.
    """
    stopping = table.settings.get("stopping")
    pilot = None if stopping is None else int(stopping["pilot"])
    found = {problem.id: ProblemPaths() for problem in table.counts}
    for problem, sample, verdict in run_rows(Path(table.name), str(table.settings["verifier"])):
        own = found.get(problem.id)
        if own is None:
            continue
        if verdict.outcome is Outcome.CORRECT:
            own.correct.append(_keys(problem, sample, verdict))
        if pilot is None or sample.sample_no < pilot:
            _count_answer(own, verdict)
    return found


def common_kind(sides: Sequence[ProblemPaths]) -> Kind:
    """The most certain kind that nearly all correct samples of every side have.

    Both sides of a problem are read by one kind, since two tools for telling paths apart find
    different numbers of them in the same texts.
    """
    return next(kind for kind in Kind if all(_share(side, kind) >= LEAST_SHARE for side in sides))


def _share(side: ProblemPaths, kind: Kind) -> float:
    return sum(kind in keys for keys in side.correct) / max(len(side.correct), 1)


def _keys(problem: Problem, sample: Sample, verdict: Verdict) -> Keys:
    # Numbers to be used up: the answer is an expression over them, however short.
    expects = Kind.EXPRESSION if "numbers" in problem.data else None
    found = paths_in(sample.text, verdict.answer, expects=expects)
    return {kind: _digest(key) for kind, key in found.items()}


def _count_answer(own: ProblemPaths, verdict: Verdict) -> None:
    if verdict.outcome is Outcome.CORRECT:
        own.answers[_RIGHT] += 1
    elif verdict.outcome is Outcome.UNPARSED:
        own.unanswered += 1
    elif verdict.outcome is Outcome.WRONG and verdict.answer is None:
        own.untold += 1
    elif verdict.outcome is Outcome.WRONG:
        own.answers[_digest(normalised(str(verdict.answer)))] += 1


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
