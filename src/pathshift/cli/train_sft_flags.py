"""The flags that `pathshift train sft`, `pretrain`, `distill` and `rft` share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

ModelSpec = Annotated[str, Option(help="Model to train: smollm2 or hf:PATH_OR_ID[+ADAPTER].")]
Data = Annotated[
    list[str],
    Option(
        metavar="FILE[:WEIGHT]",
        help="Rows of {text}, {prompt, completion} or {messages}; repeat it for a mixture. Weights "
        "are shares of the tokens; without them each file is seen equally often.",
    ),
]
Out = Annotated[Path, Option(help="Training folder: checkpoints, metrics, model.")]
Epochs = Annotated[float, Option(help="Times that all tokens together are drawn.")]
Steps = Annotated[
    int | None, Option(help="Updates of the weights in all. [default: as --epochs says]")
]
BatchRows = Annotated[int, Option("--batch", help="Rows of one update.")]
Length = Annotated[int, Option(help="Tokens of a row.")]
Pack = Annotated[
    bool,
    Option(
        "--pack/--no-pack", help="Put several documents into a row; none sees another either way."
    ),
]
LearningRate = Annotated[
    float | None, Option("--lr", "--learning-rate", help="[default: by the model's size]")
]
Schedule = Annotated[str, Option(help="Learning rate after the warm-up: cosine or constant.")]
Warmup = Annotated[float, Option(help="Share of the steps in which the learning rate rises.")]
OptimizerName = Annotated[
    str,
    Option(
        "--optimizer", help="adamw, or muon: Muon for the inner matrices, AdamW for all the rest."
    ),
]
MatrixRate = Annotated[
    float | None, Option("--matrix-lr", help="Learning rate of Muon. [default: 0.02]")
]
WeightDecay = Annotated[float, Option(help="Of matrices; norms have none.")]
ClipNorm = Annotated[float, Option(help="Largest norm of a gradient; 0 for no limit.")]
Lora = Annotated[
    int | None, Option(help="Train an adapter of this rank. [default: all weights are trained]")
]
LoraAlpha = Annotated[float | None, Option(help="Scale of the adapter. [default: twice the rank]")]
Dtype = Annotated[str, Option(help="fp32, or bf16: computes in bfloat16, weights stay in fp32.")]
Device = Annotated[str, Option(help="cpu, cuda, cuda:1, mps.")]
Threads = Annotated[int | None, Option(help="CPU threads. [default: torch's choice]")]
MicroTokens = Annotated[
    int, Option(help="Tokens that go through the network at once: less needs less memory.")
]
EvalShare = Annotated[
    float, Option(help="Share of the rows to keep aside and only look at their loss.")
]
EvalData = Annotated[
    list[Path] | None, Option(metavar="FILE", help="Rows to only look at their loss; repeat it.")
]
EvalEvery = Annotated[int, Option(help="Steps between two such looks. [default: at the end]")]
HeldOut = Annotated[
    list[str] | None,
    Option(metavar="TASK", help="Refuse data that holds problems of this task; repeat it."),
]
HeldOutOptions = Annotated[
    list[str] | None, Option("-H", metavar="K=V", help="Option of --held-out; repeat it.")
]
CheckpointEvery = Annotated[int, Option(help="Steps between two checkpoints.")]
TrackerNames = Annotated[
    list[str] | None,
    Option("--tracker", help="Copy the metrics to trackio, wandb or tensorboard; repeat it."),
]
Seed = Annotated[int, Option(help="Same seed, same run.")]
