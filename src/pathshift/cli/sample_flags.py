"""The flags of `pathshift sample`, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

ModelSpec = Annotated[
    str,
    Option(
        help="Model spec: smollm2, hf:PATH_OR_ID[+ADAPTER], openai:BASE_URL#MODEL, "
        "vllm:PATH_OR_ID, fake:base."
    ),
]
Tasks = Annotated[str, Option(help="Task, or several joined by commas.")]
Out = Annotated[Path, Option(help="Run folder; with several tasks one in it for each.")]
N = Annotated[
    int,
    Option(
        "--n", "--epochs", "--n-samples", "--repeats",
        help="Samples a problem; with --stop-at at most so many.",
    ),
]  # fmt: skip
StopAt = Annotated[
    int | None,
    Option(help="End a problem at so many correct samples, after its pilot. [default: never]"),
]
Pilot = Annotated[
    int | None, Option(help="Samples of every problem before --stop-at may end it. [default: 8]")
]
Until = Annotated[
    str | None,
    Option(
        help="decided: after --n, draw this run and --against on where the verdict can still "
        "change, until there is one or --up-to is reached (see pathshift retest).",
    ),
]
Against = Annotated[Path | None, Option(help="With --until decided: the base's run folder.")]
UpTo = Annotated[int, Option(help="With --until decided: most samples a problem.")]
Limit = Annotated[int | None, Option(help="First problems only. [default: all]")]
Temperature = Annotated[float, Option(help="0 takes the likeliest token.")]
TopP = Annotated[float, Option(help="1 keeps all tokens.")]
TopK = Annotated[int, Option(help="0 keeps all tokens.")]
MinP = Annotated[float, Option(help="0 keeps all tokens.")]
MaxTokens = Annotated[int | None, Option(help="[default: the task's]")]
Stop = Annotated[
    list[str] | None, Option(help=r"Text that ends a sample (\n for a newline); repeat it.")
]
PromptTemplate = Annotated[
    Path | None, Option(help="File with {question} in it. [default: the task's]")
]
System = Annotated[str | None, Option(help="System turn of a chat.")]
Chat = Annotated[
    bool | None, Option("--chat/--completion", help="[default: chat if the model has a template]")
]
Verifier = Annotated[str | None, Option(help="[default: the task's]")]
TaskOptions = Annotated[
    list[str] | None, Option("-T", metavar="K=V", help="Option of the task; repeat it.")
]
ModelOptions = Annotated[
    list[str] | None,
    Option(
        "-M",
        metavar="K=V",
        help="Option of the model: rows (hf), delay (fake), concurrency, timeout, retries "
        "(openai), gpus, context (vllm).",
    ),
]
Dtype = Annotated[str, Option(help="fp32, bf16 or fp16.")]
Device = Annotated[str, Option(help="cpu, cuda, cuda:1, mps.")]
Threads = Annotated[int | None, Option(help="CPU threads. [default: torch's choice]")]
Seed = Annotated[int, Option(help="Same seed, same samples.")]
Stream = Annotated[
    str | None, Option(help="Name of shared random numbers. [default: one for each run]")
]
Store = Annotated[
    str, Option(help="samples, or tokens: also every token with log-probability and entropy.")
]
FlushEvery = Annotated[float, Option(help="Seconds after which a shard is closed.")]
Engine = Annotated[
    str, Option(help="local, or ray: workers on a cluster draw, this machine keeps the run.")
]
EngineOptions = Annotated[
    list[str] | None,
    Option(
        "-E",
        metavar="K=V",
        help="Of --engine ray: workers, cpus and gpus of each, problems drawn at once, address, "
        "staging; repeat it.",
    ),
]
Shard = Annotated[
    str | None,
    Option(
        metavar="I/N",
        help="Draw the I-th of N parts of the problems, 1/8 to 8/8; `pathshift merge` joins them.",
    ),
]
