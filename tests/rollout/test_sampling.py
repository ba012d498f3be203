"""The loop on the fake model: truth is known, top-ups draw only what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import pathshift
from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ConfigMismatch, UnknownName
from pathshift.models.fake import FakeModel
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.records import Outcome
from pathshift.rollout.course import Course
from pathshift.rollout.plan import Plan, SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples, verify_run
from pathshift.rollout.tasks import TASKS, task_named
from pathshift.rollout.templates import MARK
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder
from pathshift.verify.verifiers import VERIFIERS

ARITHMETIC = SampleConfig(task="arithmetic", n=16, limit=30)


@dataclass
class Watched:
    """A fake that notes how many samples it was asked for."""

    inner: FakeModel
    asked: list[int] = field(default_factory=list)

    @property
    def info(self) -> ModelInfo:
        return self.inner.info

    def render_chat(self, messages: Sequence[Message]) -> str:
        return self.inner.render_chat(messages)

    def score(self, prompt: str, continuation: str) -> list[float]:
        return self.inner.score(prompt, continuation)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        return self.inner.score_all(prompt, continuations, policy, is_chat=is_chat)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        self.asked.extend(len(request.seeds) for request in requests)
        return self.inner.generate(requests, policy)


def plan_of(config: SampleConfig = ARITHMETIC, name: str = "base") -> Plan:
    return make_plan(config, FakeModel(name=name))


def test_measured_rates_meet_the_known_probabilities(tmp_path: Path) -> None:
    model, config = FakeModel(name="base"), replace(ARITHMETIC, n=400)
    plan = make_plan(config, model)
    draw_samples(plan, model, tmp_path)
    for count, prompt in zip(run_counts(tmp_path).counts, plan.prompts, strict=True):
        p = model.success_probability(prompt, plan.policy)
        assert count.c / 400 == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 400) + 0.004)


def test_pass_at_k_of_a_run_meets_the_truth(tmp_path: Path) -> None:
    model, config = FakeModel(name="base"), replace(ARITHMETIC, n=64, limit=200)
    plan = make_plan(config, model)
    draw_samples(plan, model, tmp_path)
    result = pathshift.compare(tmp_path, tmp_path)
    truths = [model.success_probability(prompt, plan.policy) for prompt in plan.prompts]
    for k in (1, 8, 64):
        solved = [1 - (1 - p) ** k for p in truths]
        # With n = k the estimate is one yes or no a problem: the widest its noise can be.
        noise = math.sqrt(sum(q * (1 - q) for q in solved)) / len(solved)
        assert result.base[k - 1] == pytest.approx(sum(solved) / len(solved), abs=4 * noise)


def test_a_top_up_draws_the_new_half_only_and_equals_one_run(tmp_path: Path) -> None:
    watched = Watched(FakeModel(name="base"))
    for n in (8, 16):
        draw_samples(plan_of(replace(ARITHMETIC, n=n)), watched, tmp_path / "grown")
    assert sum(watched.asked) == 16 * 30
    draw_samples(plan_of(), FakeModel(name="base"), tmp_path / "whole")
    grown, whole = RunFolder(tmp_path / "grown"), RunFolder(tmp_path / "whole")
    assert grown.samples() == whole.samples()
    assert grown.verdicts("number-first") == whole.verdicts("number-first")


def test_asking_again_draws_nothing(tmp_path: Path) -> None:
    watched = Watched(FakeModel(name="base"))
    draw_samples(plan_of(), watched, tmp_path)
    first = len(watched.asked)
    draw_samples(plan_of(), watched, tmp_path)
    draw_samples(plan_of(replace(ARITHMETIC, n=4)), watched, tmp_path)
    assert len(watched.asked) == first
    assert RunFolder(tmp_path).manifest.n == 16


def test_runs_of_one_stream_share_their_random_numbers(tmp_path: Path) -> None:
    seeds = {}
    for stream in (None, "common"):
        for name in ("base", "tuned"):
            out = tmp_path / f"{stream}-{name}"
            plan = plan_of(replace(ARITHMETIC, stream=stream), name)
            draw_samples(plan, FakeModel(name=name), out)
            seeds[stream, name] = [s.seed for s in RunFolder(out).samples()]
    assert seeds["common", "base"] == seeds["common", "tuned"]
    assert not set(seeds[None, "base"]) & set(seeds[None, "tuned"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0.5}, r"temperature=1\.0, now asked with temperature=0\.5"),
        ({"limit": 29}, "limit=30, now asked with limit=29"),
        ({"seed": 1}, "seed=0, now asked with seed=1"),
        ({"template": "Compute {question}:"}, "template="),
        ({"max_tokens": 5}, "max_tokens=32, now asked with max_tokens=5"),
        ({"task_options": {"digits": "1"}}, "task_options"),
        ({"verifier": "number"}, "verifier="),
    ],
)
def test_a_run_holds_one_configuration(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    draw_samples(plan_of(replace(ARITHMETIC, n=1)), FakeModel(name="base"), tmp_path)
    other = replace(ARITHMETIC, n=1, **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigMismatch, match=said):
        draw_samples(plan_of(other), FakeModel(name="base"), tmp_path)


def test_another_model_is_refused(tmp_path: Path) -> None:
    draw_samples(plan_of(), FakeModel(name="base"), tmp_path)
    with pytest.raises(
        ConfigMismatch, match=r'model="fake:base", now asked with model="fake:tuned"'
    ):
        draw_samples(plan_of(name="tuned"), FakeModel(name="tuned"), tmp_path)


def test_units_cover_what_is_missing_once() -> None:
    kept = dict.fromkeys(range(0, 70, 2), Outcome.WRONG)
    course, units = Course(70, None, kept), list[tuple[int, ...]]()
    assert course.left == 35
    while numbers := course.next_numbers():
        units.append(numbers)
        assert course.take(dict.fromkeys(numbers, Outcome.WRONG)) == set(numbers)
    assert sorted(sum(units, ())) == list(range(1, 70, 2))
    assert max(map(len, units)) == 32
    assert course.left == 0


@dataclass
class Broken:
    """A model whose second half of samples fails."""

    inner: FakeModel

    @property
    def info(self) -> ModelInfo:
        return self.inner.info

    def render_chat(self, messages: Sequence[Message]) -> str:
        return self.inner.render_chat(messages)

    def score(self, prompt: str, continuation: str) -> list[float]:
        return self.inner.score(prompt, continuation)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        return self.inner.score_all(prompt, continuations, policy, is_chat=is_chat)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        failed = Completion(text="", finish_reason="error", detail="context too small")
        drawn = self.inner.generate(requests, policy)
        return [row[: len(row) // 2] + [failed] * (len(row) - len(row) // 2) for row in drawn]


def test_a_failed_sample_is_data_and_not_wrong(tmp_path: Path) -> None:
    draw_samples(plan_of(), Broken(FakeModel(name="even")), tmp_path)
    for count in run_counts(tmp_path).counts:
        assert (count.n, count.failed) == (8, 8)
    failed = [
        v for v in RunFolder(tmp_path).verdicts("number-first") if v.outcome is Outcome.FAILED
    ]
    assert failed[0].detail == "context too small"
    assert pathshift.compare(tmp_path, tmp_path).bounds is not None


def test_verify_judges_by_another_rule_without_drawing(tmp_path: Path) -> None:
    draw_samples(plan_of(), FakeModel(name="even"), tmp_path)
    assert verify_run(tmp_path) == 0
    assert verify_run(tmp_path, "number-lenient") == 480
    assert verify_run(tmp_path, "number-lenient") == 0
    by_first, by_lenient = run_counts(tmp_path), run_counts(tmp_path, verifier="number-lenient")
    assert [p.c for p in by_first.counts] == [p.c for p in by_lenient.counts]


def test_a_verifier_that_does_not_suit_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    watched = Watched(FakeModel(name="base"))
    unsuited = replace(ARITHMETIC, verifier="countdown")
    with pytest.raises(ConfigError, match="numbers"):
        draw_samples(plan_of(unsuited), watched, tmp_path / "run")
    assert watched.asked == []
    assert not (tmp_path / "run").exists()


def test_a_custom_template_and_stop_reach_prompt_and_manifest() -> None:
    plan = plan_of(replace(ARITHMETIC, template="Compute: {question}", stop=("!",)))
    assert plan.prompts[0].startswith("Compute: What is ")
    assert plan.policy.stop == ("!",)
    assert plan.manifest.config["template"] == "Compute: {question}"
    assert plan.manifest.config["stop"] == ["!"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"mode": "chatty"}, "mode"),
        ({"template": "no mark"}, "holds no {question}"),
        ({"temperature": 0.0}, "same text 16 times"),
        ({"mode": "chat"}, "no chat template"),
        ({"system": "Be brief."}, "system turn needs a chat"),
        ({"task_options": {"digit": "1"}}, "digit"),
    ],
)
def test_bad_requests_name_value_and_rule(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_of(replace(ARITHMETIC, **change))  # type: ignore[arg-type]


def test_every_task_has_a_family_a_verifier_and_both_ways_of_asking() -> None:
    from pathshift.problems.families import FAMILIES

    assert set(TASKS) == set(FAMILIES)
    for task in TASKS.values():
        assert task.verifier in VERIFIERS
        assert MARK in task.template.completion
        assert MARK in task.template.chat
    with pytest.raises(UnknownName, match="arithmetic, countdown"):
        task_named("algebra")


@pytest.mark.parametrize("name", ["countdown", "compose", "gsm8k", "arithmetic"])
def test_the_reference_answer_of_each_bundled_task_is_judged_correct(name: str) -> None:
    from pathshift.problems.families import load_problems
    from pathshift.records import Sample
    from pathshift.verify.judge import Judge

    form = {"gsm8k": "So.\n#### {}", "countdown": " {}", "compose": " {}", "arithmetic": " {}"}[
        name
    ]
    problems = load_problems(name, {}, limit=20)
    samples = [
        Sample(problem_id=p.id, sample_no=0, seed=0, text=form.format(p.gold), n_tokens=1,
               finish_reason="stop") for p in problems
    ]  # fmt: skip
    with Judge(TASKS[name].verifier) as judge:
        outcomes = {v.outcome for v in judge.verdicts(zip(problems, samples, strict=True))}
    assert outcomes == {Outcome.CORRECT}


def test_examples_in_the_templates_are_right() -> None:
    """Few-shot examples teach; a wrong one would teach wrong."""
    from pathshift.records import Problem
    from pathshift.verify.countdown import grade

    for numbers, target, answer in (
        ([3, 5, 7], 22, "3 * 5 + 7"),
        ([2, 4, 9, 10], 27, "9 * (10 - 4) / 2"),
    ):
        assert answer in TASKS["countdown"].template.completion
        problem = Problem(
            id="x", task="countdown", question="", gold=answer,
            data={"numbers": numbers, "target": target},
        )  # fmt: skip
        assert grade(answer, problem) is Outcome.CORRECT
    for question, answer in ((14 + 23, "37"), (50 - 18, "32"), (6 * 9, "54"), (81 - 95, "-14")):
        assert str(question) == answer
        assert f"Answer: {answer}\n" in TASKS["arithmetic"].template.completion
    assert f"Answer: z{'abcd'[::-1]}\n" in TASKS["compose"].template.completion


@dataclass
class Interrupted(Watched):
    """Stops after some calls, as Ctrl-C would."""

    most: int = 6

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        if len(self.asked) >= self.most:
            raise KeyboardInterrupt
        return super().generate(requests, policy)


def test_samples_of_a_shard_that_was_moved_away_are_drawn_and_judged_anew(tmp_path: Path) -> None:
    """What the message about a damaged shard tells the user to do."""
    plan, run, whole = plan_of(), tmp_path / "run", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        draw_samples(plan, Interrupted(FakeModel(name="base")), run, shard_seconds=0)
    shards = sorted((run / "samples").glob("*.parquet"))
    assert len(shards) == 6
    shards[2].rename(tmp_path / "damaged.parquet")
    draw_samples(plan, FakeModel(name="base"), run)
    draw_samples(plan, FakeModel(name="base"), whole)
    assert RunFolder(run).samples() == RunFolder(whole).samples()
    assert run_counts(run).counts == run_counts(whole).counts
