"""Plans: the shipped ones are read, bad ones refused by name, and a folder holds one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pathshift.errors import ConfigError, ConfigMismatch, RunError, UnknownName
from pathshift.lab.algorithms.jobs import best_rate, finish, jobs_of, ready
from pathshift.lab.algorithms.plan import chosen, parsed, read_plan, settle, shipped
from pathshift.lab.algorithms.timing import Clock, Pace, seconds_of

SMALL = """
name = "small"
rates = [1e-4, 1e-3]
seeds = [0, 1]
look_problems = 2

[[arms]]
name = "grpo"
algorithm = "grpo"

[[arms]]
name = "coin"
kind = "control"
algorithm = "grpo"
reward = "random"
rate_of = "grpo"
n_seeds = 1

[[families]]
name = "compose"
base = "zoo:none"
options = { depth = "2" }
inside = "compose-2"
n_inside = 2
outside = "compose-3"
n_outside = 2
n_train = 16
max_tokens = 8
beside = {}
"""


def test_the_core_plan_holds_what_was_promised() -> None:
    plan = shipped("core")
    named = [arm.name for arm in plan.arms if arm.kind == "algorithm"]
    assert named == ["ppo", "grpo", "reinforce++", "rloo", "remax", "dapo"]
    assert all(arm.tunes and not arm.steps for arm in plan.arms if arm.kind == "algorithm")
    assert len(plan.seeds) >= 3
    assert {family.name for family in plan.families} == {"compose", "countdown"}


def test_the_ablations_train_four_times_as_long_in_one_arm() -> None:
    plan = shipped("ablations")
    assert plan.steps_of(plan.arm("grpo-4x")) == 4 * plan.n_steps


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [0, 1]", "sedes = [0, 1]", r"unknown key 'sedes'"),
        ("rates = [1e-4, 1e-3]", "", r"missing.*'rates'"),
        ("rates = [1e-4, 1e-3]", "rates = [0.0]", r"rates must be above 0"),
        ("seeds = [0, 1]", "seeds = [0, 0]", r"seeds must differ"),
        ("seeds = [0, 1]", "seeds = [1000]", r"tune_seed 1000 is a seed"),
        ("seeds = [0, 1]", 'seeds = "0"', r"seeds must be"),
        ('rate_of = "grpo"', 'rate_of = "ppo"', r"rate_of 'ppo' is no arm"),
        ('kind = "control"', 'kind = "odd"', r"kind 'odd'"),
        ("n_inside = 2", "n_inside = 1", r"look_problems 2 are the first of the 1"),
        ("n_train = 16", "n_train = 4", r"n_train is 4"),
        ('inside = "compose-2"', 'inside = "compose-9"', r"no evaluation set 'compose-9'"),
        ("max_tokens = 8", 'max_tokens = "8"', r"max_tokens must be int"),
        ("name =", "name", r"is not TOML"),
    ],
)
def test_a_bad_plan_is_refused_by_name(old: str, new: str, message: str) -> None:
    with pytest.raises((ConfigError, UnknownName), match=message):
        parsed(SMALL.replace(old, new, 1), "small.toml")


def test_a_folder_holds_one_plan_and_gives_it_back(tmp_path: Path) -> None:
    plan = parsed(SMALL, "small.toml")
    settle(plan, tmp_path)
    settle(plan, tmp_path)
    assert read_plan(tmp_path) == plan
    assert read_plan(tmp_path).hash == plan.hash
    with pytest.raises(ConfigMismatch, match="planned with margin"):
        settle(replace(plan, margin=0.1), tmp_path)


def test_a_folder_without_a_study_says_how_to_begin_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lab run algorithms"):
        read_plan(tmp_path)


def test_some_families_other_bases_and_seeds_can_be_chosen() -> None:
    found = chosen(shipped("core"), families=("compose",), bases={"compose": "hf:x"}, n_seeds=5)
    assert [(one.name, one.base) for one in found.families] == [("compose", "hf:x")]
    assert found.seeds == (0, 1, 2, 3, 4)
    with pytest.raises(UnknownName, match="no family 'sums'"):
        chosen(shipped("core"), families=("sums",), bases={}, n_seeds=None)


def test_jobs_wait_for_what_they_need() -> None:
    jobs = jobs_of(parsed(SMALL, "small.toml"))
    names = {job.name for job in jobs}
    assert len(names) == len(jobs)
    assert all(set(job.needs) <= names for job in jobs)
    # 1 timing, 2 rates, 2 seeds and a control, and as many models with the base.
    assert [sum(j.kind == kind for j in jobs) for kind in ("time", "tune", "train", "final")] == [
        1, 2, 3, 4,
    ]  # fmt: skip
    train = next(job for job in jobs if job.kind == "train")
    assert ready([train], set(), set()) is None
    assert ready([train], set(train.needs), set()) == train
    assert ready([train], set(train.needs), {train.name}) is None


def test_the_best_rate_has_the_highest_reward_and_of_equal_ones_is_the_lower(
    tmp_path: Path,
) -> None:
    plan = parsed(SMALL, "small.toml")
    for i, reward in enumerate((0.4, 0.5)):
        finish(tmp_path, f"compose/tune/grpo-{i}", {"reward": reward})
    assert best_rate(tmp_path, plan, "compose", plan.arm("grpo")) == 1e-3
    finish(tmp_path, "compose/tune/grpo-0", {"reward": 0.5})
    assert best_rate(tmp_path, plan, "compose", plan.arm("grpo")) == 1e-4


def test_an_estimate_counts_steps_looks_and_samples() -> None:
    plan = parsed(SMALL, "small.toml")
    pace = Pace(drawing=1.0, learning=2.0, sample=0.01)
    jobs = {job.kind: job for job in jobs_of(plan)}
    assert seconds_of(jobs["tune"], plan, pace) == pytest.approx(3 + 20 * 3)
    # 60 steps, looks at 0, 20, 40 and 60 of 2 problems x 64.
    assert seconds_of(jobs["train"], plan, pace) == pytest.approx(3 + 60 * 3 + 4 * 2 * 64 * 0.01)
    assert seconds_of(jobs["final"], plan, pace) == pytest.approx(3 + 4 * 1024 * 0.01)


def test_the_time_left_shrinks_with_what_is_done() -> None:
    clock = Clock({"a": 60.0, "b": 60.0}, workers=2, share={})
    assert clock.seconds_left == pytest.approx(60)
    clock.share["b"] = 0.5
    clock.done("a", 60.0)
    assert clock.seconds_left == pytest.approx(15)
    slow = Clock({"a": 60.0, "b": 60.0}, workers=1, share={})
    slow.done("a", 180.0)
    assert slow.seconds_left == pytest.approx(120)
