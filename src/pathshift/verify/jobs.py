"""What passes between a grader and the worker process: one job there, one reply back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pathshift.records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A grading that this process does not do itself.

    Attributes:
        kind: Which grader of the worker is meant: a key of `worker.LOADERS`.
        payload: What it needs, as JSON values.
    """

    kind: str
    payload: Mapping[str, Any]


class Reply(NamedTuple):
    """What became of an answer. `detail` says why where the outcome is FAILED."""

    outcome: Outcome
    detail: str = ""
