"""Our recipe, handed to TRL: what has an equal arrives, and what has none is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import ConfigError
from pathshift.models.load import LoadOptions
from pathshift.rollout.plan import SampleConfig
from pathshift.training.algorithms import ALGORITHMS, DAPO, GRPO, RLOO, Clip
from pathshift.training.boundary import BoundarySettings
from pathshift.training.bridges.same_recipe import trl_recipe
from pathshift.training.bridges.trl_settings import TRL_ALGORITHMS, arguments
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.recipes import RlRecipe
from pathshift.training.rl_settings import RlSettings

ASKED = SampleConfig(
    task="arithmetic", task_options={"digits": "2"}, n=8, limit=40, mode="chat",
    template="Q: {question}", system="Be short.", stop=("\n",), temperature=0.7, top_k=9,
    top_p=0.9, min_p=0.1, max_tokens=5, verifier="number",
)  # fmt: skip


def ours(settings: RlSettings | None = None, **changed: Any) -> RlRecipe:
    settings = settings or RlSettings(n_samples=8)
    return RlRecipe(**{"model": "hf:m", "asked": ASKED, "settings": settings, **changed})


def test_every_setting_that_trl_has_arrives() -> None:
    settings = RlSettings(
        algorithm=replace(GRPO, clip=Clip(0.1, 0.3), kl_coefficient=0.02, epochs=2), n_steps=9,
        n_prompts=3, n_samples=8, checkpoint_every=4, seed=6,
        optimizer=OptimizerSettings(
            schedule="cosine", warmup_steps=2, weight_decay=0.1, max_norm=0.5
        ),
    )  # fmt: skip
    whole = ours(
        settings, learning_rate=1e-4, lora=4, lora_alpha=2.0, trackers=("trackio",),
        load=LoadOptions(dtype="bf16", device="cuda", threads=2),
    )  # fmt: skip
    given = trl_recipe(whole, Path("o"), {})
    for name in ("task", "task_options", "limit", "mode", "template", "system", "stop",
                 "temperature", "top_k", "top_p", "min_p", "max_tokens", "verifier"):  # fmt: skip
        assert getattr(given, name) == getattr(ASKED, name), name
    rest = {
        "model": "hf:m", "algorithm": "grpo", "out": Path("o"), "steps": 9, "prompts_per_step": 3,
        "group_size": 8, "epochs": 2, "clip_low": 0.1, "clip_high": 0.3, "kl": 0.02,
        "learning_rate": 1e-4, "schedule": "cosine", "warmup_steps": 2, "weight_decay": 0.1,
        "max_grad_norm": 0.5, "lora_rank": 4, "lora_alpha": 2.0, "save_every": 4, "seed": 6,
        "dtype": "bf16", "device": "cuda", "threads": 2, "tracker": "trackio",
    }  # fmt: skip
    for name, value in rest.items():
        assert getattr(given, name) == value, name


@pytest.mark.parametrize("name", [name for name in TRL_ALGORITHMS if name != "sft"])
def test_the_papers_settings_are_taken_by_trl_as_they_are(name: str) -> None:
    settings = RlSettings(algorithm=ALGORITHMS[name], n_samples=8)
    given = arguments(trl_recipe(ours(settings), Path("o"), {}), max_tokens=5)
    low, high = {"dapo": (0.2, 0.28), "rloo": (0.2, None)}.get(name, (0.2, 0.2))
    assert (given["epsilon"], given.get("epsilon_high")) == (low, high)
    assert given["beta"] == 0


def test_k3_is_the_papers_in_both() -> None:
    given = arguments(trl_recipe(ours(), Path("o"), {}), max_tokens=5)
    assert given["use_bias_correction_kl"] is GRPO.corrects_kl is False


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (RlSettings(reward="random"), "reward='random'"),
        (RlSettings(n_updates=2), "n_updates=2"),
        (RlSettings(algorithm=DAPO, redraws=7), "redraws=7"),
        (RlSettings(micro_tokens=99), "micro_tokens=99"),
        (RlSettings(measure_kl=True), "measure_kl=True"),
        (RlSettings(patience=3), "patience=3"),
        (RlSettings(optimizer=OptimizerSettings(beta2=0.95)), "beta2=0.95"),
        (RlSettings(algorithm=replace(RLOO, entropy_coefficient=0.1)), "entropy_coefficient=0.1"),
        (RlSettings(algorithm=replace(GRPO, corrects_kl=True)), "corrects_kl=True"),
    ],
)
def test_a_setting_without_an_equal_is_refused(changed: RlSettings, told: str) -> None:
    with pytest.raises(ConfigError, match=f"^TRL has no setting for {told}; leave it out"):
        trl_recipe(ours(changed), Path("o"), {})


def test_so_is_what_surrounds_the_training() -> None:
    stops = BoundarySettings(asked=ASKED, stops_on_loss=True)
    for recipe, told in (
        (ours(boundary=stops), "stops_on_loss=True"),
        (ours(drop_overlap=True), "drop_overlap=True"),
        (ours(load=LoadOptions(rows=16)), "rows=16"),
        (ours(RlSettings(algorithm=ALGORITHMS["ppo"])), "'ppo' here, only for grpo"),
        (ours(trackers=("trackio", "wandb")), "one tracker, got trackio, wandb"),
    ):
        with pytest.raises(ConfigError, match=told):
            trl_recipe(recipe, Path("o"), {})


def test_trls_own_names_fill_what_is_open_and_never_overrule() -> None:
    given = trl_recipe(
        ours(), Path("o"), {"use_vllm": True, "per_device_train_batch_size": 4}
    )  # fmt: skip
    assert (given.trl, given.micro_batch) == ({"use_vllm": True}, 4)
    with pytest.raises(ConfigError, match="trl=max_steps: the recipe sets it already"):
        trl_recipe(ours(), Path("o"), {"max_steps": 5})
