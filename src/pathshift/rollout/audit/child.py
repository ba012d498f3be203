"""The child process of an audit: asks a reasoning-gym scorer what its parent must not ask.

Started with one JSON request as its only argument; writes JSON lines: `{"doing": probe}` before
each probe, and at the end `{"audit": ...}`, `{"contents": [...]}` or `{"failed": why}`. Four
scorers evaluate an answer as code, so it limits its memory and processor time, and an alarm ends an
answer that hangs in Python code; what hangs in C code the parent kills.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from pathshift.problems.reasoning_gym import Options, create, stored
from pathshift.records import Outcome, Problem
from pathshift.rollout.audit.battery import audit_subject
from pathshift.rollout.audit.checks import contents
from pathshift.rollout.audit.result import Finding, ordered
from pathshift.rollout.audit.subject import AT, NOT_ASKED, AuditOptions, Mark
from pathshift.verify import gym

MEMORY_BYTES = 4 * 2**30

FILE_BYTES = 2**16

HUNG_ENOUGH = 5
"""After so many answers that hung, no more are asked."""


class _Overtime(BaseException):
    """An answer took too long; no Exception, so that a scorer does not catch it."""


class GymSubject:
    """A data set with its own scorer, asked in this process.

    Attributes:
        entries: The scorer's entries by problem id.
        first: The problems that were loaded first.
    """

    forms: Sequence[str] = (AT,)
    is_seeded = True
    states_floor = False

    def __init__(self, options: Options, *, timeout_s: float) -> None:
        self.task = f"reasoning_gym:{options.name}"
        self.verifier = "its own scorer"
        self._options = options
        self._timeout_s = timeout_s
        self._n_hung = 0
        self._scorer: Any = None
        self.entries: dict[str, Any] = {}
        self.first: list[Problem] = []

    def problems(self, seed: int, limit: int) -> list[Problem]:
        """See `Subject`. The first item of an id stays the one that is judged."""
        data = create(self._options, seed=seed, size=limit)
        self._scorer = self._scorer or data
        drawn = [self._problem(data[i], f"{self._options.name}-{seed}-{i}") for i in range(limit)]
        self.first = self.first or drawn
        return drawn

    def _problem(self, item: Any, name: str) -> Problem:
        self.entries.setdefault(name, item)
        gold = "" if item["answer"] is None else str(item["answer"])
        return Problem(id=name, task=self.task, question=item["question"], gold=gold)

    def reference(self, problem: Problem) -> str | None:
        """See `Subject`."""
        answer = self.entries[problem.id]["answer"]
        return None if answer is None else str(answer)

    def marks(self, pairs: Sequence[tuple[Problem, str]]) -> list[Mark]:
        """See `Subject`."""
        return [self.mark(problem, text) for problem, text in pairs]

    def mark(self, problem: Problem, answer: str | None) -> Mark:
        """The scorer's score of one answer; None stands for no answer."""
        if self._n_hung >= HUNG_ENOUGH:
            return Mark(None, NOT_ASKED)
        try:
            with _alarm(self._timeout_s):
                score = float(self._scorer.score_answer(answer, self.entries[problem.id]))
        except _Overtime:
            self._n_hung += 1
            return Mark(None, f"timed out after {self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001  a scorer that raises is what an audit looks for
            return Mark(None, f"{type(error).__name__}: {error}"[:200])
        return Mark(score) if math.isfinite(score) else Mark(None, f"a score of {score}")


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _Overtime

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> int:
    """Answers one request."""
    request = json.loads(sys.argv[-1])
    replies = _private_stdout()

    def send(message: Any) -> None:
        replies.write(json.dumps(message).encode("ascii") + b"\n")
        replies.flush()

    _limit_process(request["options"]["wall_s"])
    try:
        send(_answer(request, lambda probe: send({"doing": probe})))
    except Exception as error:  # noqa: BLE001  a generator that raises is a finding, not a crash
        send({"failed": f"{type(error).__name__}: {error}"[:300]})
    return 0


def _answer(request: Any, on_probe: Callable[[str], None]) -> dict[str, Any]:
    options = AuditOptions(**request["options"])
    settings = tuple((key, text) for key, text in request["settings"])
    subject = GymSubject(
        Options(name=request["name"], settings=settings), timeout_s=options.timeout_s
    )
    if request["mode"] == "contents":
        on_probe("loading")
        return {"contents": contents(subject.problems(options.seed, options.limit // 2))}
    found = audit_subject(subject, options, on_probe=on_probe)
    problems = subject.first
    on_probe("no answer")
    more = [*_none(subject, problems), *_stored(request["name"], subject, problems)]
    done = replace(found, findings=ordered([*found.findings, *more]))
    return {"audit": done.to_dict(), "contents": contents(problems)}


def _none(subject: GymSubject, problems: Sequence[Problem]) -> list[Finding]:
    """The library hands None to a scorer where a model gave no answer."""
    marks = [subject.mark(problem, None) for problem in problems]
    failed = [mark for mark in marks if mark.score is None and mark.detail != NOT_ASKED]
    found = []
    if right := sum(mark.is_right for mark in marks):
        found.append(
            Finding(
                severity="error", name="none",
                seen=f"no answer at all (None) is right on {right} of {len(marks)} problems",
                advice="refuse a missing answer before the scorer sees it",
            )
        )  # fmt: skip
    if failed:
        found.append(
            Finding(
                severity="warning", name="none",
                seen=f"no answer at all (None) raises on {len(failed)} of {len(marks)} problems "
                f"({failed[0].detail})",
                advice="refuse a missing answer before the scorer sees it",
            )
        )  # fmt: skip
    return found


def _stored(name: str, subject: GymSubject, problems: Sequence[Problem]) -> list[Finding]:
    """References must be right through this package's verifier too, from entries kept as JSON."""
    if name in gym.BROKEN_SCORERS:
        return []
    grade = gym.load()
    asked = [(p, gold) for p in problems if (gold := subject.reference(p)) is not None]
    wrong = [p.id for p, gold in asked if not _is_right(grade, name, subject.entries[p.id], gold)]
    if not wrong:
        return []
    return [
        Finding(
            severity="error", name="stored-oracle",
            seen=f"{len(wrong)} of {len(asked)} reference answers are not right by the verifier "
            f"reasoning_gym, as {wrong[0]}",
            advice="a defect of pathshift: report it",
        )
    ]  # fmt: skip


def _is_right(grade: Callable[[Any], Outcome], name: str, entry: Any, gold: str) -> bool:
    try:
        payload = {"dataset": name, "entry": stored(entry), "answer": gold}
        return grade(payload) is Outcome.CORRECT
    except Exception:  # noqa: BLE001  raising is not accepting
        return False


def _private_stdout() -> BinaryIO:
    """Standard output under a new number; what scorers print goes nowhere."""
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    return replies


def _limit_process(wall_s: float) -> None:
    import resource

    cpu = int(wall_s) + 10
    limits = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CPU, cpu),
    )
    for limit, value in limits:
        # A system that refuses a limit still has the parent's wall limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


if __name__ == "__main__":
    sys.exit(main())
