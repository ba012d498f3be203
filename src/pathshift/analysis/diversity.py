"""Do the tuned model's correct samples take fewer paths than the base's?

The tuned model is right more often, and more samples hold more paths, so both sides are brought to
equal numbers of correct samples by rarefaction, problem by problem. The paths of correct samples
are draws from one law whatever ended the sampling, as long as it looked at right and wrong alone:
a run that a rule stopped counts like any other, and only its answers need the pilot (`run_paths`).

It speaks of problems that both sides solved at least twice. A path that was lost together with its
problem is in `compare`'s cells, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from pathshift.analysis.diversity_result import (
    CurvePoint,
    Diversity,
    Estimate,
    ProblemDiversity,
    SidePaths,
)
from pathshift.analysis.notes import scale_of
from pathshift.analysis.pairing import Pair, pair_up
from pathshift.analysis.run_paths import ProblemPaths, common_kind, run_paths
from pathshift.analysis.settings import Settings, versions
from pathshift.stats.exact import Interval
from pathshift.stats.paired_means import Bootstrap, paired_means
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.rarefaction import (
    chance_of_same,
    coverage,
    effective_number,
    entropy_of,
    fewest_kinds,
    kinds_in,
    largest_entropy,
)
from pathshift.store.counts import run_counts
from pathshift.traces.paths import Kind

DEFAULT_REPLICATES = 4_000


def diversity(
    base: Path,
    tuned: Path,
    *,
    verifier: str | None = None,
    level: float = 0.95,
    replicates: int = DEFAULT_REPLICATES,
    seed: int = 0,
) -> Diversity:
    """Distinct correct paths among equally many correct samples, and the entropy of answers.

    Problems that only one run has are passed over and told.

    Args:
        base: A run folder.
        tuned: A run folder with some of the same problems.
        verifier: Whose verdicts count; by default those of each run's own verifier.
        level: Chance that an interval holds, over problems like these.
        replicates: Draws of the Bayesian bootstrap over problems.
        seed: Its seed.

    Raises:
        RunError: a folder is no run, or lacks the verdicts.
        CountsError: the two runs have no problem in common.
        ConfigError: level or replicates are out of their range.
    """
    settings = Settings(level=level, replicates=replicates, seed=seed)
    tables = [run_counts(path, verifier=verifier) for path in (base, tuned)]
    pair = pair_up(tables[0], tables[1], common=True)
    return _Analysis(pair, settings).result()


@dataclass(frozen=True, slots=True)
class _Problem:
    """One problem with its paths counted by one kind."""

    id: str
    cluster: int
    kind: Kind
    counts: tuple[IntArray, IntArray]
    curves: tuple[FloatArray, FloatArray]
    """Distinct paths of base and tuned in 1..m correct samples."""

    @property
    def m(self) -> int:
        return len(self.curves[0])


class _Analysis:
    """The steps of one comparison of diversity."""

    def __init__(self, pair: Pair, settings: Settings) -> None:
        self.pair, self.settings = pair, settings
        sides = [run_paths(table) for table in (pair.base, pair.tuned)]
        self.ids = [problem.id for problem in pair.base.counts]
        self.samples = [
            (sides[0][b.id], sides[1][t.id])
            for b, t in zip(pair.base.counts, pair.tuned.counts, strict=True)
        ]
        named = pair.clusters()
        self.clusters = np.arange(len(self.ids)) if named is None else named
        self.problems = self._problems()

    def _problems(self) -> list[_Problem]:
        rows = zip(self.ids, self.clusters.tolist(), self.samples, strict=True)
        return [
            _problem(name, cluster, both)
            for name, cluster, both in rows
            if min(len(side.correct) for side in both) >= 2
        ]

    def result(self) -> Diversity:
        """Everything, assembled."""
        entropy, answer_notes = self._answers()
        return Diversity(
            names={"base": self.pair.base.name, "tuned": self.pair.tuned.name},
            scale=scale_of(self.pair),
            n_problems=len(self.ids),
            paths=self._paths(self.problems),
            sides=self._sides(),
            curve=self._curve(),
            by_kind=self._by_kind(),
            answer_entropy=entropy,
            problems=[_row(problem) for problem in self.problems],
            notes=[*self._notes(), *answer_notes],
            settings=self._settings(),
        )

    def _estimate(
        self, values: list[list[float]], ends: Interval, m: Sequence[int], clusters: list[int]
    ) -> Estimate:
        rng = np.random.default_rng([self.settings.seed, 5])
        found = paired_means(
            np.array(values),
            ends,
            Bootstrap(self.settings.level, self.settings.replicates, rng),
            clusters=np.array(clusters),
        )
        return Estimate(
            n_problems=len(values), m=fmean(m), base=found.base, tuned=found.tuned,
            difference=found.tuned - found.base,
            low=found.difference.low, high=found.difference.high,
            ratio=found.tuned / found.base if found.base else None,
            ratio_low=found.ratio.low, ratio_high=found.ratio.high,
        )  # fmt: skip

    def _paths(self, problems: Sequence[_Problem], m: int | None = None) -> Estimate | None:
        """Of paths in m correct samples, by default each problem's own m."""
        if not problems:
            return None
        sizes = [m or problem.m for problem in problems]
        rows = zip(sizes, problems, strict=True)
        values = [[float(curve[size - 1]) for curve in p.curves] for size, p in rows]
        clusters = [problem.cluster for problem in problems]
        return self._estimate(values, Interval(1.0, fmean(sizes)), sizes, clusters)

    def _curve(self) -> list[CurvePoint]:
        points, m = [], 2
        while enough := [problem for problem in self.problems if problem.m >= m]:
            found = self._paths(enough, m)
            assert found is not None
            points.append(CurvePoint(m=m, paths=found))
            m *= 2
        return points

    def _by_kind(self) -> dict[str, Estimate]:
        found = {kind: self._paths([p for p in self.problems if p.kind is kind]) for kind in Kind}
        return {kind.value: estimate for kind, estimate in found.items() if estimate is not None}

    def _sides(self) -> dict[str, SidePaths]:
        if not self.problems:
            return {}
        used = {problem.id for problem in self.problems}
        both = [pair for name, pair in zip(self.ids, self.samples, strict=True) if name in used]
        return {
            side: _side([pair[i] for pair in both], [p.counts[i] for p in self.problems])
            for i, side in enumerate(("base", "tuned"))
        }

    def _answers(self) -> tuple[Estimate | None, list[str]]:
        """Entropy of the answers, and what to know of it."""
        values: list[list[float]] = []
        sizes: list[int] = []
        clusters: list[int] = []
        untold = 0
        for cluster, both in zip(self.clusters.tolist(), self.samples, strict=True):
            counts = [np.array(list(side.answers.values()), dtype=np.int64) for side in both]
            m = int(min(c.sum() for c in counts))
            if any(side.untold for side in both):
                untold += 1
            elif m >= 2:
                values.append([entropy_of(kinds_in(c, m)) for c in counts])
                sizes.append(m)
                clusters.append(cluster)
        notes = [*_untold_note(untold), *self._answer_notes()]
        if not values:
            return None, notes
        ends = Interval(0.0, fmean(map(largest_entropy, sizes)))
        return self._estimate(values, ends, sizes, clusters), notes

    def _answer_notes(self) -> list[str]:
        lines = []
        if self.pair.base.is_stopped or self.pair.tuned.is_stopped:
            lines.append(
                "a rule stopped these draws at right answers: paths are unharmed, the answers' "
                "entropy is that of the pilot"
            )
        shares = [_unanswered([both[i] for both in self.samples]) for i in (0, 1)]
        if max(shares) >= 0.05:
            lines.append(
                f"no answer was found in {shares[0]:.0%} of the base's samples and {shares[1]:.0%} "
                "of the tuned model's; the answers' entropy leaves them out"
            )
        return lines

    def _notes(self) -> list[str]:
        lines = []
        few = len(self.ids) - len(self.problems)
        if few:
            lines.append(
                f"{few} of {len(self.ids)} problems have fewer than two correct samples on a side "
                "and say nothing of paths"
            )
        if any(self.pair.unmatched):
            base, tuned = self.pair.unmatched
            lines.append(f"{base} problems only in the base and {tuned} only in the tuned run")
        if self.pair.prompts_match is False:
            lines.append("the two sides were asked in different words")
        verifiers = [table.settings["verifier"] for table in (self.pair.base, self.pair.tuned)]
        if verifiers[0] != verifiers[1]:
            lines.append(f"verifiers differ: {verifiers[0]} and {verifiers[1]}")
        return lines + _kind_notes(self.problems)

    def _settings(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "level": settings.level,
            "replicates": settings.replicates,
            "seed": settings.seed,
            "verifiers": {
                "base": self.pair.base.settings["verifier"],
                "tuned": self.pair.tuned.settings["verifier"],
            },
            "matched_by": self.pair.matched_by,
            "versions": versions(["pathshift", "numpy"]),
        }


def _problem(name: str, cluster: int, both: Sequence[ProblemPaths]) -> _Problem:
    kind = common_kind(both)
    base, tuned = (np.array(side.counts(kind), dtype=np.int64) for side in both)
    m = int(min(base.sum(), tuned.sum()))
    return _Problem(name, cluster, kind, (base, tuned), (kinds_in(base, m), kinds_in(tuned, m)))


def _row(problem: _Problem) -> ProblemDiversity:
    (base, tuned), curves = problem.counts, problem.curves
    return ProblemDiversity(
        id=problem.id, kind=problem.kind.value, m=problem.m,
        base=float(curves[0][-1]), tuned=float(curves[1][-1]),
        correct_base=int(base.sum()), correct_tuned=int(tuned.sum()),
        distinct_base=len(base), distinct_tuned=len(tuned),
    )  # fmt: skip


def _side(samples: Sequence[ProblemPaths], counts: Sequence[IntArray]) -> SidePaths:
    n_correct = sum(len(own.correct) for own in samples)
    best = [next(kind for kind in Kind if kind in keys) for own in samples for keys in own.correct]
    same = fmean(map(chance_of_same, counts))
    return SidePaths(
        correct=n_correct / len(samples),
        distinct=fmean(map(len, counts)),
        coverage=fmean(map(coverage, counts)),
        same=same,
        effective=effective_number(same),
        fewest=fmean(map(fewest_kinds, counts)),
        kinds={kind.value: best.count(kind) / n_correct for kind in Kind if kind in best},
        left_out=1 - int(sum(c.sum() for c in counts)) / n_correct,
    )


def _unanswered(samples: Iterable[ProblemPaths]) -> float:
    found = [(own.unanswered, own.unanswered + own.answers.total()) for own in samples]
    return sum(none for none, _ in found) / max(sum(judged for _, judged in found), 1)


def _untold_note(untold: int) -> list[str]:
    if not untold:
        return []
    return [f"{untold} problems have wrong samples without a stored answer: no entropy for them"]


def _kind_notes(problems: Sequence[_Problem]) -> list[str]:
    if not problems:
        return []
    lines = []
    worded = sum(problem.kind is Kind.STEPS for problem in problems)
    if worded:
        lines.append(
            f"in {worded} of {len(problems)} problems paths are told apart by wording alone: their "
            "numbers run high"
        )
    unlike = sum(len(c) == c.sum() for problem in problems for c in problem.counts)
    if unlike > len(problems):
        lines.append(
            "in most problems no two correct samples took one path, so that a change in diversity "
            "can hardly show; more samples would help"
        )
    if all(len(c) == 1 for problem in problems for c in problem.counts):
        lines.append(
            "in every problem all correct samples took one path, as texts do that hold the answer "
            "without its work: there is no diversity to lose here"
        )
    return lines
