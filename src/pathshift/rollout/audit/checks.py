"""Probes that look at the task itself, or back at what the attacks brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pathshift.records import Problem
from pathshift.rollout.audit.bench import Bench, plain, shown, undetermined
from pathshift.rollout.audit.result import Finding
from pathshift.rollout.audit.subject import NOT_ASKED, RIGHT_FROM

_BINS = ((0.0, "0"), (0.05, "(0,.05]"), (0.5, "(.05,.5]"), (RIGHT_FROM, "(.5,.99)"))
_TOP_BIN = "right"


def code(bench: Bench) -> list[Finding]:
    """An answer must never be run: a file appears where it is."""
    with TemporaryDirectory() as folder:
        mark = Path(folder) / "run"
        call = f"__import__('pathlib').Path({str(mark)!r}).touch()"
        texts = (call, f"[{call}]", f"{call} or 24")
        bench.marks([(problem, text) for problem in bench.problems[:3] for text in texts])
        if not mark.exists():
            return []
    return [
        Finding(
            severity="error",
            name="runs-answers",
            seen="an answer that is Python code was executed by the verifier",
            advice="judge answers in a sandbox only, and refuse what is no plain literal before",
        )
    ]


def failures(bench: Bench) -> list[Finding]:
    """What wrong answers made the verifier raise, or hang on."""
    failed = [
        (answer, mark)
        for answer, mark in bench.wrong
        if mark.score is None and mark.detail != NOT_ASKED
    ]
    by_cause = Counter(mark.detail.partition(":")[0][:80] for _, mark in failed)
    found = []
    for cause, count in by_cause.most_common(4):
        answer = next(a for a, mark in failed if mark.detail.partition(":")[0][:80] == cause)
        hangs = "timed out" in cause
        found.append(
            Finding(
                severity="error" if hangs else "warning",
                name="hangs" if hangs else "raises",
                seen=f"{count} of {len(bench.wrong)} wrong answers: {cause}, as on {shown(answer)}",
                advice="count such an answer as failed, and bound its time"
                if hangs
                else "catch it: a training loop must not die, nor a run lose its batch, on it",
            )
        )
    return found


def partial_credit(bench: Bench) -> tuple[list[Finding], dict[str, int]]:
    """How wrong answers are scored: anything above 0 tempts a reader to count it as right."""
    scores = [mark.score for _, mark in bench.wrong if mark.score is not None]
    histogram = {**dict.fromkeys([label for _, label in _BINS], 0), _TOP_BIN: 0}
    for score in scores:
        histogram[_bin_of(score)] += 1
    partial = [score for score in scores if 0 < score < RIGHT_FROM]
    if not partial:
        return [], histogram
    return [
        Finding(
            severity="note",
            name="partial-credit",
            seen=f"{len(partial)} of {len(scores)} wrong answers score above 0, up to "
            f"{max(partial):.3g}",
            advice=f"count an answer as right from {RIGHT_FROM} on, never from above 0",
        )
    ], histogram


def _bin_of(score: float) -> str:
    if score >= RIGHT_FROM:
        return _TOP_BIN
    return next(label for high, label in _BINS if score <= high)


def determinism(bench: Bench) -> list[Finding]:
    """The same seed gives the same problems, and fewer are the first of more."""
    subject, options = bench.subject, bench.options
    first, half = contents(bench.problems), options.limit // 2
    if contents(subject.problems(options.seed, half)) == first[:half]:
        return []
    if contents(subject.problems(options.seed, options.limit)) != first:
        return [undetermined("loading the same problems twice gave two sets")]
    return [
        Finding(
            severity="warning",
            name="determinism",
            seen=f"the first {half} problems are others where only {half} are asked for",
            advice="compare models on problems drawn with the same size, or store them",
        )
    ]


def overlap(bench: Bench, training: Sequence[Problem], *, which: str) -> list[Finding]:
    """Questions that stand in the training problems too, and twice in these."""
    asked = [plain(problem.question) for problem in bench.problems]
    known = {plain(problem.question) for problem in training}
    found = []
    if doubled := len(asked) - len(set(asked)):
        found.append(_repeats("duplicates", doubled, len(asked), "stand in this set twice"))
    if training and (seen := sum(question in known for question in asked)):
        found.append(_repeats("overlap", seen, len(asked), f"stand in {which} as well"))
    return found


def neighbours(bench: Bench, far: Sequence[Problem]) -> list[Finding]:
    """Whether the next seed repeats most problems of this one, where a far seed does not.

    A generator that draws item i from seed + i does: training on seed 0 and testing on seed 1 is
    then testing on the training problems.
    """
    seed, half = bench.options.seed, bench.options.limit // 2
    asked, elsewhere = ({plain(p.question) for p in some} for some in (bench.problems, far))
    beside = [plain(p.question) for p in bench.subject.problems(seed + 1, half)]
    repeated = sum(question in asked for question in beside)
    by_chance = sum(question in elsewhere for question in beside)
    if repeated - by_chance < len(beside) / 2:
        return []
    return [
        Finding(
            severity="note",
            name="neighbour-seeds",
            seen=f"{repeated} of the first {len(beside)} questions of seed {seed + 1} stand in "
            f"those of seed {seed}",
            advice="take seeds further apart than the number of problems for training and test",
        )
    ]


def _repeats(name: str, count: int, n: int, where: str) -> Finding:
    return Finding(
        severity="warning" if count / n >= 0.05 else "note",
        name=name,
        seen=f"{count} of {n} questions ({count / n:.0%}) {where}",
        advice="leave them out of the test, or a gain may be memory",
    )


def contents(problems: Iterable[Problem]) -> list[str]:
    """What is asked and what counts as right, in order."""
    return [problem.content_hash for problem in problems]
