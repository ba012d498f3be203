"""Units of several problems in one call: each drawn once, in order, none before its course says."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from pathshift.models.fake import FakeModel
from pathshift.models.protocol import ModelInfo
from pathshift.records import Outcome, Problem
from pathshift.rollout.course import Course
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.rollout.waves import waves
from pathshift.stats.stopping import StoppingRule
from pathshift.store.run import RunFolder

PROBLEM = Problem(id="p", question="?", gold="1", task="test")


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 200))
def test_every_sample_is_drawn_once(sizes: list[int], most: int) -> None:
    asked = [(PROBLEM, str(i), Course(n, None, {})) for i, n in enumerate(sizes)]
    drawn: list[tuple[str, int]] = []
    for wave in waves(asked, most):
        assert len(wave) == 1 or sum(len(numbers) for _, numbers in wave) <= most
        for (_, name, course), numbers in wave:
            drawn += [(name, number) for number in numbers]
            course.take(dict.fromkeys(numbers, Outcome.WRONG))
    assert sorted(drawn) == sorted((str(i), k) for i, n in enumerate(sizes) for k in range(n))


def test_a_rule_is_asked_before_more_is_drawn() -> None:
    rule = StoppingRule(successes=2, pilot=8, cap=64)
    asked = [(PROBLEM, str(i), Course(64, rule, {})) for i in range(3)]
    drawn = [0, 0, 0]
    for wave in waves(asked, 1000):
        for (_, name, course), numbers in wave:
            drawn[int(name)] += len(numbers)
            right = Outcome.CORRECT if name == "1" else Outcome.WRONG
            course.take(dict.fromkeys(numbers, right))
    assert drawn == [64, 8, 64]


class Wide(FakeModel):
    """A fake that draws in passes of many rows."""

    @property
    def info(self) -> ModelInfo:
        plain = super().info
        return ModelInfo(
            spec=plain.spec, weights_hash=plain.weights_hash, chat_template=None,
            capabilities=plain.capabilities, details=MappingProxyType({"rows": 96}),
        )  # fmt: skip


def test_a_run_in_waves_holds_the_samples_of_one_without(tmp_path: Path) -> None:
    config = SampleConfig(task="arithmetic", n=40, limit=12, stream="one")
    for name, model in (("wide", Wide(name="base")), ("plain", FakeModel(name="base"))):
        draw_samples(make_plan(config, model), model, tmp_path / name)
    wide, plain = (RunFolder(tmp_path / name).samples() for name in ("wide", "plain"))
    assert wide == plain
