"""pathshift train: the list of ways to train a model, one file each."""

from __future__ import annotations

from collections.abc import Callable

import typer

from pathshift.cli import train_distill, train_pretrain, train_rl, train_sft

WAYS: dict[str, Callable[..., None]] = {
    "rl": train_rl.rl,
    "sft": train_sft.sft,
    "distill": train_distill.distill,
    "rft": train_distill.rft,
    "pretrain": train_pretrain.pretrain,
}
"""Every way, in the order of `pathshift train --help`."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def overview() -> None:
    """Train a model: by reinforcement learning on verified answers, or on texts.

    A run that was ended goes on with the same command, bit for bit.

    Example: pathshift train rl --model smollm2 --tasks arithmetic --steps 100 --lora 16 --out rl/a
    """


for _name, _command in WAYS.items():
    app.command(_name)(_command)
