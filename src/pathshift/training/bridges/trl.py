"""The same recipe trained by TRL (1.16): GRPO, Dr.GRPO, DAPO's loss, RLOO, and fine-tuning.

accelerate, DeepSpeed and vLLM come with TRL and are set by its own names (`Recipe.trl`). Problems,
prompts and verdicts are ours: a reward is what the sampling loop would say of the same text.

Differences to our own loop, all TRL's: only stop texts of one token end a completion (others are
cut off before judging, but their tokens are learned from); groups without variance are not drawn
again; ratios are taken to a second pass of the training network.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trl
from datasets import Dataset
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.problems.families import load_problems
from pathshift.records import Problem, digest
from pathshift.rollout.plan import Plan, SampleConfig, environment, make_plan
from pathshift.training.boundary import without_overlap
from pathshift.training.bridges.judging import ProblemReward
from pathshift.training.bridges.trl_callback import BoundaryCallback, CompletionLog, MetricsCallback
from pathshift.training.bridges.trl_rows import rl_rows, sft_rows
from pathshift.training.bridges.trl_settings import Recipe, TrlAlgorithm, arguments, trl_algorithm
from pathshift.training.folder import TrainingFolder
from pathshift.training.lora import add_lora
from pathshift.training.progress import Progress
from pathshift.training.recipes import usual_rate
from pathshift.training.saved_model import spec_of

_PICKLED = "training_args.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is written beside the training.

    Attributes:
        held_out: Problems drawn every `every` steps, into OUT/runs.
        keep_completions: Whether the trainer's own completions become run folders too, in
            OUT/rollouts.
    """

    held_out: SampleConfig | None = None
    every: int | None = None
    keep_completions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came out.

    Attributes:
        spec: Model spec of the trained model.
        path: Its folder, or its adapter's.
        notes: What to know about it, a sentence each.
        first_step: Steps that stood before this call.
    """

    spec: str
    path: Path
    notes: tuple[str, ...]
    first_step: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """A recipe with its rate, ready for TRL: model with its own tokenizer, what it is asked."""

    recipe: Recipe
    model: HfModel
    plan: Plan
    algorithm: TrlAlgorithm


def train(
    recipe: Recipe,
    looks: Looks | None = None,
    *,
    reward: Any = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train, and save the model (`OUT/model`) or the adapter (`OUT/adapter`).

    A training that was ended goes on from its last checkpoint (`save_every`); without one it
    begins again. One that is done is left alone.

    Args:
        reward: In place of the task's own (`ProblemReward`), for example `Reward(column=...)`.
        on_step: Told after every step, in place of what TRL prints.

    Raises:
        PathshiftError: As the recipe deserves; OUT holds another training.
    """
    looks = looks or Looks()
    parts = _parts(recipe)
    recipe, first = parts.recipe, recipe.steps
    with _folder(recipe, looks, parts):
        if not _is_done(recipe):
            trainer = _build(parts, looks, reward, on_step)
            checkpoint = get_last_checkpoint(str(recipe.out))
            first = 0 if checkpoint is None else int(checkpoint.rpartition("-")[2])
            trainer.train(resume_from_checkpoint=checkpoint)
            trainer.save_state()
            _save(trainer, recipe)
    folder = _model_folder(recipe)
    spec = spec_of(recipe.model, folder, is_adapter=recipe.lora_rank is not None)
    return Trained(spec=spec, path=folder, notes=_notes(parts), first_step=first)


def make_trainer(recipe: Recipe, looks: Looks | None = None, *, reward: Any = None) -> Any:
    """TRL's trainer for a recipe: model, data set, reward, callbacks; nothing is trained yet.

    Raises:
        PathshiftError: Model or task are not to be had, or train and held-out problems overlap.
    """
    return _build(_parts(recipe), looks or Looks(), reward)


def _build(
    parts: _Parts,
    looks: Looks,
    reward: Any,
    on_step: Callable[[Progress], None] | None = None,
) -> Any:
    recipe = parts.recipe
    _check_apart(parts.plan.problems, looks.held_out)
    tokenizer = parts.model.tokenizer
    config = _trl_config(parts, is_silent=on_step is not None or not sys.stderr.isatty())
    network = parts.model.network
    if recipe.lora_rank is not None:
        network = add_lora(
            network, rank=recipe.lora_rank, alpha=recipe.lora_alpha, seed=recipe.seed
        )
    stops = stop_ids(tokenizer, parts.plan.policy.stop)
    log = _log(recipe, parts, [*parts.model.end_ids, *stops]) if looks.keep_completions else None
    callbacks = [
        BoundaryCallback(
            recipe.out, parts.model, held_out=looks.held_out, every=looks.every, log=log
        ),
        MetricsCallback(recipe.out / "metrics.jsonl", on_step),
    ]
    common = {
        "model": network, "args": config, "processing_class": tokenizer, "callbacks": callbacks,
    }  # fmt: skip
    trainer = _trainer(parts, common, log, reward)
    if on_step is not None:
        trainer.remove_callback(PrinterCallback)
    return trainer


def _trainer(
    parts: _Parts, common: Mapping[str, Any], log: CompletionLog | None, reward: Any
) -> Any:
    build = getattr(trl, parts.algorithm.trainer)
    if parts.algorithm.is_sft:
        return build(train_dataset=_data(sft_rows(parts.recipe.examples)), **common)
    stops = stop_ids(parts.model.tokenizer, parts.plan.policy.stop)
    with ending_at(parts.model.network, parts.model.end_ids, stops):
        return build(
            train_dataset=_data(rl_rows(parts.plan)),
            reward_funcs=[reward or _reward(parts.plan, log)],
            **common,
        )


def _trl_config(parts: _Parts, *, is_silent: bool) -> Any:
    """TRL's own record of settings."""
    kind = getattr(trl, parts.algorithm.config)
    unknown = sorted(set(parts.recipe.trl) - {entry.name for entry in fields(kind)})
    if unknown:
        raise ConfigError(
            f"TRL has no setting {unknown[0]!r}; those of {kind.__name__} {trl.__version__} are in "
            "its documentation"
        )
    given = arguments(parts.recipe, max_tokens=parts.plan.policy.max_tokens)
    return kind(**{"disable_tqdm": is_silent, **given})


def _parts(recipe: Recipe) -> _Parts:
    algorithm = trl_algorithm(recipe.algorithm)
    _check_base(recipe)
    model = load_model(recipe.model, LoadOptions(threads=recipe.threads))
    if not isinstance(model, HfModel):
        raise ConfigError(
            f"TRL trains transformers models, got {recipe.model}; give hf:PATH_OR_ID or smollm2"
        )
    if not model.end_ids:
        raise ConfigError(
            f"{recipe.model} names no end token, so that no completion would end; set eos_token in "
            "its tokenizer"
        )
    group = 1 if algorithm.is_sft else int(recipe.group_size or algorithm.defaults["group_size"])
    temperature = recipe.temperature if recipe.temperature is not None else 1.0
    asked = SampleConfig(
        task=recipe.task, n=group, limit=recipe.limit, task_options=recipe.task_options,
        mode=recipe.mode, template=recipe.template, system=recipe.system, stop=recipe.stop,
        temperature=temperature, top_k=recipe.top_k or 0,
        top_p=recipe.top_p if recipe.top_p is not None else 1.0, min_p=recipe.min_p or 0.0,
        max_tokens=recipe.max_tokens, verifier=recipe.verifier, seed=recipe.seed,
    )  # fmt: skip
    if recipe.learning_rate is None:
        size = int(model.info.details["parameters"])
        rate = usual_rate(size, is_lora=recipe.lora_rank is not None)
        recipe = replace(recipe, learning_rate=rate)
    return _Parts(recipe, model, make_plan(asked, model), algorithm)


def _reward(plan: Plan, log: CompletionLog | None) -> ProblemReward:
    return ProblemReward(
        plan.problems, str(plan.manifest.config["verifier"]), stop=plan.policy.stop,
        on_judged=log.take if log else None,
    )  # fmt: skip


def _log(recipe: Recipe, parts: _Parts, end_ids: Sequence[int]) -> CompletionLog:
    if parts.algorithm.is_sft:
        raise ConfigError("sft draws no completions to keep; leave keep_completions out")
    return CompletionLog(parts.plan, end_ids, run=digest(_plain(recipe))[:16])


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    return Dataset.from_list(list(rows))


def stop_ids(tokenizer: Any, stop: Sequence[str]) -> list[int]:
    """Tokens that end a completion for the task: its stop texts, as far as one token is one."""
    encoded = [tokenizer.encode(text, add_special_tokens=False) for text in stop]
    return [ids[0] for ids in encoded if len(ids) == 1]


@contextmanager
def ending_at(
    network: Any, end_ids: Sequence[int] | frozenset[int], more: Sequence[int]
) -> Iterator[None]:
    """While a trainer is built: more end tokens. TRL reads them once; the model keeps its own."""
    config = network.generation_config
    before = config.eos_token_id
    config.eos_token_id = sorted({*end_ids, *more})
    try:
        yield
    finally:
        config.eos_token_id = before


def _check_apart(problems: Sequence[Problem], held_out: SampleConfig | None) -> None:
    """Refuse held-out problems that are trained on."""
    if held_out is not None:
        other = load_problems(held_out.task, held_out.task_options, limit=held_out.limit)
        without_overlap(problems, other, drop=False, task=held_out.task)


def _notes(parts: _Parts) -> tuple[str, ...]:
    """What TRL does otherwise, for this recipe."""
    notes = [parts.algorithm.note]
    stop = parts.plan.policy.stop
    if not parts.algorithm.is_sft and len(stop_ids(parts.model.tokenizer, stop)) < len(stop):
        notes.append(
            f"not every stop text of {list(stop)} is one token: TRL cannot end there, so what "
            "comes after is cut off before judging, but learned from"
        )
    return tuple(note for note in notes if note)


def _folder(recipe: Recipe, looks: Looks, parts: _Parts) -> AbstractContextManager[Any]:
    """The right to write into OUT, which the first of several processes holds for all."""
    if int(os.environ.get("RANK", "0")) != 0:
        return nullcontext()
    return TrainingFolder(recipe.out, _config(recipe, looks, parts), environment(parts.model))


def _config(recipe: Recipe, looks: Looks, parts: _Parts) -> dict[str, Any]:
    """What a training that goes on must share; the number of steps only if the rate needs it."""
    values = _plain(recipe)
    free = {"out", "save_every", "threads", "tracker"}
    if recipe.schedule == "constant":
        free.add("steps")
    held_out = _plain(looks.held_out) if looks.held_out else None
    return {
        "engine": f"trl {version('trl')}",
        "weights_hash": parts.model.info.weights_hash,
        "task_hash": parts.plan.manifest.config["task_hash"],
        **{name: value for name, value in values.items() if name not in free},
        "held_out": held_out,
        "every": looks.every,
    }


def _plain(settings: Recipe | SampleConfig) -> dict[str, Any]:
    """Settings as JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings), default=str))
    return values


def _is_done(recipe: Recipe) -> bool:
    """Whether OUT holds the model of the last step already."""
    state = recipe.out / "trainer_state.json"
    weights = "model" if recipe.lora_rank is None else "adapter_model"
    if not state.is_file() or not any(_model_folder(recipe).glob(f"{weights}*.safetensors")):
        return False
    return int(json.loads(state.read_text(encoding="utf-8"))["global_step"]) >= recipe.steps


def _model_folder(recipe: Recipe) -> Path:
    return recipe.out / ("model" if recipe.lora_rank is None else "adapter")


def _save(trainer: Any, recipe: Recipe) -> None:
    folder = _model_folder(recipe)
    trainer.save_model(str(folder))
    (folder / _PICKLED).unlink(missing_ok=True)  # a pickle, which nobody should have to load


def _check_base(recipe: Recipe) -> None:
    """An adapter stands beside one base, not beside a base and another adapter."""
    is_adapted = "+" in recipe.model and not Path(recipe.model.removeprefix("hf:")).is_dir()
    if recipe.lora_rank is not None and is_adapted:
        raise ConfigError(
            f"lora_rank={recipe.lora_rank} on {recipe.model}: an adapter on an adapter has no "
            "model spec; merge the first into its base, or train all weights"
        )
