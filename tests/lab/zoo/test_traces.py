"""Worked solutions: judged by the project's verifiers, wrong as often as stated, step by step."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import sqrt

import pytest

from pathshift.errors import ConfigError, UnknownName
from pathshift.lab.zoo.corpus import CorpusPlan
from pathshift.lab.zoo.corpus import problems as corpus_problems
from pathshift.lab.zoo.traces import Trace, combined, number, trace, wrong_share
from pathshift.problems import countdown
from pathshift.problems.compose_functions import FUNCTIONS
from pathshift.problems.whole_numbers import LARGEST
from pathshift.records import Outcome, Problem, Sample
from pathshift.rollout.tasks import TASKS
from pathshift.verify.judge import Judge

LEVELS = [("compose", 1), ("compose", 2), ("compose", 3), ("countdown", 5), ("countdown", 6)]


@lru_cache
def problems(family: str, level: int, n: int = 400) -> tuple[Problem, ...]:
    plan = CorpusPlan(family=family, n_documents=n, shares=((level, 1.0),), seed=3)
    source = corpus_problems(plan, level)
    return tuple(next(source) for _ in range(n))


def judged(pairs: list[tuple[Problem, Trace]], *, verifier: str | None = None) -> list[Outcome]:
    samples = [
        Sample(
            problem_id=problem.id, sample_no=i, seed=i, text=written.text, n_tokens=1,
            finish_reason="stop",
        )
        for i, (problem, written) in enumerate(pairs)
    ]  # fmt: skip
    with Judge(verifier or TASKS[pairs[0][0].task].verifier) as judge:
        verdicts = judge.verdicts(
            (problem, sample) for (problem, _), sample in zip(pairs, samples, strict=True)
        )
    return [verdict.outcome for verdict in verdicts]


@pytest.mark.parametrize(("family", "level"), LEVELS)
def test_every_clean_trace_is_judged_correct(family: str, level: int) -> None:
    pairs = [(problem, trace(problem)) for problem in problems(family, level)]
    assert set(judged(pairs)) == {Outcome.CORRECT}


def test_a_countdown_trace_ends_strictly_too() -> None:
    pairs = [(problem, trace(problem)) for problem in problems("countdown", 6)]
    assert set(judged(pairs, verifier="countdown-strict")) == {Outcome.CORRECT}


@pytest.mark.parametrize(("family", "level"), LEVELS)
def test_a_trace_is_judged_wrong_exactly_if_it_says_so(family: str, level: int) -> None:
    pairs = [(problem, trace(problem, noise=0.3, seed=5)) for problem in problems(family, level)]
    for (_, written), outcome in zip(pairs, judged(pairs), strict=True):
        assert outcome is (Outcome.WRONG if written.wrong else Outcome.CORRECT)


@pytest.mark.parametrize(("family", "level"), LEVELS)
def test_traces_are_wrong_at_the_stated_rate(family: str, level: int) -> None:
    """Within four standard errors over 400 problems x 5 seeds: fails by chance once in 16,000."""
    drawn = [
        trace(problem, noise=0.2, seed=seed)
        for problem in problems(family, level)
        for seed in range(5)
    ]
    stated = 1 - 0.8 ** drawn[0].n_steps
    assert wrong_share(0.2, n_steps=drawn[0].n_steps) == pytest.approx(stated)
    assert drawn[0].n_steps == (level if family == "compose" else level - 1)
    found = sum(bool(written.wrong) for written in drawn) / len(drawn)
    assert abs(found - stated) < 4 * sqrt(stated * (1 - stated) / len(drawn))


def test_a_compose_step_is_the_named_function_but_at_the_wrong_places() -> None:
    for problem in problems("compose", 3):
        written = trace(problem, noise=0.4, seed=1)
        before = problem.data["input"]
        for place, line in enumerate(written.text.splitlines()):
            found = re.fullmatch(r"(f[0-9]{2})(?: answer)?: ([a-z]+)", line)
            assert found is not None
            assert found[1] == problem.data["functions"][place]
            is_right = FUNCTIONS[found[1]].apply(before) == found[2]
            assert is_right == (place not in written.wrong)
            before = found[2]


def test_a_wrong_compose_step_is_some_other_function() -> None:
    for problem in problems("compose", 1):
        result = trace(problem, noise=0.9, seed=2).text.rpartition(" ")[2]
        word = problem.data["input"]
        assert result in {function.apply(word) for function in FUNCTIONS.values()}


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_every_countdown_line_is_true_arithmetic_within_the_tokens(noise: float) -> None:
    for problem in problems("countdown", 6):
        for line in trace(problem, noise=noise).text.splitlines()[:-1]:
            left, sign, right, _, result = line.split()
            a, b = Fraction(left), Fraction(right)
            value = a / b if sign == "/" else {"+": a + b, "-": a - b, "*": a * b}[sign]
            assert value == int(result)
            assert 0 <= int(result) <= LARGEST


def test_a_countdown_answer_is_the_gold_and_its_steps_use_up_the_numbers() -> None:
    for problem in problems("countdown", 5):
        *lines, answer = trace(problem).text.splitlines()
        assert answer == f"answer: {problem.gold}"
        pool = list(problem.data["numbers"])
        for line in lines:
            left, _, right, _, result = line.split()
            pool.remove(int(left))
            pool.remove(int(right))
            pool.append(int(result))
        assert pool == [problem.data["target"]]


def test_a_last_step_without_another_way_goes_wrong_earlier() -> None:
    """700 and 600 allow 100 only, so a wrong last step cannot be written there."""
    problem = countdown.stated([10, 20, 30, 70], 100, gold="10 * 70 - 20 * 30")
    for seed in range(40):
        written = trace(problem, noise=0.6, seed=seed)
        assert not written.wrong or written.wrong[0] < 2
        last_line = written.text.splitlines()[-2]
        assert last_line.endswith(" = 100") == (not written.wrong)


def test_brackets_on_the_right_keep_the_operations() -> None:
    inner = combined(number(20), "/", number(20))
    assert inner is not None
    outer = combined(number(400), "*", inner)
    assert outer is not None
    assert outer.text == "400 * (20 / 20)"


def test_same_seed_same_text_and_another_seed_another() -> None:
    problem = problems("compose", 3)[0]
    texts = [trace(problem, noise=0.5, seed=seed).text for seed in range(8)]
    assert texts == [trace(problem, noise=0.5, seed=seed).text for seed in range(8)]
    assert len(set(texts)) > 1


def test_a_gold_that_leaves_the_tokens_is_refused() -> None:
    problem = countdown.stated([3, 4, 4, 12], 16, gold="12 / (3 / 4)")
    with pytest.raises(ConfigError, match="takes 3 / 4, which is no whole number from 0 to 999"):
        trace(problem)


@pytest.mark.parametrize("noise", [-0.1, 1.0])
def test_noise_out_of_range_is_refused(noise: float) -> None:
    with pytest.raises(ConfigError, match="noise must be from 0 to below 1"):
        trace(problems("compose", 1)[0], noise=noise)


def test_another_family_is_named() -> None:
    problem = Problem(id="a", task="gsm8k", question="?", gold="1")
    with pytest.raises(UnknownName, match="no traces for task 'gsm8k'; there are: compose"):
        trace(problem)
