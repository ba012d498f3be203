"""One update: rows that pull at nothing are left out of the way back, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.training.letters import Letters, make_letters
from torch import Tensor

from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.training import sequences, updating
from pathshift.training.algorithms import DR_GRPO, GRPO, RLOO, Algorithm
from pathshift.training.gathering import Gathered, gather
from pathshift.training.objective import Credit
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.rl import learner_of
from pathshift.training.rl_settings import RlSettings, RlSetup
from pathshift.training.rollouts import Rollouts, RolloutSettings
from pathshift.training.updating import Updated, UpdateSettings, learn, pulling_rows

N_GROUPS, N_SAMPLES = 4, 4


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


def mixed(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
    """Groups 0 and 2 are told apart, in group 1 all are wrong, in group 3 all are right."""
    return [
        Verdict(
            problem_id=problem.id, sample_no=sample.sample_no,
            outcome=Outcome.CORRECT
            if place // N_SAMPLES == 3 or (place // N_SAMPLES != 1 and sample.sample_no % 2)
            else Outcome.WRONG,
        )
        for place, (problem, sample) in enumerate(pairs)
    ]  # fmt: skip


def flat(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
    """All are wrong."""
    return [replace(verdict, outcome=Outcome.WRONG) for verdict in mixed(pairs)]


def updates(
    letters: Letters, algorithm: Algorithm, *, is_flat_second: bool = False
) -> tuple[list[Updated], dict[str, Tensor]]:
    """Two updates on the same draws, and the weights after them."""
    model = letters.model()
    plan = letters.plan(model, max_tokens=3)
    settings = RlSettings(
        algorithm=algorithm, n_prompts=N_GROUPS, n_samples=N_SAMPLES,
        optimizer=OptimizerSettings(learning_rate=1e-2),
    )  # fmt: skip
    learner = learner_of(RlSetup(model=model, plan=plan, settings=settings))
    gathered: list[Gathered] = []
    for judging in (mixed, flat if is_flat_second else mixed):
        rollouts = Rollouts(
            plan, model, judging, RolloutSettings(n_prompts=N_GROUPS, n_samples=N_SAMPLES)
        )
        gathered.append(gather(rollouts, 1, reward="verifier", seed=0))
    found = [
        learn(
            learner, algorithm, one, UpdateSettings(most_tokens=3, micro_tokens=64),
            step=step, n_steps=2,
        )
        for step, one in enumerate(gathered, start=1)
    ]  # fmt: skip
    weights = {name: weight.detach() for name, weight in model.network.named_parameters()}
    return [one for one in found if one is not None], weights


@pytest.mark.parametrize("algorithm", [GRPO, DR_GRPO, RLOO], ids=lambda a: a.name)
@pytest.mark.parametrize("is_flat_second", [False, True])
def test_weights_and_metrics_are_those_of_a_pass_over_all_rows(
    letters: Letters,
    monkeypatch: pytest.MonkeyPatch,
    algorithm: Algorithm,
    is_flat_second: bool,  # noqa: FBT001
) -> None:
    few, weights = updates(letters, algorithm, is_flat_second=is_flat_second)
    monkeypatch.setattr(updating, "pulling_rows", lambda _algorithm, _credit, rows: list(rows))
    all_rows, expected = updates(letters, algorithm, is_flat_second=is_flat_second)
    assert len(few) == len(all_rows) == 2
    for one, other in zip(few, all_rows, strict=True):
        assert tuple(one.diagnostics) == pytest.approx(
            tuple(other.diagnostics), rel=1e-3, abs=1e-5, nan_ok=True
        )
        assert one.norm == pytest.approx(other.norm, rel=1e-4, abs=1e-6)
        assert one.loss == pytest.approx(other.loss, abs=1e-5)
    first = letters.model().network.get_parameter("lm_head.weight")
    assert (weights["lm_head.weight"] - first).abs().max() > 1e-2
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-4)


def credit_of(advantages: list[list[float]]) -> Credit:
    advantage_BT = torch.tensor(advantages)
    mask_BT = torch.ones_like(advantage_BT, dtype=torch.bool)
    return Credit(advantage_BT, None, mask_BT, torch.ones(1, dtype=torch.bool))


def test_rows_pull_by_an_advantage_at_any_token_or_by_a_penalty() -> None:
    credit = credit_of([[0, 0], [0, -1], [0, 0], [2, 2]])
    assert pulling_rows(GRPO, credit, [0, 1, 2, 3]) == [1, 3]
    assert pulling_rows(GRPO, credit, [2, 0]) == [2]  # one stays, for the optimizer's moments
    in_loss = replace(GRPO, kl_coefficient=0.1)
    assert pulling_rows(in_loss, credit, [0, 1, 2]) == [0, 1, 2]
    assert pulling_rows(replace(in_loss, kl_place="reward"), credit, [0, 1, 2]) == [1]
    assert pulling_rows(replace(GRPO, entropy_coefficient=0.1), credit, [0, 1]) == [0, 1]


def test_only_pulling_rows_are_kept_for_the_way_back(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {True: 0, False: 0}
    plain = sequences.token_logprobs

    def counting(network: Any, batch: sequences.Batch, **settings: Any) -> object:
        seen[torch.is_grad_enabled()] += len(batch.length_B)
        return plain(network, batch, **settings)

    monkeypatch.setattr(updating, "token_logprobs", counting)
    updates(letters, GRPO)
    assert seen == {True: 2 * 2 * N_SAMPLES, False: 2 * 2 * N_SAMPLES}
