"""pathshift compare: base against tuned, from run folders, other tools' logs, or counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli.envelope_lines import BaseFlag, TunedFlag
from pathshift.cli.log_flags import (
    ColumnFlag,
    DuplicatesFlag,
    FormatFlag,
    ScoreFlag,
    ThresholdFlag,
    source_of,
)
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.drilldown import SampleSource, Side
    from pathshift.analysis.retesting import Retested
    from pathshift.records import CountTable
    from pathshift.rollout.ingest import Source

    _Given = tuple[CountTable, SampleSource | None]


def compare(
    base: Annotated[Path, typer.Argument(help="Run folder, log of another tool, or counts.")],
    tuned: Annotated[Path, typer.Argument(help="The same for the tuned model.")],
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Report these k only; repeat it. [default: all]")
    ] = None,
    level: Annotated[float, typer.Option(help="Chance that the band holds at all k.")] = 0.95,
    band: Annotated[
        str, typer.Option(help="bayes, strict (wider), or sup-t (covers too seldom if small).")
    ] = "bayes",
    strict: Annotated[bool, typer.Option("--strict", help="Short for --band strict.")] = False,
    retest: Annotated[
        bool,
        typer.Option(
            "--retest",
            help="First draw both run folders on until it is decided (see pathshift retest).",
        ),
    ] = False,
    up_to: Annotated[int, typer.Option(help="With --retest: most samples a problem.")] = 256,
    question: Annotated[
        str,
        typer.Option(
            help="like: problems like these; these: these problems, sampling noise alone."
        ),
    ] = "like",
    replicates: Annotated[int, typer.Option(help="Bootstrap draws.")] = 8000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    beyond: Annotated[
        int | None,
        typer.Option(help="Predict up to this k, beyond the samples; never part of the verdict."),
    ] = None,
    floor: Annotated[
        float | None, typer.Option(help="What one blind guess reaches, if the data do not say.")
    ] = None,
    false_positive: Annotated[
        float | None,
        typer.Option(help="Chance that the verifier takes a wrong answer for right."),
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Whose verdicts to count. [default: the run's or log's own]")
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Compare the problems that both have.")
    ] = False,
    more_base: BaseFlag = None,
    more_tuned: TunedFlag = None,
    form: FormatFlag = None,
    score: ScoreFlag = None,
    threshold: ThresholdFlag = None,
    column: ColumnFlag = None,
    duplicates: DuplicatesFlag = "error",
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 on this verdict: gain, loss or undecided; repeat it."),
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Did the tuned model gain or lose against its base, at every k?

    Logs of verl, TRL, Inspect, lm-eval and others are told apart by themselves (`pathshift import
    --help` has the list). Counts have one row a problem: id, n (samples), c (correct ones).

    Example: pathshift compare val/0.jsonl val/400.jsonl

    Example: pathshift compare runs/base runs/tuned --report report.html
    """
    from pathshift.analysis.comparison import compare as run_comparison
    from pathshift.cli import summary
    from pathshift.cli.envelope_lines import fairness
    from pathshift.cli.report_file import write

    words = _checked(fail_on or [])
    speaker = Speaker(json, quiet=quiet)
    found = _retested(base, tuned, speaker, up_to, level, floor, seed) if retest else None
    source = source_of(form, score, threshold, column, verifier, duplicates)
    sides: dict[Side, _Given] = {"base": read_side(base, source), "tuned": read_side(tuned, source)}
    result = run_comparison(
        sides["base"][0], sides["tuned"][0], k=tuple(k) if k else None, level=level,
        band="strict" if strict else band,
        replicates=replicates, seed=seed, floor=floor, common=common, question=question,
        beyond=beyond, false_positive=false_positive,
    )  # fmt: skip
    for line in summary.lines(result):
        speaker.say(line)
    fair = fairness(
        result, {"base": (base, sides["base"]), "tuned": (tuned, sides["tuned"])},
        {"base": more_base or [], "tuned": more_tuned or []}, source, speaker,
        common=common, level=level, replicates=replicates, seed=seed, floor=floor,
    )  # fmt: skip
    if report is not None:
        sources = {side: read for side, (_, read) in sides.items() if read is not None}
        write(result, report, sources=sources, scale=str(result.settings["scale"]), fair=fair)
        speaker.say(f"report: {report}")
    else:
        speaker.advise(f"next: pathshift compare {base} {tuned} --report report.html")
    again = {} if found is None else {"retest": found.to_dict()}
    speaker.result(result.to_dict() | fair.to_dict() | again)
    if any(word in result.verdict.word.split("_then_") for word in words):
        raise typer.Exit(1)


def _retested(
    base: Path, tuned: Path, speaker: Speaker, up_to: int, level: float, floor: float | None,
    seed: int,
) -> Retested:  # fmt: skip
    """Both runs drawn on until decided; the comparison that follows knows of these looks."""
    from pathshift.cli.retest import decide
    from pathshift.errors import ConfigError
    from pathshift.store.manifest import is_run

    for path in (base, tuned):
        if not is_run(path):
            raise ConfigError(f"--retest draws on, and {path} is not a run folder of `sample`")
    found = decide(base, tuned, speaker, up_to=up_to, level=level, floor=floor, seed=seed)
    speaker.say()
    return found


def read_side(path: Path, source: Source) -> _Given:
    """One side's counts, and where its samples are; counts alone have none."""
    from pathshift.analysis.drilldown import run_samples
    from pathshift.rollout.ingest import judged_table, log_samples, open_source
    from pathshift.store.countfiles import is_counts, read_counts
    from pathshift.store.manifest import is_run

    if is_run(path):
        return read_counts(path, verifier=source.verifier), run_samples(path, source.verifier)
    if is_counts(path):
        return read_counts(path, verifier=source.verifier), None
    assembly = open_source(path, source)
    table = judged_table(assembly, str(path), source.verifier)
    return table, log_samples(assembly, source.verifier)


def _checked(words: list[str]) -> list[str]:
    for word in words:
        if word not in ("gain", "loss", "undecided"):
            raise typer.BadParameter(f"--fail-on takes gain, loss or undecided, got {word!r}")
    return words
