"""pathshift train distill and rft: fine-tuning on samples that a verifier found correct."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from pathshift.cli import train_sft_flags as flags
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker
from pathshift.cli.train_sft import data_settings, fit_settings, loaded, lora_of, muon_of, run
from pathshift.errors import ConfigError

if TYPE_CHECKING:
    from pathshift.training.distill import Harvest
    from pathshift.training.fitting import FitSettings
    from pathshift.training.sft import DataSettings, Lora

PerProblem = Annotated[
    int, Option(help="Correct samples a problem at most, distinct answers first; 0 for all.")
]
VerifierName = Annotated[str | None, Option(help="Whose verdicts count. [default: the run's own]")]


def distill(
    teacher: Annotated[Path, Option(help="Run folder that the teacher was sampled into.")],
    model: Annotated[str, Option(help="Student: smollm2 or hf:PATH_OR_ID[+ADAPTER].")],
    out: flags.Out,
    per_problem: PerProblem = 4,
    verifier: VerifierName = None,
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
    eval_every: flags.EvalEvery = 0,
    held_out: flags.HeldOut = None,
    held_out_option: flags.HeldOutOptions = None,
    checkpoint_every: flags.CheckpointEvery = 100,
    tracker: flags.TrackerNames = None,
    seed: flags.Seed = 0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Train a student on a teacher's samples, those that the run's verifier found correct. They
    are written to OUT-rows.jsonl (also for TRL) and OUT-rows.parquet (for verl) first.

    Example: pathshift sample --model openai:http://server/v1#big --tasks gsm8k --n 8 --out runs/big
    and then: pathshift train distill --teacher runs/big --model smollm2 --lora 16 --out distilled
    """
    settings = fit_settings(
        epochs=epochs, steps=steps, batch=batch, length=length, packed=pack, dtype=dtype,
        warmup=warmup, micro_tokens=micro_tokens, eval_every=eval_every,
        save_every=checkpoint_every, seed=seed, schedule=schedule, weight_decay=weight_decay,
        max_norm=clip_norm, muon=muon_of(optimizer, matrix_lr),
    )  # fmt: skip
    data = data_settings(
        [], eval_share=eval_share, eval_data=None, tests=held_out, options=held_out_option
    )
    speaker = Speaker(json, quiet=quiet)
    speaker.result(
        _train(
            "distill", teacher, model, out, speaker, settings, data,
            taken=(per_problem, verifier), lora=lora_of(lora, lora_alpha),
            placed=(device, threads), rate=lr, trackers=tracker or [],
        )
    )  # fmt: skip


def rft(
    run_folder: Annotated[
        Path, Option("--run", help="Run folder that the model itself was sampled into.")
    ],
    out: flags.Out,
    per_problem: PerProblem = 4,
    verifier: VerifierName = None,
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
    eval_every: flags.EvalEvery = 0,
    held_out: flags.HeldOut = None,
    held_out_option: flags.HeldOutOptions = None,
    checkpoint_every: flags.CheckpointEvery = 100,
    tracker: flags.TrackerNames = None,
    seed: flags.Seed = 0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Rejection-sampling fine-tuning: train the model of a run on its own samples, those that the
    run's verifier found correct. They are written to OUT-rows.jsonl and OUT-rows.parquet first.

    Example: pathshift sample --model hf:./base --tasks countdown --n 64 --out runs/base
    and then: pathshift train rft --run runs/base --out rft
    """
    from pathshift.store.run import RunFolder

    settings = fit_settings(
        epochs=epochs, steps=steps, batch=batch, length=length, packed=pack, dtype=dtype,
        warmup=warmup, micro_tokens=micro_tokens, eval_every=eval_every,
        save_every=checkpoint_every, seed=seed, schedule=schedule, weight_decay=weight_decay,
        max_norm=clip_norm, muon=muon_of(optimizer, matrix_lr),
    )  # fmt: skip
    data = data_settings(
        [], eval_share=eval_share, eval_data=None, tests=held_out, options=held_out_option
    )
    model = str(RunFolder(run_folder).manifest.config["model"])
    speaker = Speaker(json, quiet=quiet)
    speaker.result(
        _train(
            "rft", run_folder, model, out, speaker, settings, data,
            taken=(per_problem, verifier), lora=lora_of(lora, lora_alpha),
            placed=(device, threads), rate=lr, trackers=tracker or [],
        )
    )  # fmt: skip


def _train(
    kind: str,
    source: Path,
    model: str,
    out: Path,
    speaker: Speaker,
    settings: FitSettings,
    data: DataSettings,
    *,
    taken: tuple[int, str | None],
    lora: Lora | None,
    placed: tuple[str, int | None],
    rate: float | None,
    trackers: list[str],
) -> dict[str, Any]:
    """Take the rows, write them, train on them."""
    from pathshift.training.distill import Selection, harvest
    from pathshift.training.sft import NamedExamples

    per_problem, verifier = taken
    if per_problem < 0:
        raise ConfigError(f"per problem must be 0 (all) or more, got {per_problem}")
    found = harvest(source, Selection(per_problem=per_problem or None, verifier=verifier))
    device, threads = placed
    student = loaded(model, speaker, device=device, threads=threads, lora=lora, seed=settings.seed)
    if kind == "rft":
        _check_own(source, student.weights_hash)
    files = _written(found, out)
    rows = [
        NamedExamples(
            name=str(source), weight=None, examples=[row.example for row in found.rows]
        )
    ]  # fmt: skip
    lines = [f"{source}: {found.line()}", f"rows: {', '.join(map(str, files))}"]
    done = run(
        kind, student, rows, data, settings, out, speaker,
        rate=rate, trackers=trackers, lines=lines,
    )  # fmt: skip
    return {**done, "rows": len(found.rows), "files": [str(path) for path in files]}


def _written(found: Harvest, out: Path) -> list[Path]:
    from pathshift.training.distill import write_rows, write_verl_rows

    files = [out.with_name(f"{out.name}-rows.{suffix}") for suffix in ("jsonl", "parquet")]
    write_rows(found.rows, files[0])
    write_verl_rows(found.rows, files[1])
    return files


def _check_own(source: Path, weights_hash: str) -> None:
    """Samples of another model would make this distillation, under the wrong name."""
    from pathshift.store.run import RunFolder

    config = RunFolder(source).manifest.config
    # The hash covers the type of the weights too; training loads them as fp32.
    is_same_type = config.get("dtype") == "float32"
    if is_same_type and config.get("weights_hash") != weights_hash:
        raise ConfigError(
            f"{source} was drawn from other weights of {config['model']} than those there now; "
            f"draw it anew, or use `pathshift train distill --teacher {source}`"
        )
