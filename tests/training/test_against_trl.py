"""Credit, loss and gradient beside those of TRL's own trainers, on one batch of a tiny Llama.

The batch's texts, rewards and old log-probabilities are given; everything else is TRL's: padding,
advantages, log-probabilities, KL to the reference, the loss. What TRL divides by, read in 1.16:
GRPO the mean over each completion, then over rows; DAPO the tokens of the generation batch;
Dr. GRPO rows times max_completion_length; RLOO one clipped ratio a completion, the mean over rows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import save_tiny
from torch import Tensor

from pathshift.training import losses
from pathshift.training.algorithms import (
    DAPO,
    DR_GRPO,
    GRPO,
    RLOO,
    Algorithm,
    Clip,
    Part,
    Scored,
)

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

N = 4
MOST_TOKENS = 7
TEMPERATURE = 0.8
REWARDS_GN = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
PROMPTS = [[10, 20, 30]] * N + [[40, 50]] * N
LENGTHS = [7, 3, 1, 5, 2, 7, 4, 6]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("trl") / "model")


def _completions() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(1, 256, (n,), generator=generator).tolist() for n in LENGTHS]


def _trainer(kind: str, folder: Path, rewards: list[float | None], **settings: Any) -> Any:
    config, trainer = getattr(trl, f"{kind}Config"), getattr(trl, f"{kind}Trainer")

    def scored(completions: list[str], **_: Any) -> list[float | None]:
        return rewards

    made = trainer(
        model=str(folder),
        reward_funcs=scored,
        args=config(
            output_dir=str(folder.parent / "out"), num_generations=N, report_to=[], use_cpu=True,
            per_device_train_batch_size=2 * N, gradient_accumulation_steps=1, bf16=False,
            max_completion_length=MOST_TOKENS, temperature=TEMPERATURE, disable_tqdm=True,
            gradient_checkpointing=False, **settings,
        ),
        train_dataset=datasets.Dataset.from_dict({"prompt": ["a"] * 2 * N}),
    )  # fmt: skip
    made.current_gradient_accumulation_steps = 1
    if made.ref_model is not None:  # it was loaded from the same folder: make it another policy
        generator = torch.Generator().manual_seed(4)
        for weight in made.ref_model.parameters():
            weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    made.model.train()
    texts = _completions()
    drawn: tuple[Any, ...] = (PROMPTS, texts, None, [str(t) for t in texts], None, {}, None, None)
    made._generate = lambda prompts: drawn if kind == "GRPO" else (PROMPTS, texts, drawn[3])
    return made


def _batch(trainer: Any) -> dict[str, Any]:
    found: dict[str, Any] = trainer._generate_and_score_completions([{"prompt": "a"}] * 2 * N)
    return found


def _logp(model: Any, batch: dict[str, Any]) -> Tensor:
    """Our own log-probabilities of the batch's completions, (B, T)."""
    ids_BT = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask_BT = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    logits = model(ids_BT, attention_mask=mask_BT).logits.float() / TEMPERATURE
    n_tokens = batch["completion_ids"].shape[1]
    logprobs = logits.log_softmax(-1)[:, -n_tokens - 1 : -1]
    found: Tensor = logprobs.gather(-1, batch["completion_ids"][..., None]).squeeze(-1)
    return found


def _moved(logp_BT: Tensor) -> Tensor:
    """Log-probabilities of another policy: ratios from about .5 to 2, many of them held."""
    generator = torch.Generator().manual_seed(9)
    return logp_BT.detach() + 0.3 * torch.randn(logp_BT.shape, generator=generator)


def _gradient(model: Any, loss: Tensor) -> Tensor:
    return torch.cat([one.flatten() for one in torch.autograd.grad(loss, [*model.parameters()])])


def _ours(
    algorithm: Algorithm, trainer: Any, batch: dict[str, Any], old_BT: Tensor
) -> tuple[float, Tensor, Tensor]:
    """Loss, gradient and the advantages of the rows."""
    logp_BT, reference_BT = _logp(trainer.model, batch), None
    if trainer.ref_model is not None:
        reference_BT = _logp(trainer.ref_model, batch).detach()
    credit = algorithm.credit(
        Scored(
            rewards_GN=REWARDS_GN, is_judged_GN=torch.ones_like(REWARDS_GN).bool(),
            mask_BT=batch["completion_mask"].bool(),
            kl_BT=None if reference_BT is None else losses.k1(logp_BT.detach(), reference_BT),
        )
    )  # fmt: skip
    loss, _ = algorithm.policy_loss(
        Part(
            logp_BT=logp_BT, old_logp_BT=old_BT, advantage_BT=credit.advantage_BT,
            mask_BT=credit.mask_BT, weight_BT=algorithm.weights(credit.mask_BT, MOST_TOKENS),
            reference_logp_BT=reference_BT,
        )
    )  # fmt: skip
    return loss.item(), _gradient(trainer.model, loss), credit.advantage_BT[:, 0]


def _agree(ours: Tensor, theirs: Tensor) -> None:
    """Within 1e-5 of the largest entry, which is not small."""
    assert float(theirs.abs().max()) > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        (GRPO, {"loss_type": "grpo"}),
        (
            replace(GRPO, kl_coefficient=0.3),
            {"loss_type": "grpo", "beta": 0.3, "use_bias_correction_kl": False},
        ),
        (
            replace(GRPO, kl_coefficient=0.3, corrects_kl=True),
            {"loss_type": "grpo", "beta": 0.3, "use_bias_correction_kl": True},
        ),
        (DR_GRPO, {"loss_type": "dr_grpo", "scale_rewards": "none"}),
        (DAPO, {"loss_type": "dapo", "epsilon_high": 0.28}),
    ],
    ids=["grpo", "grpo-kl", "grpo-corrected-kl", "dr-grpo", "dapo"],
)
def test_grpo_and_its_kin_have_trls_loss_and_gradient(
    folder: Path, algorithm: Algorithm, settings: dict[str, Any]
) -> None:
    trainer = _trainer("GRPO", folder, REWARDS_GN.flatten().tolist(), **settings)
    batch = _batch(trainer)
    batch["old_per_token_logps"] = old_BT = _moved(_logp(trainer.model, batch))
    theirs = trainer._compute_loss(trainer.model, batch)
    gradient = _gradient(trainer.model, theirs)
    loss, our_gradient, advantage_B = _ours(algorithm, trainer, batch, old_BT)
    torch.testing.assert_close(advantage_B, batch["advantages"], rtol=1e-5, atol=1e-6)
    assert loss == pytest.approx(theirs.item(), rel=1e-5, abs=1e-6)
    _agree(our_gradient, gradient)


def test_rloo_has_trls_gradient_at_the_policy_that_drew(folder: Path) -> None:
    trainer = _trainer("RLOO", folder, REWARDS_GN.flatten().tolist(), beta=0.0)
    batch = _batch(trainer)
    gradient = _gradient(trainer.model, trainer._compute_loss(trainer.model, batch))
    old_BT = _logp(trainer.model, batch).detach()
    _, our_gradient, advantage_B = _ours(RLOO, trainer, batch, old_BT)
    torch.testing.assert_close(advantage_B, batch["advantages"], rtol=1e-5, atol=1e-6)
    _agree(our_gradient, gradient)


def test_rloo_with_a_ratio_a_completion_and_a_penalty_in_the_reward_has_trls_loss(
    folder: Path,
) -> None:
    trainer = _trainer("RLOO", folder, REWARDS_GN.flatten().tolist(), beta=0.3)
    batch = _batch(trainer)
    mask_BT = batch["completion_mask"].bool()
    old_BT = _logp(trainer.model, batch).detach() + torch.linspace(-0.1, 0.1, 2 * N)[:, None]
    batch["old_logps"] = (old_BT * mask_BT).sum(-1)
    theirs = trainer._compute_loss(trainer.model, batch)
    gradient = _gradient(trainer.model, theirs)
    algorithm = replace(
        RLOO, clip=Clip(0.2, 0.2), ratio="sequence", aggregate=losses.sequence_mean,
        kl_coefficient=0.3,
    )  # fmt: skip
    loss, our_gradient, advantage_B = _ours(algorithm, trainer, batch, old_BT)
    torch.testing.assert_close(advantage_B, batch["advantages"], rtol=1e-5, atol=1e-5)
    assert loss == pytest.approx(theirs.item(), rel=1e-5, abs=1e-6)
    _agree(our_gradient, gradient)


UNSCORED = [1.0, None, 0.0, 1.0, None, None, None, 0.0]


@pytest.mark.parametrize(
    ("kind", "algorithm", "settings"),
    [
        ("GRPO", GRPO, {}),
        ("GRPO", DR_GRPO, {"scale_rewards": "none"}),
        ("RLOO", RLOO, {"beta": 0.0}),
    ],
)
def test_answers_without_a_verdict_get_the_advantages_that_trl_gives_them(
    folder: Path, kind: str, algorithm: Algorithm, settings: dict[str, Any]
) -> None:
    theirs = _batch(_trainer(kind, folder, UNSCORED, **settings))
    credit = algorithm.credit(
        Scored(
            rewards_GN=torch.tensor([r or 0.0 for r in UNSCORED]).view(2, N),
            is_judged_GN=torch.tensor([r is not None for r in UNSCORED]).view(2, N),
            mask_BT=theirs["completion_mask"].bool(),
        )
    )
    assert theirs["advantages"].any()
    torch.testing.assert_close(
        credit.advantage_BT[:, 0], theirs["advantages"], rtol=1e-5, atol=1e-6
    )
