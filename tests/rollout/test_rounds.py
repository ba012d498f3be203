"""Two runs drawn on in rounds by one rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.commands import pathshift

from pathshift.errors import ConfigError, ConfigMismatch, RunError
from pathshift.models.fake import FakeModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Model
from pathshift.records import Outcome
from pathshift.rollout.course import ended
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.rounds import adopt, caps_of, common_rule, draw_to, table_at
from pathshift.rollout.sampling import draw_samples
from pathshift.stats.stopping import StoppingRule
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder

PILOT = SampleConfig(task="arithmetic", n=8, limit=25)


def draw(out: Path, config: SampleConfig = PILOT, name: str = "base") -> Path:
    model = FakeModel(name=name)
    draw_samples(make_plan(config, model), model, out)
    return out


def test_a_plain_pilot_drawn_on_equals_a_run_that_stopped_from_the_start(tmp_path: Path) -> None:
    base, tuned = draw(tmp_path / "base"), draw(tmp_path / "tuned", name="tuned")
    rule = common_rule(base, tuned, 2)
    assert rule == StoppingRule(pilot=8, successes=2, cap=8)
    adopt([base, tuned], rule, 3)
    for cap in (16, 64):
        draw_to(base, cap, load_model)
    whole = draw(tmp_path / "whole", replace(PILOT, n=64, stop_at=2, pilot=8))
    assert RunFolder(base).samples() == RunFolder(whole).samples()
    assert RunFolder(base).manifest.config == RunFolder(whole).manifest.config
    assert run_counts(base).counts == run_counts(whole).counts


def test_an_earlier_look_is_seen_again_as_it_was(tmp_path: Path) -> None:
    base, tuned = draw(tmp_path / "base"), draw(tmp_path / "tuned", name="tuned")
    rule = common_rule(base, tuned, 2)
    caps = caps_of(rule, 64)
    assert caps == [8, 16, 32, 64]
    adopt([base, tuned], rule, len(caps))
    seen = {}
    for cap in caps:
        if table_at(base, cap) is None:
            draw_to(base, cap, load_model)
        seen[cap] = table_at(base, cap)
    for cap, before in seen.items():
        again = table_at(base, cap)
        assert before is not None
        assert again is not None
        assert again.counts == before.counts
        assert again.settings["stopping"] == {"pilot": 8, "successes": 2, "cap": cap}
    last = seen[64]
    assert last is not None
    counts = [(p.n, p.c) for p in run_counts(base).counts]
    assert [(p.n, p.c) for p in last.counts] == counts
    assert table_at(base, 128) is None


def test_the_second_run_takes_the_rule_of_the_first(tmp_path: Path) -> None:
    base = draw(tmp_path / "base", replace(PILOT, n=32, stop_at=3, pilot=8))
    tuned = draw(tmp_path / "tuned", name="tuned")
    rule = common_rule(base, tuned, 2)
    assert rule.successes == 3
    adopt([base, tuned], rule, 3)
    assert RunFolder(tuned).manifest.config["stopping"] == {"pilot": 8, "successes": 3}
    assert common_rule(base, tuned, 2) == common_rule(tuned, base, 2)


@pytest.mark.parametrize(
    "other", [replace(PILOT, n=4), replace(PILOT, stop_at=3, pilot=4), replace(PILOT, n=16)]
)
def test_runs_that_start_otherwise_are_refused(tmp_path: Path, other: SampleConfig) -> None:
    base = draw(tmp_path / "base", replace(PILOT, stop_at=2, pilot=8))
    with pytest.raises(RunError, match="both must start alike"):
        common_rule(base, draw(tmp_path / "tuned", other, "tuned"), 2)


def test_a_refusal_leaves_both_runs_as_they_were(tmp_path: Path) -> None:
    base, tuned = draw(tmp_path / "base"), draw(tmp_path / "tuned", replace(PILOT, n=16), "tuned")
    before = [RunFolder(path).manifest for path in (base, tuned)]
    done = pathshift("retest", base, tuned, "--up-to", 32)
    assert "both must start alike" in done.stderr
    assert pathshift("retest", base, base, "--up-to", 8).returncode == 2
    assert [RunFolder(path).manifest for path in (base, tuned)] == before


def test_an_unfinished_pilot_is_no_pilot(tmp_path: Path) -> None:
    base, tuned = draw(tmp_path / "base"), draw(tmp_path / "tuned", name="tuned")
    for shard in (base / "samples").iterdir():
        shard.unlink()
    with pytest.raises(RunError, match="has not 8 samples of every problem"):
        adopt([base, tuned], common_rule(base, tuned, 2), 3)


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    def other(spec: str, options: LoadOptions) -> Model:
        return FakeModel(name="tuned")

    base = draw(tmp_path / "base", replace(PILOT, stop_at=2, pilot=8))
    with pytest.raises(ConfigMismatch, match="other weights than fake:base has now"):
        draw_to(base, 16, other)


def test_caps_double_from_the_pilot_to_the_last() -> None:
    rule = StoppingRule(pilot=6, successes=4, cap=6)
    assert caps_of(rule, 100) == [6, 12, 24, 48, 96, 100]
    with pytest.raises(ConfigError, match="--up-to 6 must be above the 6 samples of the pilot"):
        caps_of(rule, 6)


def test_where_a_rule_ends_a_problem() -> None:
    rule = StoppingRule(pilot=2, successes=1, cap=5)
    right, wrong, failed = Outcome.CORRECT, Outcome.WRONG, Outcome.FAILED
    assert ended(dict(enumerate([right, wrong, right])), rule) == (2, 1, 0)
    assert ended(dict(enumerate([failed, right, wrong, wrong])), rule) == (2, 1, 1)
    assert ended(dict(enumerate([wrong] * 4)), rule) is None
    assert ended(dict(enumerate([wrong] * 4 + [failed])), rule) == (4, 0, 1)
    assert ended({0: right, 2: right}, rule) is None
