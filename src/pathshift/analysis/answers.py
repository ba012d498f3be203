"""How far guessing by the distribution of answers would go: an upper-bound reading of the floor.

The guesser draws another problem of the run at random, then one of its stored answers, and gives it
here. It knows what answers to such problems look like, which a blind guesser does not, so it also
discounts genuine solutions of problems with a frequent answer: a reading beside the verdict, never
the verdict.

Nothing is judged anew. An answer hits a problem if an equal text was judged correct there, or if it
equals the reference; texts are compared without differences of case, space and thousands commas.
Values that are equal but written in other ways are missed, so the reading is an upper bound of
blind guessing and no upper bound of what this guesser could reach with a verifier at hand.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.pairing import drawn
from pathshift.analysis.readings import BeyondFloor, beyond_floor, ladder
from pathshift.errors import InputError
from pathshift.records import Outcome, Problem, Verdict
from pathshift.stats.passk import floor_curve
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder

LABEL = "upper-bound reading"

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFloor:
    """What drawing from the run's own answers reaches.

    Attributes:
        label: What to call it wherever it is shown.
        success: Chance of a hit on one try, by problem id; never below the task's own floor.
        k: Numbers of tries.
        curve: Mean over problems of 1 - (1-g)^k.
        beyond: What is solved beyond this guesser; discounts rare genuine solutions too.
    """

    label: str
    success: dict[str, float]
    k: list[int]
    curve: list[float]
    beyond: BeyondFloor

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def answer_floor(run: Path, *, verifier: str | None = None) -> AnswerFloor:
    """The reading for a run folder, from the verdicts of one verifier (the run's own).

    Raises:
        InputError: The run has fewer than two problems with a stored answer, or no judged sample.
        RunError: as `run_counts`.
    """
    table = run_counts(run, verifier=verifier)
    folder = RunFolder(run)
    verdicts = folder.verdicts(str(table.settings["verifier"]))
    success = chances(folder.problems(), verdicts)
    usable = [p for p in table.counts if p.n]
    if not usable:
        raise InputError(f"{run} has no judged sample; nothing can be read from its answers")
    counts = drawn(replace(table, counts=tuple(usable)))
    # Whoever guesses by answers may guess blindly where that goes further.
    success = {p.id: max(success[p.id], p.floor or 0.0) for p in usable}
    g = np.array(list(success.values()))
    k = ladder(int(counts.reach.min()))
    return AnswerFloor(
        label=LABEL,
        success=success,
        k=k.tolist(),
        curve=floor_curve(g, k).tolist(),
        beyond=beyond_floor(counts, g),
    )


def chances(problems: Sequence[Problem], verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Chance that an answer to another problem hits, by problem id.

    Every other problem with a stored answer is equally likely, then every answer to it.

    Raises:
        InputError: Fewer than two problems have a stored answer.
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    right = {p.id: {normalised(p.gold)} - {""} for p in problems}
    for verdict in verdicts:
        if verdict.answer is None or verdict.problem_id not in right:
            continue
        text = normalised(verdict.answer)
        answers[verdict.problem_id][text] += 1
        if verdict.outcome is Outcome.CORRECT:
            right[verdict.problem_id].add(text)
    if len(answers) < 2:
        raise InputError(
            f"only {len(answers)} problems have a stored answer; guessing by the distribution of "
            "answers needs two"
        )
    shares = {
        name: {text: count / counted.total() for text, count in counted.items()}
        for name, counted in answers.items()
    }
    pooled: dict[str, float] = defaultdict(float)
    for own in shares.values():
        for text, share in own.items():
            pooled[text] += share
    return {
        name: _hit(hits, pooled, shares.get(name, {}), len(shares)) for name, hits in right.items()
    }


def _hit(hits: set[str], pooled: dict[str, float], own: dict[str, float], n_answered: int) -> float:
    others = n_answered - bool(own)
    total = sum(pooled.get(text, 0.0) - own.get(text, 0.0) for text in hits)
    return min(1.0, max(0.0, total / others))


def normalised(text: str) -> str:
    """Text without differences of case, space, width and thousands commas.

    >>> normalised(" 1,024 Apples")
    '1024 apples'
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _THOUSANDS.sub("", plain)
