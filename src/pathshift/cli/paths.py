"""pathshift paths: where the tuned model's answers come from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli import sample_flags as flags
from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.origins import Gap, Origins
    from pathshift.models.load import LoadOptions


def paths(
    base: Annotated[Path, typer.Argument(help="Run folder of the base model.")],
    tuned: Annotated[Path, typer.Argument(help="Run folder of the tuned model.")],
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")
    ] = None,
    score: Annotated[
        bool,
        typer.Option("--score", help="First make the scores that are not there, with both models."),
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(help="Run folder of a third party's answers, for perplexity alone."),
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Whose verdicts to count. [default: each run's own]")
    ] = None,
    level: Annotated[float, typer.Option(help="Chance that an interval holds.")] = 0.95,
    replicates: Annotated[int, typer.Option(help="Bootstrap draws.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    dtype: flags.Dtype = "fp32",
    device: flags.Device = "cpu",
    threads: flags.Threads = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Where do the tuned model's answers come from? How far its samples moved, what of them the
    base reaches, at which tokens probability changed, and how many ways to an answer are left.

    Diversity needs the two runs alone, the rest scores as well: what is missing is told with the
    command that makes it, and --score makes it here. Reach can be proven, its absence never.

    Example: pathshift paths runs/base runs/tuned --score --report paths.html
    """
    from pathshift.analysis.origins import gaps, origins
    from pathshift.analysis.scored import Bootstrapping
    from pathshift.cli.paths_lines import lines

    speaker = Speaker(json, quiet=quiet)
    bootstrap = Bootstrapping(level=level, replicates=replicates, seed=seed)
    if score:
        _make(gaps(base, tuned, reference), speaker, dtype=dtype, device=device, threads=threads)
    found = origins(base, tuned, reference=reference, verifier=verifier, bootstrap=bootstrap)
    for line in lines(found):
        speaker.say(line)
    if report is not None:
        _write(found, report)
        speaker.say(f"report: {report}")
    else:
        asked = shlex.join(["pathshift", "paths", str(base), str(tuned)])
        speaker.advise(f"next: {asked} --report paths.html")
    speaker.result(found.to_dict())


def _make(
    missing: list[Gap], speaker: Speaker, *, dtype: str, device: str, threads: int | None
) -> None:
    """Score what has no scores yet: one model at a time, each loaded once, under its policy."""
    from pathshift.models.load import LoadOptions

    options = LoadOptions(dtype=dtype, device=device, threads=threads)
    to_score = [gap for gap in missing if gap.can_be_scored]
    for scorer in dict.fromkeys(gap.scorer for gap in to_score):
        runs = [gap.run for gap in to_score if gap.scorer == scorer]
        _score(scorer, runs, options, speaker)


def _score(scorer: Path, runs: list[Path], options: LoadOptions, speaker: Speaker) -> None:
    from pathshift.errors import ModelError
    from pathshift.models.load import load_model
    from pathshift.rollout.scoring import Scoring, score_run
    from pathshift.store.run import RunFolder
    from pathshift.store.scores import policy_stated

    config = RunFolder(scorer).manifest.config
    spec = str(config["model"])
    speaker.advise(f"loading {spec} to score {' and '.join(map(str, runs))}")
    model = load_model(spec, options)
    if model.info.weights_hash != config["weights_hash"]:
        raise ModelError(
            f"{spec} is no longer the model that drew {scorer}: its weights differ; draw a new run "
            "with it, or put the old weights back"
        )
    scoring = Scoring(**policy_stated(config))  # type: ignore[arg-type]  # top_k is a whole number
    with resumable("what was scored is kept"):
        for run in runs:
            score_run(run, model, scoring, on_progress=ProgressLine(quiet=speaker.quiet))


def _write(found: Origins, path: Path) -> None:
    from pathshift.report.paths_page import build_paths_page
    from pathshift.report.render import write_report

    command = shlex.join(["pathshift", *sys.argv[1:]])
    write_report(build_paths_page(found, command=command), path, "paths")
