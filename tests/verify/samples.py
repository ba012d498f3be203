"""Problems and samples with only what a verifier looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pathshift.records import Outcome, Problem, Sample
from pathshift.verify import Judge


def problem(gold: str, *, id: str = "p", **data: Any) -> Problem:
    return Problem(id=id, task="t", question="?", gold=gold, data=data)


def sample(text: str, *, number: int = 0, finish_reason: str = "stop", detail: str = "") -> Sample:
    return Sample(
        problem_id="p",
        sample_no=number,
        seed=number,
        text=text,
        n_tokens=1,
        finish_reason=finish_reason,
        detail=detail,
    )


def outcomes(judge: Judge, asked: Problem, texts: Sequence[str]) -> list[Outcome]:
    pairs = [(asked, sample(text, number=i)) for i, text in enumerate(texts)]
    return [verdict.outcome for verdict in judge.verdicts(pairs)]
