"""Solutions imitated beside the rollouts: the gradient that is added, the draw, the loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.training.letters import Letters, make_letters

from pathshift.errors import ConfigError, ConfigMismatch
from pathshift.training.demonstrations import Demonstrations, imitate
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.rl import train
from pathshift.training.rl_settings import RlSettings, RlSetup
from pathshift.training.sequences import Transcript


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


def rows(n: int = 5) -> list[Transcript]:
    """Prompts of one and two tokens, answers of one to three."""
    return [
        Transcript(
            prompt_ids=(3, 4)[: 1 + place % 2],
            completion_ids=tuple(5 + (place + i) % 4 for i in range(1 + place % 3)),
        )
        for place in range(n)
    ]


def test_the_gradient_is_that_of_the_weighed_mean_over_tokens(letters: Letters) -> None:
    network = letters.model().network.requires_grad_(True)
    total = imitate(network, rows(), weight=0.3, micro_tokens=6, step=1)
    found = torch.cat([weight.grad.flatten() for weight in network.parameters()])
    network.zero_grad()
    logps = []
    for row in rows():
        ids_T = torch.tensor([row.prompt_ids + row.completion_ids])
        logp_TV = network(input_ids=ids_T).logits[0].log_softmax(-1)
        first = len(row.prompt_ids) - 1
        logps += [logp_TV[first + i, token] for i, token in enumerate(row.completion_ids)]
    loss = -torch.stack(logps).mean()
    (0.3 * loss).backward()  # type: ignore[no-untyped-call]
    wanted = torch.cat([weight.grad.flatten() for weight in network.parameters()])
    assert total == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_step_draws_each_solution_at_most_once_and_the_same_ones_again() -> None:
    shown = Demonstrations(rows=rows(9), a_step=4, weight=0.1)
    first, second = shown.of_step(1), shown.of_step(2)
    assert len({id(row) for row in first}) == 4
    assert first == shown.of_step(1)
    assert first != second


@pytest.mark.parametrize(("a_step", "weight"), [(0, 0.1), (6, 0.1), (2, 0.0)])
def test_what_is_out_of_range_is_refused(a_step: int, weight: float) -> None:
    with pytest.raises(ConfigError):
        Demonstrations(rows=rows(5), a_step=a_step, weight=weight)


def test_a_training_without_right_answers_of_its_own_learns_from_solutions(
    letters: Letters, tmp_path: Path
) -> None:
    """The reward pays the opposite of right; at this weight the right solutions win."""

    def setup(shown: Demonstrations | None) -> RlSetup:
        model = letters.model()
        settings = RlSettings(
            n_steps=12, n_prompts=4, n_samples=4, reward="wrong-sign",
            optimizer=OptimizerSettings(learning_rate=1e-2),
        )  # fmt: skip
        plan = letters.plan(model, max_tokens=1)
        return RlSetup(model=model, plan=plan, settings=settings, demonstrations=shown)

    def solutions() -> Demonstrations:
        model = letters.model()
        plan = letters.plan(model, max_tokens=1)
        shown = [
            Transcript(
                prompt_ids=tuple(model.tokenizer.encode(prompt)),
                completion_ids=tuple(model.tokenizer.encode(problem.gold)),
            )
            for problem, prompt in zip(plan.problems, plan.prompts, strict=True)
        ]
        return Demonstrations(rows=shown, a_step=8, weight=10.0)

    without = train(setup(None), tmp_path / "without").last["reward"]
    with_them = train(setup(solutions()), tmp_path / "with").last["reward"]
    assert with_them > without + 0.3
    with pytest.raises(ConfigMismatch):
        train(setup(None), tmp_path / "with")
