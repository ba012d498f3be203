"""pathshift train sft: fine-tune a model on files of examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathshift.cli import train_sft_flags as flags
from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker
from pathshift.cli.sample import pairs
from pathshift.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathshift.training.fitting import FitSettings, Schedule
    from pathshift.training.optimizer import Muon
    from pathshift.training.sft import DataSettings, Done, Lora, NamedExamples, Student


def sft(
    model: flags.ModelSpec,
    data: flags.Data,
    out: flags.Out,
    epochs: flags.Epochs = 3.0,
    steps: flags.Steps = None,
    batch: flags.BatchRows = 16,
    length: flags.Length = 512,
    pack: flags.Pack = True,
    lr: flags.LearningRate = None,
    optimizer: flags.OptimizerName = "adamw",
    matrix_lr: flags.MatrixRate = None,
    schedule: flags.Schedule = "cosine",
    warmup: flags.Warmup = 0.1,
    weight_decay: flags.WeightDecay = 0.01,
    clip_norm: flags.ClipNorm = 1.0,
    lora: flags.Lora = None,
    lora_alpha: flags.LoraAlpha = None,
    dtype: flags.Dtype = "fp32",
    device: flags.Device = "cpu",
    threads: flags.Threads = None,
    micro_tokens: flags.MicroTokens = 8192,
    eval_share: flags.EvalShare = 0.0,
    eval_data: flags.EvalData = None,
    eval_every: flags.EvalEvery = 0,
    held_out: flags.HeldOut = None,
    held_out_option: flags.HeldOutOptions = None,
    checkpoint_every: flags.CheckpointEvery = 100,
    tracker: flags.TrackerNames = None,
    seed: flags.Seed = 0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Fine-tune a model on examples; the loss is taken on completions only. Run the same command
    again to go on where it ended, bit for bit.

    Example: pathshift train sft --model smollm2 --data chats.jsonl --lora 16 --out sft/a

    Example: pathshift train sft --model hf:./base --data new.jsonl:0.9 --data old.jsonl:0.1
    --steps 500 --held-out gsm8k --out sft/b
    """
    from pathshift.training.sft import read_data

    speaker = Speaker(json, quiet=quiet)
    settings = fit_settings(
        epochs=epochs, steps=steps, batch=batch, length=length, packed=pack, dtype=dtype,
        warmup=warmup, micro_tokens=micro_tokens, eval_every=eval_every,
        save_every=checkpoint_every, seed=seed, schedule=schedule, weight_decay=weight_decay,
        max_norm=clip_norm, muon=muon_of(optimizer, matrix_lr),
    )  # fmt: skip
    wanted = data_settings(
        data, eval_share=eval_share, eval_data=eval_data, tests=held_out, options=held_out_option
    )
    rows = read_data(wanted)
    student = loaded(
        model, speaker, device=device, threads=threads, lora=lora_of(lora, lora_alpha), seed=seed
    )
    done = run(
        "sft", student, rows, wanted, settings, out, speaker, rate=lr, trackers=tracker or []
    )
    speaker.result(done)


def fit_settings(
    *,
    schedule: str,
    weight_decay: float,
    max_norm: float,
    beta2: float = 0.999,
    final_share: float = 0.0,
    **others: Any,
) -> FitSettings:
    """Settings of the loop from flags; the learning rate follows from the model later."""
    from pathshift.training.fitting import FitSettings
    from pathshift.training.optimizer import OptimizerSettings

    moving = OptimizerSettings(
        schedule=schedule, weight_decay=weight_decay, max_norm=max_norm, beta2=beta2,
        final_share=final_share,
    )  # fmt: skip
    return FitSettings(optimizer=moving, **others)


def muon_of(optimizer: str, matrix_lr: float | None) -> Muon | None:
    """What moves the inner matrices, from flags; None for AdamW."""
    from pathshift.training.optimizer import Muon

    if optimizer not in ("adamw", "muon"):
        raise ConfigError(f"optimizer {optimizer!r} is not known; use one of adamw, muon")
    if optimizer == "adamw" and matrix_lr is not None:
        raise ConfigError(f"--matrix-lr {matrix_lr:g} needs --optimizer muon")
    if optimizer == "adamw":
        return None
    return Muon() if matrix_lr is None else Muon(rate=matrix_lr)


def data_settings(
    data: Sequence[str],
    *,
    eval_share: float,
    eval_data: list[Path] | None,
    tests: list[str] | None,
    options: list[str] | None,
) -> DataSettings:
    """Settings of the data from flags."""
    from pathshift.training.overlap import HeldOutTask
    from pathshift.training.sft import DataSettings

    if options and not tests:
        raise ConfigError("-H is an option of --held-out; name the task by --held-out")
    found = pairs(options or [], "-H")
    return DataSettings(
        data=tuple(data), eval_share=eval_share, eval_data=tuple(eval_data or ()),
        tests=tuple(HeldOutTask(task=task, options=found) for task in tests or ()),
    )  # fmt: skip


def lora_of(rank: int | None, alpha: float | None) -> Lora | None:
    """The adapter that the flags ask for."""
    from pathshift.training.sft import Lora

    if rank is None and alpha is not None:
        raise ConfigError(f"--lora-alpha {alpha:g} needs --lora RANK")
    return None if rank is None else Lora(rank=rank, alpha=alpha)


def loaded(
    model: str,
    speaker: Speaker,
    *,
    device: str,
    threads: int | None,
    lora: Lora | None,
    seed: int,
) -> Student:
    """The model, ready to be trained."""
    from pathshift.training.sft import load_student

    use_threads(threads)
    speaker.advise(f"loading {model}")
    return load_student(model, device=device, lora=lora, seed=seed)


def use_threads(threads: int | None) -> None:
    """Have torch use so many CPU threads."""
    import torch

    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads}")
    if threads is not None:
        torch.set_num_threads(threads)


def run(
    kind: str,
    student: Student,
    rows: Sequence[NamedExamples],
    data: DataSettings,
    settings: FitSettings,
    out: Path,
    speaker: Speaker,
    *,
    rate: float | None,
    trackers: Sequence[str],
    lines: Sequence[str] = (),
) -> dict[str, Any]:
    """Mix, tell, train, tell; an interrupt keeps the last checkpoint and exits with 130."""
    from pathshift.training.fitting import Watching
    from pathshift.training.folder import TrainingFolder
    from pathshift.training.progress import StepLine
    from pathshift.training.sft import (
        check_fits,
        config_of,
        environment_of,
        schedule_of,
        train,
        with_rate,
    )

    settings = with_rate(settings, student, rate)
    check_fits(student, settings)
    schedule = schedule_of(rows, data, settings, student.encoder)
    for line in [*lines, *_introduction(student, schedule, settings)]:
        speaker.advise(line)
    progress = StepLine(quiet=speaker.quiet)
    config = config_of(kind, student, schedule, settings)
    watching = Watching(progress=progress, say=speaker.advise, trackers=tuple(trackers))
    with (
        resumable(f"what was trained up to the last checkpoint is in {out}"),
        TrainingFolder(out, config, environment_of(student)) as folder,
    ):
        done = train(student, schedule, settings, folder, watching)
    return _told(done, schedule, speaker)


def _introduction(student: Student, schedule: Schedule, settings: FitSettings) -> list[str]:
    """The tables, and what will be done, before anything is."""
    from pathshift.training.mixture import table_lines
    from pathshift.training.pretrain import budget_of
    from pathshift.training.sft import NEW

    lines = table_lines(schedule.table)
    if student.spec.startswith(NEW):
        lines += ["", *budget_of(student, schedule).lines()]
    lines += [
        f"note: {name}: {count:,} rows are longer than {settings.length} tokens and left out"
        for name, count in schedule.left_out.items()
    ]
    what = "all weights" if student.lora is None else f"an adapter of rank {student.lora[0]}"
    lines.append(
        f"{schedule.n_steps:,} steps of {settings.batch} rows of {settings.length} tokens "
        f"({schedule.fill(settings.length):.0%} full), {what} trained, learning rate "
        f"{settings.optimizer.learning_rate:g}, {len(schedule.evals):,} documents kept aside"
    )
    return lines


def _told(done: Done, schedule: Schedule, speaker: Speaker) -> dict[str, Any]:
    """Where the model is, and what to run next."""
    from dataclasses import asdict

    fitted = done.fitted
    told = [f"{fitted.n_steps:,} steps"]
    for name in ("loss", "eval_loss"):
        if name in fitted.last:
            told.append(f"{name.replace('_', ' ')} {fitted.last[name]:.4f} nats a token")
    if fitted.first_step == fitted.n_steps:
        told.append("already done")
    speaker.say(f"model: {done.spec} ({', '.join(told)})")
    speaker.advise(
        f"next: pathshift sample --model {done.spec} --tasks TASK --n 32 --out {done.folder.parent}"
        "/runs/TASK"
    )
    return {
        "model": done.spec, "path": str(done.folder), "steps": fitted.n_steps,
        "first_step": fitted.first_step, "tokens": fitted.tokens, "last": dict(fitted.last),
        "sources": [asdict(row) for row in schedule.table], "left_out": schedule.left_out,
    }  # fmt: skip
