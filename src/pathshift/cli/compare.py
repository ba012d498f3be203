"""pathshift compare: base against tuned, from run folders or counts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker


def compare(
    base: Annotated[Path, typer.Argument(help="Run folder or counts (JSONL, CSV, Parquet).")],
    tuned: Annotated[Path, typer.Argument(help="The same for the tuned model.")],
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Report these k only; repeat it. [default: all]")
    ] = None,
    level: Annotated[float, typer.Option(help="Chance that the band holds at all k.")] = 0.95,
    band: Annotated[
        str, typer.Option(help="bayes, or sup-t (covers too seldom if small).")
    ] = "bayes",
    replicates: Annotated[int, typer.Option(help="Bootstrap draws.")] = 8000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    floor: Annotated[
        float | None, typer.Option(help="What one blind guess reaches, if the data do not say.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Whose verdicts to count. [default: the run's own]")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 on this verdict: gain, loss or undecided; repeat it."),
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Did the tuned model gain or lose against its base, at every k?

    Counts have one row a problem: id, n (samples), c (correct ones).

    Example: pathshift compare runs/base runs/tuned --report report.html
    """
    from pathshift.analysis.comparison import compare as run_comparison
    from pathshift.cli import summary
    from pathshift.cli.report_file import write

    words = _checked(fail_on or [])
    result = run_comparison(
        base, tuned, verifier=verifier, k=tuple(k) if k else None, level=level, band=band,
        replicates=replicates, seed=seed, floor=floor,
    )  # fmt: skip
    speaker = Speaker(json, quiet=quiet)
    for line in summary.lines(result):
        speaker.say(line)
    if report is not None:
        scale = str(result.settings["scale"])
        write(result, report, folders=(base, tuned), verifier=verifier, scale=scale)
        speaker.say(f"report: {report}")
    else:
        speaker.advise(f"next: pathshift compare {base} {tuned} --report report.html")
    speaker.result(result.to_dict())
    if any(word in result.verdict.word.split("_then_") for word in words):
        raise typer.Exit(1)


def _checked(words: list[str]) -> list[str]:
    for word in words:
        if word not in ("gain", "loss", "undecided"):
            raise typer.BadParameter(f"--fail-on takes gain, loss or undecided, got {word!r}")
    return words
