"""What a run will ask: problems, prompts and the configuration that names the run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, InputError
from pathshift.models.protocol import Model
from pathshift.problems.families import load_problems
from pathshift.records import Problem, RunManifest, digest
from pathshift.rollout.tasks import task_named
from pathshift.rollout.templates import MARK, filled
from pathshift.stats.stopping import StoppingRule
from pathshift.store.parts import FIELD, task_hash

DEFAULT_PILOT = 8
STORES = ("samples", "tokens")
MODES = ("auto", "chat", "completion")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """What the user asked for; None means the task's own setting.

    Attributes:
        task: Task spec.
        n: Samples per problem; under a stopping rule at most so many.
        stop_at: Stop a problem after so many correct samples; None for never.
        pilot: Samples that every problem gets before it may stop; None for `DEFAULT_PILOT`.
        limit: First problems only; None for all.
        task_options: The family's options, as text.
        mode: "chat", "completion", or "auto": chat if the model has a chat template.
        template: Text with {question} in place of the task's.
        system: System turn of a chat.
        temperature, top_k, top_p, min_p, max_tokens, stop: as in `Policy`.
        verifier: Name of the verifier.
        seed: Of all draws.
        stream: Runs of equal stream share their random numbers; None sets it from weights,
            template and policy, so that different runs draw independently.
        store: "samples", or "tokens" to keep every sample token by token too.
        shard: Draw part I of N of the problems, as (I, N) from (1, N); None for all.
    """

    task: str
    n: int
    stop_at: int | None = None
    pilot: int | None = None
    limit: int | None = None
    task_options: Mapping[str, str] = field(default_factory=dict)
    mode: str = "auto"
    template: str | None = None
    system: str | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    verifier: str | None = None
    seed: int = 0
    stream: str | None = None
    store: str = "samples"
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check what no other part checks."""
        if self.n < 1:
            raise ConfigError(f"n must be at least 1, got {self.n}")
        if self.store not in STORES:
            raise ConfigError(f"store {self.store!r} is not known; use one of {', '.join(STORES)}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be at least 1, got {self.limit}; leave it out for all")
        if self.mode not in MODES:
            raise ConfigError(f"mode {self.mode!r} is not known; use one of {', '.join(MODES)}")
        if self.template is not None and MARK not in self.template:
            raise ConfigError(f"the template holds no {MARK}, so every problem would read the same")
        self._check_stopping()
        if self.temperature == 0 and self.n > 1:
            raise ConfigError(
                f"temperature 0 gives the same text {self.n} times; "
                "use --n 1, or a temperature above 0"
            )

    def _check_stopping(self) -> None:
        if self.pilot is not None and self.stop_at is None:
            raise ConfigError(f"--pilot {self.pilot} needs --stop-at: after it, when to stop?")
        try:
            rule_of({"stopping": self.stopping}, self.n)
        except ValueError as error:
            raise ConfigError(
                f"{error}; --n is the cap, --pilot and --stop-at lie within it"
            ) from None

    @property
    def stopping(self) -> dict[str, int] | None:
        """What the manifest says of the stopping rule besides the cap, which is n and may grow."""
        if self.stop_at is None:
            return None
        pilot = min(DEFAULT_PILOT, self.n) if self.pilot is None else self.pilot
        return {"pilot": pilot, "successes": self.stop_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run, ready to be drawn. Prompts stand in the order of the problems."""

    problems: tuple[Problem, ...]
    prompts: tuple[str, ...]
    is_chat: bool
    policy: Policy
    manifest: RunManifest


def rule_of(config: Mapping[str, Any], n: int) -> StoppingRule | None:
    """The stopping rule of a manifest's configuration with n as its cap; None without one."""
    stated = config.get("stopping")
    return None if stated is None else StoppingRule(**stated, cap=n)


def make_plan(config: SampleConfig, model: Model) -> Plan:
    """Load the problems, fill the template, and name the configuration.

    Raises:
        PathshiftError: unknown task, option or data; a chat template asked for and missing.
    """
    task = task_named(config.task)
    problems = tuple(load_problems(config.task, config.task_options, limit=config.limit))
    if not problems:
        raise InputError(f"task {config.task} gave no problems; check its options")
    is_chat = _is_chat(config, model)
    template = config.template or (task.template.chat if is_chat else task.template.completion)
    default_stop = () if is_chat else task.template.stop
    policy = Policy(
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        min_p=config.min_p,
        max_tokens=task.max_tokens if config.max_tokens is None else config.max_tokens,
        stop=default_stop if config.stop is None else config.stop,
    )
    turns = _Turns(template=template, system=config.system, is_chat=is_chat)
    mine = _part(problems, config.shard)
    return Plan(
        problems=mine,
        prompts=tuple(turns.prompt(model, problem.question) for problem in mine),
        is_chat=is_chat,
        policy=policy,
        manifest=_manifest(config, model, problems, turns, policy),
    )


def _part(problems: tuple[Problem, ...], shard: tuple[int, int] | None) -> tuple[Problem, ...]:
    """Every N-th problem, so that parts are alike where a task is ordered by difficulty."""
    if shard is None:
        return problems
    part, of = shard
    if of > len(problems):
        raise ConfigError(f"--shard {part}/{of}: there are only {len(problems)} problems")
    return problems[part - 1 :: of]


def _is_chat(config: SampleConfig, model: Model) -> bool:
    has_template = model.info.chat_template is not None
    is_chat = has_template if config.mode == "auto" else config.mode == "chat"
    if is_chat and not has_template:
        raise ConfigError(
            f"{model.info.spec} has no chat template; use --completion, which is what a base "
            "model needs"
        )
    if config.system is not None and not is_chat:
        raise ConfigError("a system turn needs a chat; put the text into --prompt-template instead")
    return is_chat


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turns:
    """From a question to a prompt."""

    template: str
    system: str | None
    is_chat: bool

    def prompt(self, model: Model, question: str) -> str:
        asked = filled(self.template, question)
        if not self.is_chat:
            return asked
        system = [{"role": "system", "content": self.system}] if self.system else []
        return model.render_chat([*system, {"role": "user", "content": asked}])


def _manifest(
    config: SampleConfig,
    model: Model,
    problems: tuple[Problem, ...],
    turns: _Turns,
    policy: Policy,
) -> RunManifest:
    info = model.info
    asked: dict[str, Any] = {
        "model": info.spec,
        "weights_hash": info.weights_hash,
        "dtype": info.details.get("dtype"),
        "rows": info.details.get("rows"),
        "mode": "chat" if turns.is_chat else "completion",
        "template": turns.template,
        "template_hash": digest(turns.template, turns.is_chat and info.chat_template)[:16],
        "system": turns.system,
        "temperature": policy.temperature,
        "top_k": policy.top_k,
        "top_p": policy.top_p,
        "min_p": policy.min_p,
        "max_tokens": policy.max_tokens,
        "stop": list(policy.stop),
    }
    stream = config.stream or digest(sorted(asked.items()))[:16]
    named = {
        **asked,
        "task": config.task,
        "task_options": dict(config.task_options),
        "task_hash": task_hash(problems),
        "limit": config.limit,
        "verifier": config.verifier or task_named(config.task).verifier,
        "seed": config.seed,
        "stream": stream,
        "stopping": config.stopping,
        "store": None if config.store == "samples" else config.store,
    }
    if config.shard is not None:  # the rest is the whole run's, so that its parts can be joined
        named[FIELD] = list(config.shard)
    return RunManifest(config=named, n=config.n, environment=environment(model))


def environment(model: Model) -> dict[str, Any]:
    """What "same seed, same samples" depends on besides the configuration."""
    packages = ("pathshift", "numpy", "torch", "transformers")
    return {
        "versions": {"python": platform.python_version(), **_installed(packages)},
        "cpu": _cpu(),
        "details": dict(model.info.details),
    }


def _installed(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
