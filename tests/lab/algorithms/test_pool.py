"""Workers: every job is done in its turn, and what goes wrong with one is told of that one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import ModelError
from pathshift.lab.algorithms.jobs import Job
from pathshift.lab.algorithms.pool import Said, Watching, _result, run_jobs

ROOT = Path(__file__).parents[3]


def job(label: str, *needs: str) -> Job:
    return Job(kind="final", family="f", label=label, needs=tuple(f"f/final/{n}" for n in needs))


def act(folder: Path, one: Job, tell: Callable[[float], None]) -> dict[str, Any]:
    """Leaves a mark, after what the label says."""
    if one.label.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if one.label.startswith("fails"):
        raise ModelError("no such model")
    tell(0.5)
    (folder / one.label).touch()
    return {"pid": os.getpid()}


def test_a_job_that_dies_or_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)  # the workers import this file
    jobs = [job("a"), job("dies"), job("fails"), job("late", "a"), job("never", "fails"), job("b")]
    done = {"f/final/b"}
    told: list[str] = []
    watching = Watching(on_failed=lambda one, reason: told.append(f"{one.label}: {reason}"))
    failed = run_jobs(
        jobs, partial(act, tmp_path), done=done, workers=1, watching=watching
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"a", "late"}
    assert done == {"f/final/a", "f/final/b", "f/final/late"}
    assert told == ["dies: its process ended with exit code -9", "fails: no such model"]
    assert failed["f/final/never"] == "waits for f/final/fails"
    assert set(failed) == {"f/final/dies", "f/final/fails", "f/final/never"}


def test_an_interrupt_leaves_through_the_job_and_a_bug_names_its_place(tmp_path: Path) -> None:
    def interrupted(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    def buggy(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(KeyboardInterrupt):
        _result(job("a"), interrupted, lambda share: None)
    said = _result(job("a"), buggy, lambda share: None)
    assert isinstance(said, Said)
    assert "ZeroDivisionError" in said.value
    assert "test_pool.py" in said.value
