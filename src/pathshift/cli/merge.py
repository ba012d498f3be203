"""pathshift merge: several runs of one configuration into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one configuration.")],
    out: Annotated[Path, typer.Option("--out", help="New run folder.")],
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Join runs that differ in their seed or their problems only.

    The same draw in two runs is refused: it would count twice. The parts of one run, drawn with
    `sample --shard`, become that run.

    Example: pathshift merge runs/seed0 runs/seed1 --out runs/both
    """
    from dataclasses import asdict

    from pathshift.store.merge import merge_runs

    merged = merge_runs(runs, out)
    speaker = Speaker(json, quiet=quiet)
    low, high = merged.n_per_problem
    sizes = str(low) if low == high else f"{low} to {high}"
    speaker.say(
        f"{out}: {merged.n_samples:,} samples of {merged.n_problems} problems ({sizes} each) "
        f"from {merged.n_runs} runs"
    )
    speaker.advise(f"next: pathshift show {out}")
    speaker.result(asdict(merged))
