"""pathshift train rl: reinforcement learning on verified answers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathshift.cli import sample_flags as sampling
from pathshift.cli import train_compare
from pathshift.cli import train_rl_flags as flags
from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker
from pathshift.cli.sample import load_options, pairs, text_of
from pathshift.errors import ConfigError

if TYPE_CHECKING:
    from pathshift.rollout.plan import SampleConfig
    from pathshift.training.algorithms import Algorithm
    from pathshift.training.boundary import BoundarySettings
    from pathshift.training.recipes import RlRecipe
    from pathshift.training.rl_settings import RlResult, RlSetup


ENGINES = ("pathshift", "trl")


def rl(
    model: flags.ModelSpec,
    tasks: flags.Tasks,
    out: flags.Out,
    algorithm: flags.AlgorithmName = "grpo",
    steps: flags.Steps = 100,
    prompts: flags.Prompts = 16,
    n: flags.N = 16,
    lr: flags.LearningRate = None,
    lora: flags.Lora = None,
    lora_alpha: flags.LoraAlpha = None,
    kl: flags.Kl = 0.0,
    entropy: flags.Entropy = 0.0,
    k: flags.K = None,
    passes: flags.Passes = 1,
    updates: flags.Updates = 1,
    schedule: flags.Schedule = "constant",
    warmup: flags.Warmup = 0,
    reward: flags.Reward = "verifier",
    redraws: flags.Redraws = 4,
    measure_kl: flags.MeasureKl = False,
    held_out: flags.HeldOut = None,
    held_out_option: flags.HeldOutOptions = None,
    held_out_n: flags.HeldOutN = 32,
    held_out_limit: flags.HeldOutLimit = None,
    held_out_every: flags.HeldOutEvery = 50,
    held_out_stop_at: flags.HeldOutStopAt = None,
    drop_overlap: flags.DropOverlap = False,
    stop_on: flags.StopOn = None,
    limit: sampling.Limit = None,
    temperature: sampling.Temperature = 1.0,
    max_tokens: sampling.MaxTokens = None,
    stop: sampling.Stop = None,
    prompt_template: sampling.PromptTemplate = None,
    system: sampling.System = None,
    chat: sampling.Chat = None,
    verifier: sampling.Verifier = None,
    task_option: sampling.TaskOptions = None,
    model_option: sampling.ModelOptions = None,
    dtype: sampling.Dtype = "fp32",
    device: sampling.Device = "cpu",
    threads: sampling.Threads = None,
    seed: flags.Seed = 0,
    micro_tokens: flags.MicroTokens = 8192,
    checkpoint_every: flags.CheckpointEvery = 25,
    patience: flags.Patience = 10,
    tracker: flags.TrackerNames = None,
    engine: flags.Engine = "pathshift",
    engine_option: flags.EngineOptions = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Train a model on answers that a verifier finds right. Run the same command again to go on
    where it ended, bit for bit; a larger --steps goes on with a run that is done.

    With --held-out the boundary is measured on the way: OUT/runs holds a run folder every
    --held-out-every steps, which `pathshift watch` and `pathshift compare` read. With --engine trl
    the same recipe is trained by TRL, and a setting that TRL has no equal of is refused.

    Example: pathshift train rl --model smollm2 --tasks arithmetic -T digits=3 --lora 16
    --steps 100 --held-out arithmetic -H digits=3 -H seed=1 --held-out-limit 100 --out rl/a
    """
    from pathshift.rollout.plan import SampleConfig
    from pathshift.rollout.tasks import task_named
    from pathshift.training.optimizer import OptimizerSettings
    from pathshift.training.recipes import RlRecipe
    from pathshift.training.rl_settings import RlSettings

    if stop_on not in (None, "loss"):
        raise ConfigError(f"--stop-on {stop_on!r} is not known; use --stop-on loss")
    if held_out is None and (stop_on is not None or held_out_option):
        raise ConfigError("--stop-on and -H speak of held-out problems: name them by --held-out")
    task_named(tasks)
    asked = SampleConfig(
        task=tasks, n=n, limit=limit, task_options=pairs(task_option or [], "-T"),
        mode={None: "auto", True: "chat", False: "completion"}[chat],
        template=text_of(prompt_template), system=system, temperature=temperature,
        max_tokens=max_tokens, verifier=verifier, seed=seed,
        stop=None if stop is None else tuple(text.replace("\\n", "\n") for text in stop),
    )  # fmt: skip
    boundary = _boundary(
        asked, held_out, pairs(held_out_option or [], "-H"),
        n=held_out_n, limit=held_out_limit, every=held_out_every,
        stop_at=held_out_stop_at, stops_on_loss=stop_on is not None,
    )  # fmt: skip
    recipe = RlRecipe(
        model=model, asked=asked, learning_rate=lr, lora=lora, lora_alpha=lora_alpha,
        boundary=boundary, drop_overlap=drop_overlap, trackers=tuple(tracker or ()),
        settings=RlSettings(
            algorithm=_algorithm(algorithm, k=k, kl=kl, entropy=entropy, epochs=passes),
            n_steps=steps, n_prompts=prompts, n_samples=n, n_updates=updates,
            optimizer=OptimizerSettings(schedule=schedule, warmup_steps=warmup),
            reward=_reward(reward), redraws=redraws, micro_tokens=micro_tokens,
            measure_kl=measure_kl, checkpoint_every=checkpoint_every, patience=patience, seed=seed,
        ),
        load=load_options(
            pairs(model_option or [], "-M"), dtype=dtype, device=device, threads=threads, rows=None
        ),
    )  # fmt: skip
    speaker = Speaker(json, quiet=quiet)
    options = pairs(engine_option or [], "--engine-option")
    speaker.result(_runner(engine, options)(recipe, out, speaker))


def _runner(engine: str, options: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """What trains: our own loop, or TRL with more settings of its own."""
    if engine not in ENGINES:
        raise ConfigError(f"--engine {engine!r} is not known; use one of {', '.join(ENGINES)}")
    if engine == "trl":
        return partial(run_by_trl, options=options)
    if options:
        raise ConfigError(f"--engine-option {next(iter(options))} belongs to --engine trl")
    return run


def _algorithm(name: str, *, k: int | None, **settings: Any) -> Algorithm:
    """The algorithm with what the flags change."""
    from pathshift.training.algorithms import algorithm_named

    found = algorithm_named(name)
    if k is not None and found.k is None:
        raise ConfigError(f"--k {k} belongs to --algorithm pass-at-k, not to {name}")
    return replace(
        found, k=found.k if k is None else k,
        kl_coefficient=settings["kl"], entropy_coefficient=settings["entropy"],
        epochs=settings["epochs"],
    )  # fmt: skip


def _reward(name: str) -> Any:
    from pathshift.training.gathering import REWARDS

    if name not in REWARDS:
        raise ConfigError(f"--reward {name!r} is not known; use one of {', '.join(REWARDS)}")
    return name


def _boundary(
    asked: SampleConfig, task: str | None, options: dict[str, str], **more: Any
) -> BoundarySettings | None:
    """The held-out problems, asked as the training asks; where the tasks differ, as theirs does."""
    from pathshift.rollout.tasks import task_named
    from pathshift.training.boundary import BoundarySettings

    if task is None:
        return None
    task_named(task)
    is_same = task.partition(":")[0] == asked.task.partition(":")[0]
    held = replace(
        asked, task=task, task_options=options, limit=more["limit"], n=more["n"],
        stop_at=more["stop_at"],
    )  # fmt: skip
    if not is_same:
        held = replace(held, template=None, verifier=None, stop=None, max_tokens=None)
    return BoundarySettings(asked=held, every=more["every"], stops_on_loss=more["stops_on_loss"])


def run(recipe: RlRecipe, out: Path, speaker: Speaker) -> dict[str, Any]:
    """Train, telling what happens; an interrupt keeps the last step and exits with 130."""
    from pathshift.training.progress import StepLine
    from pathshift.training.recipes import prepared
    from pathshift.training.rl import train
    from pathshift.training.rl_settings import Hearing

    speaker.advise(f"loading {recipe.model}")
    setup = prepared(recipe)
    _introduce(setup, speaker)
    line = StepLine(quiet=speaker.quiet)

    def note(text: str) -> None:
        line.clear()
        speaker.say(text)

    with resumable(f"what was trained is in {out}"):
        result = train(setup, out, Hearing(on_step=line, on_note=note))
    return _told(recipe, result, out, speaker)


def run_by_trl(
    recipe: RlRecipe, out: Path, speaker: Speaker, *, options: dict[str, str]
) -> dict[str, Any]:
    """The same training by TRL; an interrupt keeps its last checkpoint and exits with 130."""
    from pathshift.training import bridges
    from pathshift.training.bridges.same_recipe import option_value, trl_recipe
    from pathshift.training.progress import StepLine, read_metrics
    from pathshift.training.rl_settings import RlResult
    from pathshift.training.trackers import check_trackers

    check_trackers(recipe.trackers)
    given = trl_recipe(recipe, out, {k: option_value(text) for k, text in options.items()})
    boundary = recipe.boundary
    looks = None
    speaker.advise(f"loading TRL and {recipe.model}")
    if boundary is not None:
        looks = bridges.Looks(held_out=boundary.asked, every=boundary.every)
    train, line = bridges.train, StepLine(quiet=speaker.quiet)
    # What TRL and its libraries print is not the command's result, and what they warn of each
    # other's future is nothing that a user could change.
    with (
        resumable(f"the last checkpoint is in {out}"),
        redirect_stdout(sys.stderr),
        warnings.catch_warnings(category=FutureWarning, action="ignore"),
    ):
        done = train(given, looks, on_step=line)
    for note in done.notes:
        speaker.say(f"note: {note}")
    last = read_metrics(out / "metrics.jsonl")[-1]
    result = RlResult(
        first_step=done.first_step, step=int(last["step"]), path=done.path, stopped="", looks=(),
        last={name: value for name, value in last.items() if name != "step"},
    )  # fmt: skip
    told = _told(recipe, result, out, speaker)
    return {**told, "runs": [str(path) for path in sorted((out / "runs").glob("step-*"))]}


def _introduce(setup: RlSetup, speaker: Speaker) -> None:
    settings, policy, config = setup.settings, setup.plan.policy, setup.plan.manifest.config
    what = "all weights" if setup.wrapped is None else "an adapter"
    how = "through its chat template" if setup.plan.is_chat else "as a completion"
    speaker.advise(
        f"{settings.algorithm.name} on {config['task']}: {len(setup.plan.problems)} problems, "
        f"asked {how}, {settings.n_prompts} x {settings.n_samples} samples a step, "
        f"T={policy.temperature:g}, at most {policy.max_tokens} tokens, verifier "
        f"{config['verifier']}; {what} trained, learning rate "
        f"{settings.optimizer.learning_rate:g}"
    )
    if settings.reward != "verifier":
        speaker.say(f"note: a control run, the reward is {settings.reward}")


def _told(recipe: RlRecipe, result: RlResult, out: Path, speaker: Speaker) -> dict[str, Any]:
    """Where the model is, and how it compares with its base."""
    from pathshift.training.progress import finite
    from pathshift.training.saved_model import spec_of

    if result.stopped:
        speaker.say(f"stopped at step {result.step} of {recipe.settings.n_steps}: {result.stopped}")
    reward = result.last.get("reward")
    told = "" if reward is None else f", reward {reward:.3f} at the last step"
    spec = spec_of(recipe.model, result.path, is_adapter=recipe.lora is not None)
    speaker.say(f"model: {spec} ({result.step} steps{told})")
    train_compare.show(recipe, out, spec, result.step, speaker)
    return {
        "out": str(out), "model": spec, "path": str(result.path),
        "step": result.step, "first_step": result.first_step, "stopped": result.stopped,
        "runs": [str(look.path) for look in result.looks], "last": finite(result.last),
    }  # fmt: skip
