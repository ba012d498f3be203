"""A bounded number of real samples to look at, chosen where the two models disagree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pathshift.analysis.result import Comparison, ProblemRow, SampleView
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.store.manifest import is_run
from pathshift.store.run import RunFolder

MAX_PROBLEMS = 24
SAMPLES_A_SIDE = 3


Side = Literal["base", "tuned"]


def shown_samples(
    result: Comparison, folders: Mapping[Side, Path], *, verifier: str | None = None
) -> list[SampleView]:
    """Samples of the problems that differ most, from the sides that are run folders.

    Args:
        result: The comparison, for the order: one side solved first, then the largest change.
        folders: Paths of the sides "base" and "tuned"; count files are passed over.
        verifier: Whose verdicts to show; by default each run's own.
    """
    chosen = sorted(result.problems, key=_disagreement, reverse=True)[:MAX_PROBLEMS]
    found: list[SampleView] = []
    for side, path in folders.items():
        if is_run(path):
            found.extend(_side(side, RunFolder(path), {row.id for row in chosen}, verifier))
    place = {row.id: i for i, row in enumerate(chosen)}
    return sorted(found, key=lambda s: (place[s.problem_id], s.side, s.sample_no))


def _disagreement(row: ProblemRow) -> tuple[bool, float]:
    solved_by_one = (row.c_base > 0) != (row.c_tuned > 0)
    return solved_by_one, abs(row.c_base / row.n_base - row.c_tuned / row.n_tuned)


def _side(
    side: Side, folder: RunFolder, wanted: set[str], verifier: str | None
) -> list[SampleView]:
    problems = {p.id: p for p in folder.problems() if p.id in wanted}
    name = verifier or str(folder.manifest.config["verifier"])
    judged = {(v.problem_id, v.sample_no): v for v in folder.verdicts(name)}
    by_problem: dict[str, list[tuple[Sample, Verdict]]] = {
        problem_id: [] for problem_id in problems
    }
    for sample in folder.samples():
        verdict = judged.get((sample.problem_id, sample.sample_no))
        if verdict is not None and sample.problem_id in by_problem:
            by_problem[sample.problem_id].append((sample, verdict))
    return [
        _shown(side, problems[problem_id], sample, verdict)
        for problem_id, drawn in by_problem.items()
        for sample, verdict in _picked(drawn)
    ]


def _picked(drawn: list[tuple[Sample, Verdict]]) -> list[tuple[Sample, Verdict]]:
    """The first correct sample, if there is one, and the first of the others."""
    right = [pair for pair in drawn if pair[1].outcome is Outcome.CORRECT][:1]
    rest = [pair for pair in drawn if pair not in right]
    return right + rest[: SAMPLES_A_SIDE - len(right)]


def _shown(side: Side, problem: Problem, sample: Sample, verdict: Verdict) -> SampleView:
    return SampleView(
        problem_id=problem.id,
        question=problem.question,
        gold=problem.gold,
        side=side,
        sample_no=sample.sample_no,
        outcome=verdict.outcome.value,
        answer=verdict.answer,
        text=sample.text,
    )
