"""The flags of `pathshift train rl`, each with its help; `sample_flags` holds those of sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

ModelSpec = Annotated[str, Option(help="Model to train: smollm2 or hf:PATH_OR_ID[+ADAPTER].")]
Tasks = Annotated[str, Option(help="Task to train on.")]
Out = Annotated[Path, Option(help="Training folder: checkpoints, metrics, model, runs.")]
AlgorithmName = Annotated[
    str,
    Option(
        "--algorithm",
        help="ppo, grpo, dr-grpo, reinforce++, rloo, remax, dapo or pass-at-k.",
    ),
]
Engine = Annotated[
    str, Option(help="pathshift (our own loop), or trl: the same recipe trained by TRL.")
]
EngineOptions = Annotated[
    list[str] | None,
    Option(
        "--engine-option", metavar="K=V",
        help="With --engine trl: a setting by TRL's own name, as use_vllm=true; repeat it.",
    ),
]  # fmt: skip
Steps = Annotated[int, Option(help="Steps in all; a larger one goes on with a run that is done.")]
Prompts = Annotated[int, Option(help="Problems a step.")]
N = Annotated[int, Option("--n", "--group-size", help="Samples a problem and step.")]
LearningRate = Annotated[
    float | None,
    Option("--lr", "--learning-rate", help="[default: by the model's size, 10 times with --lora]"),
]
Lora = Annotated[
    int | None, Option(help="Train an adapter of this rank. [default: all weights are trained]")
]
LoraAlpha = Annotated[float | None, Option(help="Scale of the adapter. [default: twice the rank]")]
Kl = Annotated[float, Option(help="Penalty a nat for leaving the start, where the paper puts it.")]
Entropy = Annotated[float, Option(help="What a nat of entropy a token is worth in the loss.")]
K = Annotated[int | None, Option(help="With --algorithm pass-at-k: the k. [default: 4]")]
Passes = Annotated[int, Option(help="Passes over each batch.")]
Updates = Annotated[int, Option(help="Updates of the weights in each pass.")]
Schedule = Annotated[str, Option(help="Learning rate: constant or cosine.")]
Warmup = Annotated[int, Option(help="Steps in which the learning rate rises.")]
Reward = Annotated[
    str, Option(help="verifier, or a control: random (a fair coin), wrong-sign (the opposite).")
]
Redraws = Annotated[
    int, Option(help="With dapo: further draws at problems whose samples do not all agree.")
]
MeasureKl = Annotated[
    bool, Option("--measure-kl", help="Log the divergence from the start without --kl too.")
]
MicroTokens = Annotated[
    int, Option(help="Tokens that go through the network at once: less needs less memory.")
]
CheckpointEvery = Annotated[int, Option(help="Steps between two checkpoints.")]
Patience = Annotated[int, Option(help="Say so after so many steps without a right answer.")]
HeldOut = Annotated[
    str | None, Option(help="Task whose pass@k is measured while training. [default: none]")
]
HeldOutOptions = Annotated[
    list[str] | None, Option("-H", metavar="K=V", help="Option of --held-out; repeat it.")
]
HeldOutN = Annotated[int, Option(help="Samples a held-out problem.")]
HeldOutLimit = Annotated[int | None, Option(help="First held-out problems only. [default: all]")]
HeldOutEvery = Annotated[int, Option(help="Steps between two looks at --held-out.")]
HeldOutStopAt = Annotated[
    int | None, Option(help="End a held-out problem at so many correct samples. [default: never]")
]
DropOverlap = Annotated[
    bool, Option("--drop-overlap", help="Leave held-out problems out of the training.")
]
StopOn = Annotated[
    str | None,
    Option(help="loss: end when a loss of coverage on --held-out is certified. [default: never]"),
]
TrackerNames = Annotated[
    list[str] | None,
    Option("--tracker", help="Copy the metrics to trackio, wandb or tensorboard; repeat it."),
]
Seed = Annotated[int, Option(help="Same seed, same run.")]
