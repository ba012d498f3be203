"""Our settings in TRL's words: one table, and a clear no where TRL has no such setting.

Imports neither torch nor TRL, so that a mistake is told before either is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError

TRL_NAMES: Mapping[str, str] = {
    "steps": "max_steps",
    "learning_rate": "learning_rate",
    "schedule": "lr_scheduler_type",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "micro_batch": "per_device_train_batch_size",
    "gradient_checkpointing": "activation_checkpointing",
    "seed": "seed",
    "save_every": "save_steps",
    "tracker": "report_to",
    "out": "output_dir",
    "group_size": "num_generations",
    "epochs": "num_iterations",
    "clip_low": "epsilon",
    "clip_high": "epsilon_high",
    "kl": "beta",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "max_tokens": "max_completion_length",
    "max_length": "max_length",
    "packing": "packing",
}
"""What TRL calls each of our settings. The batch (`prompts_per_step`), the device and the kind of
numbers take a calculation: see `arguments`."""

_SFT_ONLY = frozenset({"max_length", "packing", "examples"})
_RL_ONLY = frozenset(
    {"group_size", "epochs", "clip_low", "clip_high", "kl", "temperature", "top_k", "top_p",
     "min_p", "max_tokens"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrlAlgorithm:
    """An algorithm as TRL has it.

    Attributes:
        trainer, config: Names of TRL's classes.
        fixed: What makes it this algorithm, by TRL's names.
        defaults: Ours, where the recipe does not say.
        note: What TRL does otherwise than the paper; empty if nothing.
    """

    trainer: str
    config: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def is_sft(self) -> bool:
        """Whether it learns from examples, without drawing."""
        return self.trainer == "SFTTrainer"


_RL_DEFAULTS = {"group_size": 8, "epochs": 1, "clip_low": 0.2, "kl": 0.0, "temperature": 1.0}


def _grpo(loss: str, scale: str, note: str = "", **defaults: Any) -> TrlAlgorithm:
    return TrlAlgorithm(
        trainer="GRPOTrainer",
        config="GRPOConfig",
        # k3 as in the paper, and as our own loop has it; TRL multiplies it by the ratio otherwise.
        fixed={"loss_type": loss, "scale_rewards": scale, "use_bias_correction_kl": False},
        defaults={**_RL_DEFAULTS, **defaults},
        note=note,
    )


TRL_ALGORITHMS: Mapping[str, TrlAlgorithm] = {
    "grpo": _grpo("grpo", "group"),
    "dr-grpo": _grpo("dr_grpo", "none"),
    "dapo": _grpo(
        "dapo",
        "group",
        "TRL's dapo is the token-level loss with a higher upper clip; groups without variance are "
        "not drawn again",
        clip_high=0.28,
    ),
    "rloo": TrlAlgorithm(
        trainer="RLOOTrainer",
        config="RLOOConfig",
        defaults=_RL_DEFAULTS,
        note="TRL puts the KL penalty of rloo into the reward, and clips its ratio",
    ),
    "sft": TrlAlgorithm(
        trainer="SFTTrainer",
        config="SFTConfig",
        fixed={"completion_only_loss": True},
        defaults={"max_length": 1024, "packing": False},
    ),
}
"""What TRL has of our algorithms, by our names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training by TRL; None leaves a setting to the algorithm or the task.

    Attributes:
        model: Model spec: `hf:PATH_OR_ID`, `smollm2`.
        task, task_options, limit, mode, template, system, stop, verifier: The problems, how they
            are asked and judged, as in `SampleConfig`.
        algorithm: A name of `TRL_ALGORITHMS`.
        out: Folder that is written.
        steps: Updates of the weights.
        prompts_per_step: Prompts of an update (with SFT: examples), over all processes.
        group_size: Completions of each prompt.
        micro_batch: Sequences in one pass of one process; None for all of its part.
        learning_rate: None for `recipes.usual_rate`.
        epochs: Passes over what was drawn.
        clip_low, clip_high: How far the ratio may go below and above 1; high None: as low.
        kl: Weight of the penalty for leaving the reference.
        temperature, top_k, top_p, min_p, max_tokens: As in `Policy`.
        examples: With SFT: a run folder, whose correct samples are learned.
        max_length: With SFT: longest sequence, in tokens; what is longer is cut at its end.
        packing: With SFT: several examples in one row.
        lora_rank: Train an adapter of this rank on all linear layers; None for all weights.
        lora_alpha: Its scale; None for twice the rank.
        schedule: "constant", "linear" or "cosine".
        max_grad_norm: Gradients are scaled down to this norm.
        save_every: Steps between checkpoints; None for none.
        dtype: "fp32", or "bf16" or "fp16" for mixed precision.
        device: "cpu" keeps to the processor; all else leaves the choice to accelerate.
        threads: CPU threads; None leaves the choice to torch.
        tracker: "none", or a name that TRL's `report_to` knows ("trackio", "wandb", ..).
        trl: More settings by TRL's own names (`use_vllm`, `deepspeed`, ..), passed on as they are.

    Raises:
        ConfigError: A setting is out of its range, or TRL has none such for the algorithm.
    """

    model: str
    task: str
    algorithm: str
    out: Path
    steps: int
    task_options: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    mode: str = "auto"
    template: str | None = None
    system: str | None = None
    stop: tuple[str, ...] | None = None
    verifier: str | None = None
    prompts_per_step: int = 8
    group_size: int | None = None
    micro_batch: int | None = None
    learning_rate: float | None = None
    schedule: str = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    epochs: int | None = None
    clip_low: float | None = None
    clip_high: float | None = None
    kl: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    examples: Path | None = None
    max_length: int | None = None
    packing: bool | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    seed: int = 0
    save_every: int | None = None
    gradient_checkpointing: bool = False
    dtype: str = "fp32"
    device: str = "cpu"
    threads: int | None = None
    tracker: str = "none"
    trl: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        algorithm = trl_algorithm(self.algorithm)
        self._check_ranges()
        for name in _RL_ONLY if algorithm.is_sft else _SFT_ONLY:
            if getattr(self, name) is not None:
                raise ConfigError(
                    f"{name}={getattr(self, name)} has no meaning for {self.algorithm}; leave it "
                    "out"
                )
        if algorithm.is_sft and self.examples is None:
            raise ConfigError(
                "sft needs examples=RUN, a run folder whose correct samples it learns"
            )
        taken = sorted(set(self.trl) & (set(TRL_NAMES.values()) | set(algorithm.fixed)))
        if taken:
            raise ConfigError(f"trl={taken[0]}: the recipe sets it already; use its own field")

    def _check_ranges(self) -> None:
        least = {"steps": 1, "prompts_per_step": 1, "group_size": 2, "micro_batch": 1, "epochs": 1,
                 "max_tokens": 1, "max_length": 2, "lora_rank": 1, "save_every": 1, "threads": 1,
                 "warmup_steps": 0, "clip_low": 0, "clip_high": 0, "kl": 0}  # fmt: skip
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise ConfigError(f"{name} must be at least {low}, got {value}")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate must lie between 0 and 1, got {self.learning_rate}")
        if self.temperature is not None and not 0 < self.temperature <= 100:
            raise ConfigError(
                f"temperature must be above 0 and at most 100, got {self.temperature}; training "
                "needs samples that differ"
            )
        if self.dtype not in ("fp32", "bf16", "fp16"):
            raise ConfigError(f"dtype {self.dtype!r} is not known; use one of fp32, bf16, fp16")


def trl_algorithm(name: str) -> TrlAlgorithm:
    """The algorithm as TRL has it.

    Raises:
        ConfigError: TRL has none such, or not in a trainer that this bridge knows.
    """
    if name not in TRL_ALGORITHMS:
        raise ConfigError(
            f"TRL is not asked for {name!r} here, only for {', '.join(TRL_ALGORITHMS)}; the rest "
            "is trained by our own loop"
        )
    return TRL_ALGORITHMS[name]


def recipe_of(settings: Mapping[str, Any]) -> Recipe:
    """A recipe from settings by name; those that are None are left out.

    Raises:
        ConfigError: A setting that only our own loop has, with its value and the way out.
    """
    known = {entry.name for entry in fields(Recipe)}
    for name, value in settings.items():
        if name not in known and value is not None:
            raise ConfigError(
                f"TRL has no setting for {name}={value!r}; leave it out, or train with our own loop"
            )
    return Recipe(**{name: value for name, value in settings.items() if value is not None})


def arguments(recipe: Recipe, *, max_tokens: int) -> dict[str, Any]:
    """The arguments of TRL's configuration class.

    Args:
        max_tokens: The task's own, where the recipe says nothing.

    Raises:
        ConfigError: The batch cannot be divided as asked.
    """
    algorithm = trl_algorithm(recipe.algorithm)
    given = {name: getattr(recipe, name) for name in TRL_NAMES}
    ours = {**algorithm.defaults, **{n: v for n, v in given.items() if v is not None}}
    if not algorithm.is_sft:
        ours.setdefault("max_tokens", max_tokens)
    rows = recipe.prompts_per_step * ours.get("group_size", 1)
    ours["micro_batch"], accumulation = _divided(rows, recipe.micro_batch)
    ours["out"] = str(recipe.out)
    if recipe.warmup_steps and recipe.schedule == "constant":
        ours["schedule"] = "constant_with_warmup"  # "constant" would leave the warm-up out
    return {
        **{TRL_NAMES[name]: value for name, value in ours.items()},
        **algorithm.fixed,
        "gradient_accumulation_steps": accumulation,
        "save_strategy": "no" if recipe.save_every is None else "steps",
        "logging_steps": 1,
        "bf16": recipe.dtype == "bf16",
        "fp16": recipe.dtype == "fp16",
        "use_cpu": recipe.device == "cpu",
        **recipe.trl,
    }


def _divided(rows: int, micro_batch: int | None) -> tuple[int, int]:
    """Sequences of a pass, and passes of an update, in each of the processes of accelerate."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    mine = rows // processes
    micro = micro_batch or max(1, mine)
    if rows % processes or mine % micro:
        raise ConfigError(
            f"{rows} sequences a step are no multiple of {processes} processes x micro_batch "
            f"{micro}; change micro_batch or prompts_per_step"
        )
    return micro, mine // micro
