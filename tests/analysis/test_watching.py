"""A training run against its base: what is claimed, since when, and which steps are best."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pathshift.analysis.watching import StepTable, Watched, WatchSettings, watch_steps
from pathshift.errors import ConfigError, CountsError
from pathshift.records import CountTable, ProblemCount

N = 32
FAST = WatchSettings(replicates=2000, looks=8)


def table(c: Any, *, n: int = N, ids: str = "p", **facts: Any) -> CountTable:
    counts = (ProblemCount(id=f"{ids}{i}", n=n, c=int(x), **facts) for i, x in enumerate(c))
    return CountTable(name="step", counts=tuple(counts))


def run(*steps: Any, settings: WatchSettings = FAST, **facts: Any) -> Watched:
    tables = [StepTable(step=100 * i, table=table(c, **facts)) for i, c in enumerate(steps)]
    return watch_steps(tables[0], tables[1:], settings)


@pytest.fixture
def base() -> Any:
    rng = np.random.default_rng(0)
    p = np.where(rng.random(200) < 0.5, 0.06, rng.random(200))
    return rng.binomial(N, p)


def narrowed(c: Any) -> Any:
    """Solves what it solves often every time, and the rest never."""
    return np.where(c > 6, N, 0)


def test_a_loss_that_stays_is_dated_to_its_first_step(base: Any) -> None:
    seen = run(base, base, narrowed(base), narrowed(base))
    assert seen.loss_since == 200
    assert seen.sentence.startswith("Coverage loss certified since step 200 (at step 300 for k=")
    assert 1 in seen.steps[1].gain_at
    assert N in seen.steps[1].loss_at


def test_a_loss_that_is_made_up_for_is_said_to_be_past(base: Any) -> None:
    seen = run(base, narrowed(base), base)
    assert seen.loss_since is None
    assert seen.sentence.startswith("Coverage loss was certified at step 100, not at the last one")


def test_a_run_that_changes_nothing_claims_nothing(base: Any) -> None:
    seen = run(base, base, base)
    assert seen.loss_since is None
    assert seen.sentence.startswith("No coverage loss is certified at any step")
    assert not any(step.gain_at or step.loss_at for step in seen.steps)


def test_later_steps_leave_earlier_ones_as_they_were(base: Any) -> None:
    short, long = run(base, narrowed(base)), run(base, narrowed(base), base, base)
    assert short.steps[0].low == long.steps[0].low
    assert short.steps[0].high == long.steps[0].high


def test_pareto_best_are_those_that_no_step_beats_at_both_ends(base: Any) -> None:
    rng = np.random.default_rng(1)
    steps = [base, *(rng.binomial(N, rng.random(200) * f) for f in (0.3, 0.5, 0.9, 0.7))]
    seen = run(*steps)
    points = {s.step: (s.curve[0], s.curve[-1]) for s in (seen.base, *seen.steps)}
    for step in (seen.base, *seen.steps):
        one, all_of = points[step.step]
        beaten = any(
            a >= one and b >= all_of and (a, b) != (one, all_of) for a, b in points.values()
        )
        assert step.is_pareto is not beaten


def test_a_step_of_other_problems_is_shown_without_a_band(base: Any) -> None:
    steps = [
        StepTable(step=0, table=table(base)),
        StepTable(step=1, table=table(base, ids="q")),
        StepTable(step=2, table=table(base[:60])),
        StepTable(step=3, table=table(base[:150])),
    ]
    seen = watch_steps(steps[0], steps[1:], FAST)
    assert [step.low is None for step in seen.steps] == [True, True, False]
    assert seen.steps[0].curve == seen.base.curve
    assert "its problems are not the base's" in seen.notes[0]
    assert "it shares 60 of 200 problems only" in seen.notes[1]
    assert seen.steps[2].n_common == 150


def test_no_word_where_blind_guessing_reaches_half_of_the_base(base: Any) -> None:
    high = run(base, narrowed(base), floor=0.2)
    assert high.steps[0].loss_at == []
    assert N in high.steps[0].barred
    told = run(base, narrowed(base), settings=WatchSettings(replicates=2000, looks=8, floor=0.0))
    assert N in told.steps[0].loss_at


def test_more_steps_than_planned_are_shown_and_say_why_they_have_no_band(base: Any) -> None:
    seen = run(base, base, base, base, settings=WatchSettings(replicates=2000, looks=2))
    assert [step.low is None for step in seen.steps] == [False, False, True]
    assert "the planned looks are spent (--looks)" in seen.notes[0]


def test_entropy_and_truncation_come_from_the_log_or_from_the_trainer(base: Any) -> None:
    steps = [
        StepTable(step=0, table=table(base)),
        StepTable(step=1, table=table(base, truncated=8)),
        StepTable(step=2, table=table(base), entropy=1.5, truncated=0.5),
    ]
    seen = watch_steps(steps[0], steps[1:], FAST)
    assert [step.truncated for step in seen.steps] == [0.25, 0.5]
    assert [step.entropy for step in seen.steps] == [None, 1.5]


def test_its_dictionary_is_json_and_names_what_is_certified(base: Any) -> None:
    values = run(base, narrowed(base)).to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert N in values["steps"][0]["loss_at"]
    assert values["settings"]["looks_taken"] == 1


@pytest.mark.parametrize(
    "wrong", [{"level": 1.0}, {"looks": 0}, {"replicates": 10}, {"floor": 2.0}]
)
def test_settings_have_rules(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        WatchSettings(**wrong)


def test_a_base_without_a_judged_sample_is_an_error() -> None:
    empty = CountTable(name="b", counts=(ProblemCount(id="a", n=0, c=0, failed=4),))
    with pytest.raises(CountsError, match="no problem has a judged sample"):
        watch_steps(StepTable(step=0, table=empty), [], FAST)
