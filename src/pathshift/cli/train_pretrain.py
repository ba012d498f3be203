"""pathshift train pretrain: a small model from scratch."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from pathshift.cli import train_sft_flags as flags
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker
from pathshift.cli.train_sft import data_settings, fit_settings, muon_of, run, use_threads


def pretrain(
    data: flags.Data,
    out: flags.Out,
    tokenizer: Annotated[
        str, Option(help="bytes (one token a byte), or a folder or hub id with a tokenizer.")
    ] = "bytes",
    width: Annotated[int, Option(help="Of the hidden states.")] = 128,
    layers: Annotated[int, Option(help="Layers.")] = 4,
    heads: Annotated[int, Option(help="Heads of attention.")] = 4,
    kv_heads: Annotated[
        int | None, Option(help="Heads of keys and values. [default: as --heads]")
    ] = None,
    inner: Annotated[
        int | None, Option(help="Width inside a feed-forward part. [default: 8/3 of --width]")
    ] = None,
    context: Annotated[
        int | None, Option(help="Longest prompt and answer, in tokens. [default: as --length]")
    ] = None,
    tied: Annotated[
        bool, Option("--tied/--untied", help="Embedding and output layer share a matrix.")
    ] = True,
    init: Annotated[float, Option(help="Standard deviation of the first weights.")] = 0.02,
    rope_theta: Annotated[
        float, Option(help="Base of the rotary positions; smaller for short texts.")
    ] = 10_000.0,
    epochs: flags.Epochs = 1.0,
    steps: flags.Steps = None,
    batch: flags.BatchRows = 32,
    length: flags.Length = 512,
    pack: flags.Pack = True,
    lr: flags.LearningRate = None,
    optimizer: flags.OptimizerName = "adamw",
    matrix_lr: flags.MatrixRate = None,
    beta2: Annotated[
        float, Option(help="Share of the squared gradients' mean that AdamW keeps a step.")
    ] = 0.95,
    schedule: flags.Schedule = "cosine",
    final_share: Annotated[
        float, Option(help="Share of the learning rate that a cosine ends at.")
    ] = 0.0,
    warmup: flags.Warmup = 0.05,
    weight_decay: flags.WeightDecay = 0.1,
    clip_norm: flags.ClipNorm = 1.0,
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
    """Train a new Llama on a mixture of files, whose table of tokens, epochs and shares is printed
    first. Run the same command again to go on where it ended, bit for bit.

    Example: pathshift train pretrain --data web.jsonl:0.7 --data traces.jsonl:0.3 --steps 2000
    --width 128 --layers 4 --out pre/a
    """
    from pathshift.training.pretrain import Shape, load_tokenizer, new_student
    from pathshift.training.sft import read_data

    speaker = Speaker(json, quiet=quiet)
    shape = Shape(
        width=width, layers=layers, heads=heads, kv_heads=kv_heads, inner=inner,
        context=length if context is None else context, tied=tied,
        init=init, rope_theta=rope_theta,
    )  # fmt: skip
    settings = fit_settings(
        epochs=epochs, steps=steps, batch=batch, length=length, packed=pack, dtype=dtype,
        warmup=warmup, micro_tokens=micro_tokens, eval_every=eval_every,
        save_every=checkpoint_every, seed=seed, schedule=schedule, weight_decay=weight_decay,
        max_norm=clip_norm, beta2=beta2, final_share=final_share,
        muon=muon_of(optimizer, matrix_lr),
    )  # fmt: skip
    wanted = data_settings(
        data, eval_share=eval_share, eval_data=eval_data, tests=held_out, options=held_out_option
    )
    rows = read_data(wanted)
    use_threads(threads)
    student = new_student(shape, load_tokenizer(tokenizer), seed=seed, device=device)
    done = run(
        "pretrain", student, rows, wanted, settings, out, speaker,
        rate=lr, trackers=tracker or [],
    )  # fmt: skip
    speaker.result(done)
