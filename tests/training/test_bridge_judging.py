"""Rewards from whole problems: the sampling loop's verdict, as a trainer asks for it."""

from __future__ import annotations

import pickle

import pytest
from tests.training.sums import SUMS

from pathshift.errors import ConfigError
from pathshift.problems.families import load_problems
from pathshift.records import Problem
from pathshift.training.bridges.judging import ProblemReward


def countdown() -> Problem:
    return Problem(
        id="c", task="countdown", question="", gold="2 + 3 * 4",
        data={"numbers": [2, 3, 4], "target": 14},
    )  # fmt: skip


def test_a_verifier_that_needs_the_whole_problem_gets_it() -> None:
    reward = ProblemReward([countdown()], "countdown", stop=("\n",), workers=1)
    said = [" 3 * 4 + 2\n\nProblem: 1 + 1", " 2 + 3 + 4", "", " (4 * 3) + 2"]
    assert reward(completions=said, problem=["c"] * 4) == [1.0, 0.0, 0.0, 1.0]


def test_what_stands_behind_the_stop_text_is_not_judged() -> None:
    (problem,) = load_problems("arithmetic", SUMS, limit=1)
    text = f" {problem.gold}\nThe answer is 99."
    with_stop = ProblemReward([problem], "number-first", stop=("\n",), workers=1)
    without = ProblemReward([problem], "number-first", workers=1)
    ids = [problem.id]
    assert with_stop(completions=[text], problem=ids) == [1.0]
    assert without(completions=[text], problem=ids) == [0.0]


def test_a_conversation_counts_by_its_last_assistant_message() -> None:
    (problem,) = load_problems("arithmetic", SUMS, limit=1)
    reward = ProblemReward([problem], "number-first", workers=1)
    turns = [[{"role": "assistant", "content": problem.gold}]]
    assert reward(completions=turns, problem=[problem.id]) == [1.0]


def test_a_verdict_that_failed_is_no_reward_and_no_penalty() -> None:
    pytest.importorskip("math_verify")
    problem = Problem(id="m", task="t", question="", gold=r"x^2 + 1")
    reward = ProblemReward([problem], "math", workers=1)
    reward._judge._pool._timeout_s = 0.2  # type: ignore[union-attr]
    told: dict[str, float] = {}
    hanging = r"\boxed{9^{9^{9^{9}}}x}"
    rewards = reward(completions=[hanging], problem=["m"], log_metric=told.__setitem__)
    reward.close()
    assert rewards == [None]
    assert told == {"math_reward/unparsed": 0.0, "math_reward/failed": 1.0}


def test_a_data_set_of_other_problems_is_refused() -> None:
    reward = ProblemReward([countdown()], "countdown", workers=1)
    with pytest.raises(ConfigError, match="needs a column 'problem'"):
        reward(completions=["1"], other=["c"])
    with pytest.raises(ConfigError, match="problem 'd' is none of the reward's 1"):
        reward(completions=["1"], problem=["d"])


def test_the_reward_travels_to_other_processes() -> None:
    reward = ProblemReward([countdown()], "countdown", on_judged=print, workers=1)
    again = pickle.loads(pickle.dumps(reward))
    assert again(completions=[" 3 * 4 + 2"], problem=["c"]) == [1.0]
