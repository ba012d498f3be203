"""pathshift plan: from a pilot, what would decide, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.planning import Cost, DecisionPlan


def plan(
    base: Annotated[Path, typer.Argument(help="Pilot: run folder, log of another tool, counts.")],
    tuned: Annotated[Path, typer.Argument(help="The same for the tuned model.")],
    n: Annotated[
        int | None, typer.Option(help="Samples a problem for new problems. [default: the pilot's]")
    ] = None,
    stop_at: Annotated[
        int, typer.Option(help="Where an open problem ends when its samples are drawn on.")
    ] = 4,
    power: Annotated[float, typer.Option(help="Chance to decide that is wanted.")] = 0.8,
    runs: Annotated[int, typer.Option(help="Simulated experiments for each design.")] = 100,
    level: Annotated[float, typer.Option(help="Chance that a band holds at all k.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    common: Annotated[
        bool, typer.Option("--common", help="Use the problems that both have.")
    ] = False,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """How many problems, or samples on the open ones, would decide: in tokens and minutes.

    Simulated from the pilot's own counts. Minutes are at the pace its samples were drawn.

    Example: pathshift plan runs/base runs/tuned --n 64
    """
    from pathshift.analysis.pairing import pair_up
    from pathshift.analysis.planning import PlanSettings
    from pathshift.analysis.planning import plan as run_plan
    from pathshift.rollout.ingest import read_table
    from pathshift.stats.power import Simulation

    settings = PlanSettings(
        n=n, successes=stop_at, power=power,
        simulation=Simulation(runs=runs, level=level, seed=seed),
    )  # fmt: skip
    pair = pair_up(read_table(base), read_table(tuned), common=common)
    speaker = Speaker(json, quiet=quiet)
    found = run_plan(pair, settings)
    for line in lines(found):
        speaker.say(line)
    speaker.result(found.to_dict())


def lines(found: DecisionPlan) -> list[str]:
    """The plan as lines for a terminal."""
    wanted = f"{found.settings['power']:.0%}"
    told = [
        f"{found.n_problems:,} problems: the same again would decide in {found.now:.0%} of cases"
    ]
    more = found.more_problems
    told.append(
        f"more problems: no number up to 64 times as many decides in {wanted} of cases"
        if more is None
        else f"more problems: {more.problems:,} like these x {more.n} samples decide in "
        f"{more.power:.0%} of cases ({_spell(more.cost)})"
    )
    further = found.more_samples
    told.append(
        f"more samples: none on these problems decide in {wanted} of cases"
        if further is None
        else f"more samples: up to {further.n:,} on the {further.problems:,} open problems decide "
        f"in {further.power:.0%} of cases ({_spell(further.cost)})"
    )
    return [*told, *(f"note: {note}" for note in found.notes)]


def _spell(cost: Cost) -> str:
    parts = [f"{cost.samples:,} samples of both models"]
    if cost.tokens is not None:
        parts.append(f"{cost.tokens:,} tokens")
    if cost.minutes is not None:
        parts.append(f"{cost.minutes:,.1f} minutes")
    return ", ".join(parts)
