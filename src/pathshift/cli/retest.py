"""pathshift retest: draw two runs on where the verdict can still change, until it is decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.retesting import Retested, RetestLook
    from pathshift.records import CountTable


def retest(
    base: Annotated[Path, typer.Argument(help="Run folder of the base; it is drawn on in place.")],
    tuned: Annotated[Path, typer.Argument(help="The same of the tuned model.")],
    up_to: Annotated[int, typer.Option(help="Most samples a problem.")] = 256,
    stop_at: Annotated[
        int, typer.Option(help="Successes at which a problem is settled, if the runs name none.")
    ] = 4,
    at: Annotated[
        int | None, typer.Option(help="Go on until this k is decided. [default: any k]")
    ] = None,
    level: Annotated[float, typer.Option(help="Chance that all bands of all looks hold.")] = 0.95,
    floor: Annotated[
        float | None, typer.Option(help="What one blind guess reaches, if the data do not say.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the bands.")] = 0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Draw both runs on, only where the verdict can still change, until it is decided.

    A problem goes on until its model has enough successes or the cap, which doubles from look to
    look, the same on both sides. Easy problems are settled and cost nothing. All looks together
    claim anything falsely in at most 5% of cases; name the largest --up-to from the start, since it
    sets their number. Interrupted, the same command goes on.

    Example: pathshift retest runs/base runs/tuned --up-to 512 --at 128
    """
    speaker = Speaker(json, quiet=quiet)
    found = decide(
        base, tuned, speaker, up_to=up_to, stop_at=stop_at, at=at, level=level, floor=floor,
        device=device, seed=seed,
    )  # fmt: skip
    speaker.advise(f"next: pathshift compare {base} {tuned} --report report.html (all curves)")
    speaker.result(found.to_dict())


def decide(
    base: Path,
    tuned: Path,
    speaker: Speaker,
    *,
    up_to: int,
    stop_at: int = 4,
    at: int | None = None,
    level: float = 0.95,
    floor: float | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> Retested:
    """Look, draw both runs on, look again, until decided or at the last cap; tells every look.

    Raises:
        ConfigError, RunError: the two cannot be drawn on by one rule.
    """
    from pathshift.analysis.retesting import Retest, RetestSettings
    from pathshift.errors import ConfigError
    from pathshift.rollout.rounds import adopt, caps_of, common_rule

    if at is not None and at > up_to:
        raise ConfigError(f"--at {at} lies above --up-to {up_to}: no look will speak of it")
    rule = common_rule(base, tuned, stop_at)
    caps = caps_of(rule, up_to)
    adopt((base, tuned), rule, len(caps))
    settings = RetestSettings(looks=len(caps), at=at, level=level, seed=seed, floor=floor)
    testing: Retest | None = None
    for cap in caps:
        tables = [_drawn_to(path, cap, device, quiet=speaker.quiet) for path in (base, tuned)]
        testing = testing or Retest(tables[0], tables[1], settings)
        look = testing.look(tables[0], tables[1])
        speaker.say(line_of(look, len(testing.taken), len(caps)))
        if look.is_decided:
            break
    assert testing is not None
    found = testing.result()
    speaker.say()
    speaker.say(found.sentence)
    return found


def _drawn_to(path: Path, cap: int, device: str, *, quiet: bool) -> CountTable:
    """A run's counts at a cap, with what is missing drawn first."""
    from pathshift.models.load import load_model
    from pathshift.rollout.rounds import draw_to, table_at

    table = table_at(path, cap)
    if table is None:
        with resumable(f"what was drawn is in {path}"):
            draw_to(path, cap, load_model, device=device, on_progress=ProgressLine(quiet=quiet))
        table = table_at(path, cap)
    assert table is not None, "a finished round has every draw"
    return table


def line_of(look: RetestLook, number: int, planned: int) -> str:
    """One look as a line."""
    ends = [0, len(look.k) - 1]
    shown = "  ".join(
        f"pass@{look.k[i]} {look.difference[i]:+.3f} [{look.low[i]:+.3f}, {look.high[i]:+.3f}]"
        for i in ends
    )
    return (
        f"look {number} of {planned}: up to {look.cap} draws, {look.samples:,} samples, "
        f"{look.open} problems open   {shown}"
    )
