from __future__ import annotations

import sys

import pytest
from tests.verify.samples import outcomes, problem, sample

from pathshift.records import Outcome
from pathshift.verify import Judge, WorkerPool
from pathshift.verify.judge import judge

# Says "correct", with the count of its jobs as detail; a job of "hang" is never answered.
COUNTING = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for number, line in enumerate(sys.stdin, 1):
    if "hang" in line:
        time.sleep(1000)
    print(json.dumps({"outcome": "failed", "detail": str(number)}), flush=True)
"""


def counting(timeout_s: float = 20.0) -> WorkerPool:
    return WorkerPool([sys.executable, "-c", COUNTING], timeout_s=timeout_s)


def test_verdicts_stand_in_the_order_of_the_samples() -> None:
    pairs = [(problem("3"), sample(rf"\boxed{{{n}}}", number=n)) for n in (5, 3, 4, 3)]
    verdicts = list(judge("number", pairs))
    assert [verdict.sample_no for verdict in verdicts] == [5, 3, 4, 3]
    assert [verdict.answer for verdict in verdicts] == ["5", "3", "4", "3"]
    assert [verdict.outcome for verdict in verdicts] == ["wrong", "correct", "wrong", "correct"]


def test_a_sample_that_ended_in_an_error_is_failed_with_its_reason() -> None:
    broken = sample(r"\boxed{3}", finish_reason="error", detail="server gone")
    (verdict,) = judge("number", [(problem("3"), broken)])
    assert (verdict.outcome, verdict.detail) == (Outcome.FAILED, "server gone")
    assert verdict.answer is None


def test_a_truncated_sample_is_judged_by_its_text() -> None:
    (verdict,) = judge("number", [(problem("3"), sample(r"\boxed{3}", finish_reason="length"))])
    assert verdict.outcome is Outcome.CORRECT


def test_equal_answers_are_asked_once_also_over_calls() -> None:
    pytest.importorskip("math_verify")
    asked = problem(r"\sqrt{2}")
    texts = [r"\boxed{x}", r"\boxed{y}", r"\boxed{x}"]
    with counting() as pool, Judge("math", pool=pool) as judging:
        pairs = [(asked, sample(text, number=i)) for i, text in enumerate(texts)]
        first, again = judging.verdicts(pairs), judging.verdicts(pairs)
    assert [verdict.detail for verdict in first] == ["1", "2", "1"]
    assert [verdict.detail for verdict in again] == ["1", "2", "1"]


def test_problems_do_not_share_answers() -> None:
    pairs = [(problem(gold, id=gold), sample(r"\boxed{3}")) for gold in ("3", "4")]
    assert [verdict.outcome for verdict in judge("number", pairs)] == ["correct", "wrong"]


def test_the_memory_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathshift.verify.judge.CACHE_ANSWERS", 2)
    with Judge("number") as judging:
        for n in range(5):
            assert outcomes(judging, problem("3"), [str(n), str(n + 1)])
            assert len(judging._remembered) <= 2


def test_a_hanging_answer_fails_every_sample_that_gave_it_and_none_else() -> None:
    pytest.importorskip("math_verify")
    asked = problem(r"\sqrt{2}")
    texts = [r"\boxed{\sqrt{2}}", r"\boxed{hang}", r"\boxed{hang}", r"\boxed{3}"]
    with counting(timeout_s=1.0) as pool, Judge("math", pool=pool) as judging:
        verdicts = judging.verdicts((asked, sample(t, number=i)) for i, t in enumerate(texts))
    assert verdicts[0].outcome is Outcome.CORRECT
    assert [verdict.detail for verdict in verdicts[1:3]] == ["verifier timed out after 1 s"] * 2


def test_samples_are_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathshift.verify.judge.BATCH", 2)
    pairs = ((problem("3"), sample("3", number=n)) for n in range(5))
    assert [verdict.sample_no for verdict in judge("number", pairs)] == [0, 1, 2, 3, 4]


def test_no_samples_give_no_verdicts() -> None:
    assert list(judge("number", [])) == []
