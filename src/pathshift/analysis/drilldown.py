"""A bounded number of real samples to look at, chosen where the two models disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pathshift.analysis.result import Comparison, ProblemRow, SampleView
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.store.run import RunFolder

MAX_PROBLEMS = 24
SAMPLES_A_SIDE = 3


Side = Literal["base", "tuned"]
Judged = tuple[Problem, Sample, Verdict]
SampleSource = Callable[[set[str]], Iterable[Judged]]
"""Reads the samples of some problems, by their ids."""


def shown_samples(result: Comparison, sources: Mapping[Side, SampleSource]) -> list[SampleView]:
    """Samples of the problems that differ most, from the sides that have any.

    Args:
        result: The comparison, for the order: one side solved first, then the largest change.
        sources: Where the samples of "base" and "tuned" are; a side of counts only has none.
    """
    chosen = sorted(result.problems, key=_disagreement, reverse=True)[:MAX_PROBLEMS]
    found: list[SampleView] = []
    for side, read in sources.items():
        names = {(row.tuned_id or row.id) if side == "tuned" else row.id: row.id for row in chosen}
        found.extend(_side(side, read(set(names)), names))
    place = {row.id: i for i, row in enumerate(chosen)}
    return sorted(found, key=lambda s: (place[s.problem_id], s.side, s.sample_no))


def run_samples(path: Path, verifier: str | None = None) -> SampleSource:
    """Samples of a run folder with the verdicts of one verifier, by default the run's own."""

    def read(wanted: set[str]) -> Iterator[Judged]:
        folder = RunFolder(path)
        problems = {p.id: p for p in folder.problems() if p.id in wanted}
        name = verifier or str(folder.manifest.config["verifier"])
        judged = {(v.problem_id, v.sample_no): v for v in folder.verdicts(name)}
        for sample in folder.samples():
            verdict = judged.get((sample.problem_id, sample.sample_no))
            if verdict is not None and sample.problem_id in problems:
                yield problems[sample.problem_id], sample, verdict

    return read


def _disagreement(row: ProblemRow) -> tuple[bool, float]:
    solved_by_one = (row.c_base > 0) != (row.c_tuned > 0)
    return solved_by_one, abs(row.c_base / row.n_base - row.c_tuned / row.n_tuned)


def _side(side: Side, rows: Iterable[Judged], names: Mapping[str, str]) -> list[SampleView]:
    by_problem: dict[str, list[Judged]] = {}
    for row in rows:
        by_problem.setdefault(row[0].id, []).append(row)
    return [
        _shown(side, names[problem_id], *row)
        for problem_id, drawn in by_problem.items()
        for row in _picked(drawn)
    ]


def _picked(drawn: list[Judged]) -> list[Judged]:
    """The first correct sample, if there is one, and the first of the others."""
    right = [row for row in drawn if row[2].outcome is Outcome.CORRECT][:1]
    rest = [row for row in drawn if row not in right]
    return right + rest[: SAMPLES_A_SIDE - len(right)]


def _shown(side: Side, name: str, problem: Problem, sample: Sample, verdict: Verdict) -> SampleView:
    return SampleView(
        problem_id=name,
        question=problem.question,
        gold=problem.gold,
        side=side,
        sample_no=sample.sample_no,
        outcome=verdict.outcome.value,
        answer=verdict.answer,
        text=sample.text,
    )
