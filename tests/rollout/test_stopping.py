"""Sampling that ends by a rule: the same samples however they were drawn, and no bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pathshift
from pathshift.errors import ConfigError, ConfigMismatch, CountsError, RunError
from pathshift.models.fake import FakeModel
from pathshift.records import Outcome
from pathshift.rollout import course as courses
from pathshift.rollout.course import Course
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import Progress, draw_samples, verify_run
from pathshift.stats.stopping import StoppingRule
from pathshift.store.counts import run_counts
from pathshift.store.merge import merge_runs
from pathshift.store.run import RunFolder

STOPPED = SampleConfig(task="arithmetic", n=64, limit=40, stop_at=2, pilot=6)
OUTCOMES = st.lists(st.sampled_from(list(Outcome)), min_size=40, max_size=40)


def draw(out: Path, config: SampleConfig = STOPPED, name: str = "base") -> Progress:
    model = FakeModel(name=name)
    return draw_samples(make_plan(config, model), model, out)


def ends_at(outcomes: Sequence[Outcome], rule: StoppingRule) -> int:
    """Draws until the rule stops, one after the other."""
    judged = right = 0
    for number, outcome in enumerate(outcomes, 1):
        judged += outcome is not Outcome.FAILED
        right += outcome is Outcome.CORRECT
        if rule.stop_at(right, judged, number - judged):
            return number
    raise AssertionError("longer than the cap")


@given(OUTCOMES, st.integers(1, 40), st.integers(1, 6), st.sets(st.integers(0, 39)), st.data())
def test_what_is_kept_does_not_depend_on_units_or_on_what_was_there(
    outcomes: list[Outcome], pilot: int, r: int, there: set[int], data: st.DataObject
) -> None:
    rule = StoppingRule(pilot=pilot, successes=r, cap=40)
    end = ends_at(outcomes, rule)
    there = {number for number in there if number < end}
    course = Course(40, rule, {number: outcomes[number] for number in there})
    kept = set(there)
    while numbers := course.next_numbers():
        assert not set(numbers) & kept
        some = numbers[: data.draw(st.integers(1, len(numbers)))]
        taken = course.take({number: outcomes[number] for number in some})
        assert taken <= set(some)
        kept |= taken
    assert kept == set(range(end))
    assert course.left == 0


def test_a_stopped_run_is_the_beginning_of_the_plain_run_of_its_seed(tmp_path: Path) -> None:
    progress = draw(tmp_path / "stopped")
    draw(tmp_path / "plain", replace(STOPPED, stop_at=None, pilot=None))
    stopped, plain = (RunFolder(tmp_path / name) for name in ("stopped", "plain"))
    all_samples = {s.id: s for s in plain.samples()}
    assert all(all_samples[s.id] == s for s in stopped.samples())
    outcomes: dict[str, list[Outcome]] = {}
    for verdict in plain.verdicts("number-first"):
        outcomes.setdefault(verdict.problem_id, []).append(verdict.outcome)
    rule = StoppingRule(pilot=6, successes=2, cap=64)
    for count in run_counts(tmp_path / "stopped").counts:
        assert count.n == ends_at(outcomes[count.id], rule)
    assert progress.drawn == progress.wanted == len(stopped.samples()) < 40 * 64 / 2
    assert progress.surplus < 40 * courses.STOPPED_UNIT


@pytest.mark.parametrize("unit", [1, 7, 64])
def test_the_size_of_a_unit_changes_nothing(
    tmp_path: Path, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "usual")
    monkeypatch.setattr(courses, "STOPPED_UNIT", unit)
    monkeypatch.setattr(courses, "UNIT_SAMPLES", unit)
    draw(tmp_path / "other")
    usual, other = (RunFolder(tmp_path / name) for name in ("usual", "other"))
    assert usual.samples() == other.samples()
    assert usual.verdicts("number-first") == other.verdicts("number-first")


def test_a_raised_cap_goes_on_where_nothing_was_found_and_equals_one_run(tmp_path: Path) -> None:
    for n in (16, 64):
        draw(tmp_path / "grown", replace(STOPPED, n=n))
    draw(tmp_path / "whole")
    grown, whole = (RunFolder(tmp_path / name) for name in ("grown", "whole"))
    assert grown.samples() == whole.samples()
    assert draw(tmp_path / "grown", replace(STOPPED, n=32)).drawn == 0
    assert run_counts(tmp_path / "grown").settings["stopping"]["cap"] == 64


def test_the_manifest_names_the_rule_and_a_run_keeps_it(tmp_path: Path) -> None:
    draw(tmp_path)
    assert RunFolder(tmp_path).manifest.config["stopping"] == {"pilot": 6, "successes": 2}
    table = run_counts(tmp_path)
    assert table.is_stopped
    assert table.settings["stopping"] == {"pilot": 6, "successes": 2, "cap": 64}
    for other in (replace(STOPPED, stop_at=3), replace(STOPPED, stop_at=None, pilot=None)):
        with pytest.raises(ConfigMismatch, match="stopping="):
            draw(tmp_path, other)


def test_the_pace_of_a_run_is_kept_and_added_up(tmp_path: Path) -> None:
    first = draw(tmp_path, replace(STOPPED, n=16))
    before = RunFolder(tmp_path).manifest.environment["drawing"]
    assert before["samples"] == first.drawn + first.surplus == before["tokens"]
    assert before["seconds"] == first.seconds > 0
    second = draw(tmp_path)
    after = RunFolder(tmp_path).manifest.environment["drawing"]
    assert after["samples"] == before["samples"] + second.drawn + second.surplus


def test_compare_reads_the_rule_and_meets_the_truth(tmp_path: Path) -> None:
    config = replace(STOPPED, n=64, limit=200)
    draw(tmp_path, config)
    model = FakeModel(name="base")
    plan = make_plan(config, model)
    truth = [model.success_probability(prompt, plan.policy) for prompt in plan.prompts]
    result = pathshift.compare(tmp_path, tmp_path)
    assert result.k[-1] == 64
    assert result.n["base"]["min"] == 6
    for k in (1, 8, 32):
        expected = sum(1 - (1 - p) ** k for p in truth) / len(truth)
        error = result.sampling_se["base"][k - 1]
        assert error is not None
        assert result.base[k - 1] == pytest.approx(expected, abs=4 * error)


def test_an_interrupted_run_is_refused_until_it_is_finished(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.drawn > 300:
            raise Interrupted

    model = FakeModel(name="base")
    with pytest.raises(Interrupted):
        draw_samples(make_plan(STOPPED, model), model, tmp_path, on_progress=interrupt)
    assert RunFolder(tmp_path).manifest.environment["drawing"]["samples"] > 300
    draw(tmp_path)
    assert pathshift.compare(tmp_path, tmp_path).verdict.word == "undecided"


def test_a_cap_that_was_raised_and_not_reached_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, replace(STOPPED, n=16))
    plan = make_plan(STOPPED, FakeModel(name="base"))
    from pathshift.store.run import RunWriter

    with RunWriter.open(tmp_path, plan.manifest, plan.problems, plan.prompts):
        pass
    with pytest.raises(CountsError, match="run the same command again"):
        pathshift.compare(tmp_path, tmp_path)


def test_another_verifiers_verdicts_did_not_stop_it_and_joined_runs_stop_nowhere(
    tmp_path: Path,
) -> None:
    draw(tmp_path / "a")
    draw(tmp_path / "b", replace(STOPPED, seed=1))
    verify_run(tmp_path / "a", "number-lenient")
    with pytest.raises(RunError, match="stopped by the verdicts of number-first"):
        run_counts(tmp_path / "a", verifier="number-lenient")
    with pytest.raises(RunError, match="sampled with --stop-at"):
        merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stop_at": None}, "--pilot 6 needs --stop-at"),
        ({"stop_at": 0}, "successes must be 1 to the cap 64, got 0"),
        ({"stop_at": 65}, "successes must be 1 to the cap 64, got 65"),
        ({"pilot": 65}, "pilot must be 1 to the cap 64, got 65; --n is the cap"),
    ],
)
def test_rules_that_cannot_be_kept_name_value_and_flag(
    change: dict[str, int | None], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(STOPPED, **change)  # type: ignore[arg-type]


def test_the_pilot_is_eight_unless_there_are_fewer() -> None:
    assert replace(STOPPED, pilot=None).stopping == {"pilot": 8, "successes": 2}
    assert replace(STOPPED, pilot=None, n=4).stopping == {"pilot": 4, "successes": 2}
