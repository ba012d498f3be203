"""pathshift sample: ask a model, verify, store."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathshift.cli import sample_flags as flags
from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker
from pathshift.cli.retest import decide
from pathshift.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathshift.cli.engines import Draw
    from pathshift.models.load import LoadOptions
    from pathshift.models.protocol import Model
    from pathshift.records import CountTable
    from pathshift.rollout.plan import Plan, SampleConfig

MODEL_OPTIONS = {
    "rows": int, "delay": float, "concurrency": int, "timeout": float, "retries": int,
    "gpus": int, "context": int,
}  # fmt: skip
"""What -M takes, each a field of `LoadOptions`."""


def sample(
    model: flags.ModelSpec,
    tasks: flags.Tasks,
    out: flags.Out,
    n: flags.N = 32,
    stop_at: flags.StopAt = None,
    pilot: flags.Pilot = None,
    until: flags.Until = None,
    against: flags.Against = None,
    up_to: flags.UpTo = 256,
    limit: flags.Limit = None,
    temperature: flags.Temperature = 1.0,
    top_p: flags.TopP = 1.0,
    top_k: flags.TopK = 0,
    min_p: flags.MinP = 0.0,
    max_tokens: flags.MaxTokens = None,
    stop: flags.Stop = None,
    prompt_template: flags.PromptTemplate = None,
    system: flags.System = None,
    chat: flags.Chat = None,
    verifier: flags.Verifier = None,
    task_option: flags.TaskOptions = None,
    model_option: flags.ModelOptions = None,
    dtype: flags.Dtype = "fp32",
    device: flags.Device = "cpu",
    threads: flags.Threads = None,
    seed: flags.Seed = 0,
    stream: flags.Stream = None,
    store: flags.Store = "samples",
    flush_every: flags.FlushEvery = 30.0,
    shard: flags.Shard = None,
    engine: flags.Engine = "local",
    engine_option: flags.EngineOptions = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Draw samples, judge them, keep them. Run the same command again to go on where it ended;
    a larger --n draws only what is missing.

    With --stop-at easy problems end early and pass@k stays without bias (`compare` knows the rule):
    on 1,060 released problems --n 128 --stop-at 4 draws a quarter, within 2% as precise from k=32.

    Example: pathshift sample --model smollm2 --tasks gsm8k --n 32 --limit 20 --out runs/a

    Example: pathshift sample --model hf:./rl --tasks gsm8k --n 16 --out runs/rl --until decided
    --against runs/base
    """
    from pathshift.cli.engines import engine_named, part_of, running
    from pathshift.rollout.plan import SampleConfig

    _check_until(until, against, tasks)
    chosen = engine_named(engine, pairs(engine_option or [], "-E"))
    part = part_of(shard)
    if against is not None and (chosen is not None or part is not None):
        raise ConfigError("--until decided draws here and all problems: leave --engine and --shard")
    common = SampleConfig(
        task="", n=n, stop_at=stop_at, pilot=pilot, limit=limit,
        task_options=pairs(task_option or [], "-T"),
        mode={None: "auto", True: "chat", False: "completion"}[chat],
        template=text_of(prompt_template), system=system, temperature=temperature,
        top_k=top_k, top_p=top_p, min_p=min_p, max_tokens=max_tokens,
        stop=None if stop is None else tuple(text.replace("\\n", "\n") for text in stop),
        verifier=verifier, seed=seed, stream=stream, store=store, shard=part,
    )  # fmt: skip
    options = load_options(
        pairs(model_option or [], "-M"), dtype=dtype, device=device, threads=threads,
        rows=_rows_of(out),
    )  # fmt: skip
    speaker = Speaker(json, quiet=quiet)
    asked = _per_task(common, tasks, out)
    speaker.advise(f"loading {model}")
    with running(chosen, model, options, speaker) as (loaded, draw):
        results = [
            run(config, loaded, folder, speaker, flush_every=flush_every, draw=draw)
            for config, folder in asked
        ]
    found: dict[str, Any] = {"runs": results}
    if against is not None:
        found["retest"] = decide(against, out, speaker, up_to=up_to, device=device).to_dict()
    speaker.result(found)


def _check_until(until: str | None, against: Path | None, tasks: str) -> None:
    """--until decided and --against belong together and speak of one run."""
    if until not in (None, "decided"):
        raise ConfigError(f"--until {until!r} is not known; use --until decided")
    if (until is None) != (against is None):
        raise ConfigError("--until decided needs --against RUN, and --against needs --until")
    if until is not None and "," in tasks:
        raise ConfigError(f"--until decided compares one task with one run, got --tasks {tasks}")


def _per_task(common: SampleConfig, tasks: str, out: Path) -> list[tuple[SampleConfig, Path]]:
    """One request and folder a task; a misspelt one is told before a model is loaded."""
    from pathshift.rollout.tasks import task_named

    names = [name.strip() for name in tasks.split(",")]
    for name in names:
        task_named(name)
    return [
        (replace(common, task=name), out if len(names) == 1 else out / re.sub(r"[:/]", "-", name))
        for name in names
    ]


def run(
    config: SampleConfig,
    model: Model,
    out: Path,
    speaker: Speaker,
    *,
    flush_every: float = 30.0,
    draw: Draw | None = None,
) -> dict[str, Any]:
    """Draw one run, telling what happens; an interrupt closes the shard and exits with 130.

    Args:
        draw: How; by default here.
    """
    from pathshift.rollout.plan import make_plan
    from pathshift.rollout.sampling import draw_samples
    from pathshift.store.counts import run_counts
    from pathshift.store.manifest import changed_environment, is_run, read_manifest

    plan = make_plan(config, model)
    _introduce(plan, config.n, model, speaker)
    if is_run(out):
        for change in changed_environment(read_manifest(out), plan.manifest):
            speaker.say(f"note: {change}; new samples may differ in rounding from a run in one go")
    with resumable(f"what was drawn is in {out}"):
        progress = (draw or draw_samples)(
            plan, model, out,
            on_progress=ProgressLine(quiet=speaker.quiet), shard_seconds=flush_every,
        )  # fmt: skip
    speaker.say(f"{out}: {_told(run_counts(out), config.n)}")
    speaker.advise(f"next: pathshift show {out}   or: pathshift compare {out} OTHER_RUN")
    return {"out": str(out), "task": config.task, "n": config.n, **asdict(progress)}


def _told(table: CountTable, n: int) -> str:
    """What a run holds, in one line; under a stopping rule what it cost, and pass@1 unbiased."""
    from pathshift.analysis.pairing import drawn

    usable = replace(table, counts=tuple(p for p in table.counts if p.n))
    judged = max(1, sum(p.n for p in usable.counts))
    unparsed, cut = (
        sum(getattr(p, field) or 0 for p in usable.counts) / judged
        for field in ("unparsed", "truncated")
    )
    correct = f"{sum(p.c for p in usable.counts) / judged:.1%} correct"
    if table.is_stopped and usable.counts:
        n = table.settings["stopping"]["cap"]
        share = judged / n / len(usable.counts)
        correct = f"{share:.0%} of them drawn, pass@1 {drawn(usable).curve(1)[0]:.3f}"
    return (
        f"{len(table.counts)} problems x {n}, {correct}, "
        f"{unparsed:.1%} unparsed, {cut:.1%} cut at the token limit"
    )


def _introduce(plan: Plan, n: int, model: Model, speaker: Speaker) -> None:
    """What will be asked and how; which of the two ways of prompting, and why, is never silent."""
    settings = plan.manifest.config
    how = "through its chat template" if plan.is_chat else "as a completion"
    if model.info.chat_template is None:
        how += " (the model has no chat template)"
    rule = settings["stopping"]
    ends = (
        ""
        if rule is None
        else f" (each ends at {rule['successes']} correct, after {rule['pilot']})"
    )
    speaker.advise(
        f"{settings['task']}: {len(plan.problems)} problems x {n} samples{ends}, asked {how}, "
        f"T={settings['temperature']:g}, at most {settings['max_tokens']} tokens, "
        f"verifier {settings['verifier']}"
    )


def _rows_of(out: Path) -> int | None:
    """Samples a pass of a run that was begun; None of a new one."""
    from pathshift.store.manifest import is_run, read_manifest

    begun = read_manifest(out).config.get("rows") if is_run(out) else None
    return int(begun) if begun else None


def load_options(
    values: dict[str, str], *, dtype: str, device: str, threads: int | None, rows: int | None
) -> LoadOptions:
    """The model's options from flags and -M pairs; `rows` where no pair names them."""
    from pathshift.models.load import LoadOptions

    numbers: dict[str, float] = {}
    for key, value in values.items():
        if key not in MODEL_OPTIONS:
            raise ConfigError(f"-M {key} is not known; use one of {', '.join(MODEL_OPTIONS)}")
        try:
            numbers[key] = float(value)
        except ValueError:
            raise ConfigError(f"-M {key}={value!r} must be a number") from None
    given: dict[str, Any] = {name: MODEL_OPTIONS[name](value) for name, value in numbers.items()}
    begun = {} if rows is None else {"rows": rows}
    return LoadOptions(dtype=dtype, device=device, threads=threads, **(begun | given))


def pairs(items: list[str], flag: str) -> dict[str, str]:
    """From K=V texts to a mapping."""
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"{flag} {item!r} must be name=value")
        found[key.strip()] = value
    return found


def text_of(path: Path | None) -> str | None:
    """What a --prompt-template file holds; None without one."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--prompt-template {path} cannot be read: {error}") from error
