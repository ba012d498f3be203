"""Programs against tests: what HumanEval and MBPP ask for.

The program runs in the sandbox, in another process than the tests (see `sandbox`). CORRECT: all
tests ran to their end. WRONG: one did not, or the program is no valid Python, raised, crashed, used
up its processor time or its memory: all that is about the program. FAILED: nothing can be said of
it, since the machine was too slow or the tests themselves are broken.

A problem brings in `data`: `tests` (source), `names` (what they call), and where it has them
`setup` (source that the tests need), `prompt` (what a completion continues) and `entry` (the
function the prompt begins).
"""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Callable, Sequence

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify.jobs import Job, Reply
from pathshift.verify.sandbox import Finding, Limits, Result, Sandbox, Trial

KIND = "code"

_WALL_SHARE = 10.0
"""Seconds of the clock for each of the processor's: a machine under load does not make a loss."""

_OUTCOMES = {
    Result.PASSED: Outcome.CORRECT,
    Result.FAILED: Outcome.WRONG,
    Result.BROKEN: Outcome.FAILED,
    Result.LOST: Outcome.FAILED,
}


def grade(answer: str, problem: Problem) -> Job:
    """The job that runs the answer against the problem's tests.

    Raises:
        ConfigError: The problem has no tests.
    """
    tests, names = problem.data.get("tests"), problem.data.get("names")
    if not (isinstance(tests, str) and tests.strip() and isinstance(names, Sequence) and names):
        raise ConfigError(
            f"problem {problem.id} has no tests to run; code-tests judges humaneval and mbpp:FILE"
        )
    prompt, entry = problem.data.get("prompt", ""), problem.data.get("entry", "")
    return Job(
        kind=KIND,
        payload={
            "programs": programs(answer, prompt=prompt, entry=entry),
            "setup": problem.data.get("setup", ""),
            "tests": tests,
            "names": list(names),
        },
    )


def programs(answer: str, *, prompt: str, entry: str) -> list[str]:
    r"""The programs that an answer can mean, the likeliest first; the first valid one is run.

    An answer that defines the entry point stands behind the prompt, whose imports and helpers it
    may need. Another continues the prompt; if it lost its indentation, that is restored: of all
    lines, or of the first alone.

    >>> programs("return 1", prompt="def f():\n", entry="f")[1]
    'def f():\n    return 1'
    """
    if not prompt:
        return [answer]
    if entry and re.search(rf"^(?:async[ ]+)?def[ ]+{re.escape(entry)}\b", answer, re.MULTILINE):
        return [f"{prompt}\n{answer}", answer]
    body = textwrap.indent(textwrap.dedent(answer), "    ")
    return [prompt + answer, prompt + body, f"{prompt}    {answer.lstrip()}"]


class SandboxPool:
    """Settles jobs of `grade` in the sandbox; what `Judge` asks in place of a worker pool.

    Each program has processes of its own, so there are at least as many at a time as processors.

    Attributes:
        sandbox: Where the programs run.

    Raises:
        ConfigError: The time or the number of workers is out of range.
    """

    def __init__(self, *, timeout_s: float = 5.0, workers: int = 1) -> None:
        if not timeout_s > 0:
            raise ConfigError(f"the verifier's timeout must be above 0 seconds, got {timeout_s}")
        if workers < 1:
            raise ConfigError(f"the verifier needs at least 1 worker, got {workers}")
        cpu_s = max(1, math.ceil(timeout_s))
        limits = Limits(cpu_s=cpu_s, wall_s=_WALL_SHARE * cpu_s)
        self.sandbox = Sandbox(limits, workers=max(workers, _cores()))

    def ask(self, job: Job) -> Reply:
        """The reply to one job."""
        return reply(self.sandbox.run(_trial(job)))

    def ask_all(
        self, jobs: Sequence[Job], *, on_reply: Callable[[int, Reply], None] | None = None
    ) -> list[Reply]:
        """The replies in the order of the jobs, several programs at a time.

        Args:
            on_reply: Called with a job's place and its reply as soon as there is one.
        """
        tell = on_reply or (lambda place, said: None)
        findings = self.sandbox.run_all(
            [_trial(job) for job in jobs],
            on_finding=lambda place, finding: tell(place, reply(finding)),
        )
        return [reply(finding) for finding in findings]

    def close(self) -> None:
        """Nothing outlives a program."""


def reply(finding: Finding) -> Reply:
    """What a finding means for the sample."""
    return Reply(_OUTCOMES[finding.result], finding.detail)


def _trial(job: Job) -> Trial:
    first, *others = job.payload["programs"]
    return Trial(
        program=first,
        otherwise=tuple(others),
        setup=job.payload["setup"],
        tests=job.payload["tests"],
        names=tuple(job.payload["names"]),
    )


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
