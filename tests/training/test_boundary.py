"""The boundary on the way: ordinary run folders, the watch's words, overlap refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.letters import Letters, make_letters
from tests.training.test_rl import settings_of

from pathshift.analysis.watching import StepTable, watch_steps
from pathshift.errors import ConfigError, InputError
from pathshift.models.hf.model import HfModel
from pathshift.records import Problem
from pathshift.rollout.following import Follower
from pathshift.rollout.plan import make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder
from pathshift.training.boundary import Boundary, BoundarySettings, at_step, without_overlap
from pathshift.training.rl import train
from pathshift.training.rl_settings import Hearing, RlSetup


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def held_out(letters: Letters) -> Letters:
    return make_letters(letters.folder.parent, name="held", first=100)


@pytest.fixture
def model(letters: Letters) -> HfModel:
    return letters.model()


def looked(held_out: Letters, **changed: Any) -> BoundarySettings:
    return BoundarySettings(asked=held_out.asked(n=16), **({"every": 10} | changed))


def setup_of(
    letters: Letters, held_out: Letters, *, reward: Any = "verifier", **changed: Any
) -> RlSetup:
    model = letters.model()
    return RlSetup(
        model=model, plan=letters.plan(model), boundary=looked(held_out, **changed),
        settings=settings_of(n_steps=25, reward=reward),
    )  # fmt: skip


def test_looks_are_runs_that_watch_and_compare_read(
    letters: Letters, held_out: Letters, tmp_path: Path
) -> None:
    said: list[str] = []
    result = train(setup_of(letters, held_out), tmp_path, Hearing(on_note=said.append))
    assert [look.step for look in result.looks] == [0, 10, 20, 25]
    assert [line[:20] for line in said] == ["held-out at step 0: "] + [
        f"held-out at step {step}:"[:20] for step in (10, 20, 25)
    ]
    steps = Follower(tmp_path / "runs", settle_seconds=0.0).poll()
    assert [step.step for step in steps] == [0, 10, 20, 25]
    first, last = steps[0].table, steps[-1].table
    rates = [
        sum(p.c for p in table.counts) / sum(p.n for p in table.counts) for table in (first, last)
    ]
    assert rates[1] > rates[0] + 0.3
    watched = watch_steps(
        StepTable(step=0, table=first), [StepTable(step=s.step, table=s.table) for s in steps[1:]]
    )
    assert watched.steps[-1].curve == result.looks[-1].watched.steps[-1].curve
    low = result.looks[-1].watched.steps[-1].low
    assert low is not None
    assert low[0] > 0.3


def test_the_look_at_step_0_is_what_sampling_the_base_gives(
    letters: Letters, held_out: Letters, model: HfModel, tmp_path: Path
) -> None:
    settings = looked(held_out)
    Boundary(settings, model, tmp_path, n_steps=20).look(0)
    draw_samples(make_plan(settings.asked, letters.model()), letters.model(), tmp_path / "plain")
    runs = [RunFolder(tmp_path / path) for path in ("runs/step-000000", "plain")]
    assert runs[0].samples() == runs[1].samples()
    assert runs[0].manifest.config == runs[1].manifest.config


def test_a_look_goes_on_where_it_ended_and_costs_nothing_when_it_is_done(
    held_out: Letters, model: HfModel, tmp_path: Path
) -> None:
    drawn: list[int] = []
    boundary = Boundary(
        looked(held_out), model, tmp_path, n_steps=20,
        on_progress=lambda progress: drawn.append(progress.drawn),
    )  # fmt: skip
    boundary.look(0)
    assert max(drawn) == 16 * 16
    drawn.clear()
    boundary.look(0)
    assert max(drawn) == 0


def test_an_adaptive_look_draws_less_and_stays_a_look(
    held_out: Letters, model: HfModel, tmp_path: Path
) -> None:
    asked = replace(held_out.asked(n=64), stop_at=2, pilot=4)
    look = Boundary(BoundarySettings(asked=asked), model, tmp_path, n_steps=20).look(0)
    table = run_counts(look.path)
    assert table.is_stopped
    assert sum(p.n for p in table.counts) < 16 * 64
    assert look.watched.base.k[-1] == 64


def test_weights_decide_the_hash_of_a_step(model: HfModel) -> None:
    before = at_step(model, 5).info
    assert before.weights_hash == at_step(model, 5).info.weights_hash != model.info.weights_hash
    with torch.no_grad():
        model.network.get_output_embeddings().weight[0, 0] += 1e-3
    assert at_step(model, 5).info.weights_hash != before.weights_hash
    assert before.spec == f"{model.info.spec} after 5 steps"


def test_a_certified_loss_of_coverage_ends_the_training(letters: Letters, tmp_path: Path) -> None:
    """Paid for what is wrong, the model unlearns the letter, and pass@k falls at every k."""

    def fresh() -> RlSetup:
        setup = setup_of(letters, letters, reward="wrong-sign", stops_on_loss=True)
        assert setup.boundary is not None
        boundary = replace(setup.boundary, asked=letters.asked(n=64))
        return replace(setup, boundary=boundary, settings=replace(setup.settings, n_steps=60))

    result = train(fresh(), tmp_path)
    assert result.step < 60
    assert result.stopped.startswith(f"Coverage loss certified since step {result.step}")
    assert result.looks[-1].is_lost
    assert result.path.is_dir()
    again = train(fresh(), tmp_path)
    assert (again.step, again.stopped) == (result.step, result.stopped)


def test_a_step_0_that_is_gone_is_said(held_out: Letters, model: HfModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step-000000 is gone"):
        Boundary(looked(held_out), model, tmp_path, n_steps=20).look(10)


def problem(number: int, id: str = "") -> Problem:
    return Problem(id=id or f"a{number}", task="t", question=f"Q{number}", gold="x")


def test_problems_in_both_are_refused_by_content_or_left_out() -> None:
    training = [problem(1), problem(2), problem(3)]
    held = [problem(2, "other-id"), problem(9)]
    with pytest.raises(
        InputError, match=r"1 of 3 training problems .* \(such as a2, there other-id"
    ):
        without_overlap(training, held, drop=False, task="t")
    kept = without_overlap(training, held, drop=True, task="t")
    assert [p.id for p in kept] == ["a1", "a3"]
    with pytest.raises(InputError, match="all 1 training problems are held out"):
        without_overlap([problem(2)], held, drop=True, task="t")


def test_looks_need_steps_between_them(held_out: Letters) -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        looked(held_out, every=0)
