"""Our settings in TRL's words: each arrives, and what TRL does not have is refused."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import ConfigError
from pathshift.training.bridges.trl_settings import (
    TRL_ALGORITHMS,
    TRL_NAMES,
    Recipe,
    arguments,
    recipe_of,
)


def everything(algorithm: str) -> Recipe:
    """A recipe in which no setting is left out that the algorithm has."""
    own: dict[str, Any] = {
        "group_size": 4, "epochs": 2, "clip_low": 0.1, "clip_high": 0.3, "kl": 0.01,
        "temperature": 0.9, "top_k": 5, "top_p": 0.9, "min_p": 0.01, "max_tokens": 7,
    }  # fmt: skip
    if algorithm == "sft":
        own = {"examples": Path("run"), "max_length": 99, "packing": True}
    return Recipe(
        model="hf:m", task="arithmetic", algorithm=algorithm, out=Path("out"), steps=7,
        prompts_per_step=6, micro_batch=3, learning_rate=2e-5, schedule="cosine", warmup_steps=2,
        weight_decay=0.1, max_grad_norm=0.5, seed=11, save_every=5, gradient_checkpointing=True,
        tracker="none", **own,
    )  # fmt: skip


@pytest.mark.parametrize("name", TRL_ALGORITHMS)
@pytest.mark.filterwarnings("ignore")  # of libraries that are not ours
def test_every_setting_is_one_that_trl_has_and_arrives_there(name: str) -> None:
    trl = pytest.importorskip("trl")
    whole = everything(name)
    algorithm = TRL_ALGORITHMS[name]
    given = arguments(whole, max_tokens=50)
    kind = getattr(trl, algorithm.config)
    assert set(given) <= {field.name for field in dataclasses.fields(kind)}
    config = kind(**given)
    for ours, theirs in TRL_NAMES.items():
        value = getattr(whole, ours)
        if value is not None and ours not in ("out", "tracker", "schedule"):
            assert getattr(config, theirs) == value, ours
    assert config.lr_scheduler_type == "cosine"
    constant = kind(**arguments(replace(whole, schedule="constant"), max_tokens=50))
    assert constant.lr_scheduler_type == "constant_with_warmup"
    assert config.output_dir == "out"
    rows = whole.prompts_per_step * (1 if algorithm.is_sft else 4)
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == rows
    for theirs, value in algorithm.fixed.items():
        assert getattr(config, theirs) == value


def test_every_name_in_the_table_is_a_setting_of_the_recipe() -> None:
    assert set(TRL_NAMES) <= {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dynamic_sampling": True}, "TRL has no setting for dynamic_sampling=True"),
        ({"algorithm": "ppo"}, "TRL is not asked for 'ppo' here, only for grpo"),
        ({"algorithm": "sft"}, "sft needs examples=RUN"),
        ({"algorithm": "sft", "examples": "run", "kl": 0.1}, "kl=0.1 has no meaning for sft"),
        ({"packing": True}, "packing=True has no meaning for grpo"),
        ({"group_size": 1}, "group_size must be at least 2, got 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must lie between 0 and 1, got nan"),
        ({"kl": float("nan")}, "kl must be at least 0, got nan"),
        ({"dtype": "int8"}, "dtype 'int8' is not known"),
        ({"trl": {"beta": 0.1}}, "trl=beta: the recipe sets it already"),
        ({"trl": {"loss_type": "bnpo"}}, "trl=loss_type: the recipe sets it already"),
    ],
)
def test_what_trl_does_not_have_is_refused_in_one_line(settings: dict[str, Any], told: str) -> None:
    known: dict[str, Any] = {
        "model": "hf:m",
        "task": "t",
        "algorithm": "grpo",
        "out": Path("o"),
        "steps": 1,
    }
    with pytest.raises(ConfigError) as caught:
        recipe_of({**known, **settings})
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_setting_that_is_none_is_left_out() -> None:
    known: dict[str, Any] = {
        "model": "hf:m",
        "task": "t",
        "algorithm": "grpo",
        "out": Path("o"),
        "steps": 1,
    }
    assert recipe_of({**known, "dynamic_sampling": None}) == Recipe(**known)


@pytest.mark.parametrize(("processes", "micro"), [("1", 5), ("3", None), ("2", 3)])
def test_a_batch_that_cannot_be_divided_is_refused(
    processes: str, micro: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", processes)
    uneven = replace(everything("grpo"), prompts_per_step=4, micro_batch=micro)
    with pytest.raises(ConfigError, match="16 sequences a step"):
        arguments(uneven, max_tokens=5)


def test_the_batch_is_that_of_all_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    given = arguments(replace(everything("grpo"), micro_batch=3), max_tokens=5)
    assert (given["per_device_train_batch_size"], given["gradient_accumulation_steps"]) == (3, 4)
