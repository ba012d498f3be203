"""pathshift watch: a training run's validation folder, step by step as it grows."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli.log_flags import (
    ColumnFlag,
    DuplicatesFlag,
    FormatFlag,
    ScoreFlag,
    ThresholdFlag,
    source_of,
)
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker, WaitingLine

if TYPE_CHECKING:
    from pathshift.analysis.watching import StepTable, Watched, WatchSettings
    from pathshift.rollout.following import Follower


def watch(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with a dump or a run folder a step.")
    ],
    base: Annotated[
        Path | None,
        typer.Option(help="Log or run folder of the base model. [default: the first step]"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Keep an HTML report up to date."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Read what is there, and end.")] = False,
    until: Annotated[int | None, typer.Option(help="End when this step has been read.")] = None,
    idle: Annotated[
        float | None, typer.Option(help="End after so many seconds without a new step.")
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks at the folder.")] = 5.0,
    looks: Annotated[
        int, typer.Option(help="Steps planned: the error is shared among so many.")
    ] = 64,
    level: Annotated[float, typer.Option(help="Chance that all bands of all steps hold.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bands.")] = 0,
    floor: Annotated[
        float | None, typer.Option(help="What one blind guess reaches, if the data do not say.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Whose verdicts to count. [default: the log's own]")
    ] = None,
    fail_on: Annotated[list[str] | None, typer.Option(help="Exit with 1 on this: loss.")] = None,
    form: FormatFlag = None,
    score: ScoreFlag = None,
    threshold: ThresholdFlag = None,
    column: ColumnFlag = None,
    duplicates: DuplicatesFlag = "error",
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """The boundary per training step: does pass@k fall while pass@1 climbs?

    Reads verl's {step}.jsonl, TRL's completions_{step}.parquet, or run folders with a number in
    their names. Every step is set against the base on the same problems; a claim holds over all
    planned looks together, however often you look. Ctrl-C ends it.

    Example: pathshift watch checkpoints/val --report run.html
    """
    from pathshift.analysis.watching import WatchSettings
    from pathshift.rollout.following import SETTLE_SECONDS, Follower

    for word in fail_on or []:
        if word != "loss":
            raise typer.BadParameter(f"--fail-on takes loss here, got {word!r}")
    if every <= 0:
        raise typer.BadParameter(f"--every must be above 0, got {every}")
    settings = WatchSettings(level=level, looks=looks, seed=seed, floor=floor)
    source = source_of(form, score, threshold, column, verifier, duplicates)
    follower = Follower(folder, source, settle_seconds=0.0 if once else SETTLE_SECONDS)
    speaker = Speaker(json, quiet=quiet)
    watching = _Watching(follower, base, settings, report, speaker)
    try:
        if once:
            watching.look()
        else:
            _follow(watching, until=until, idle=idle, every=every)
    except KeyboardInterrupt:
        watching.waiting.clear()
        watching.finish()
        speaker.advise(f"to go on: pathshift {' '.join(sys.argv[1:])}")
        raise typer.Exit(130) from None
    result = watching.finish()
    if fail_on and result is not None and result.loss_since is not None:
        raise typer.Exit(1)


def _follow(watching: _Watching, *, until: int | None, idle: float | None, every: float) -> None:
    """Look again and again, until a step, for want of news, or for ever."""
    last_news = time.monotonic()
    while True:
        watching.waiting.clear()
        if watching.look():
            last_news = time.monotonic()
        newest, silence = watching.newest, time.monotonic() - last_news
        is_there = until is not None and newest is not None and newest >= until
        if is_there or (idle is not None and silence >= idle):
            return
        watching.waiting.show(f"waiting for a new step for {silence:.0f} s (Ctrl-C ends it)")
        time.sleep(every)


class _Watching:
    """One run being watched: what was said of it, and what is known of it."""

    def __init__(
        self,
        follower: Follower,
        base: Path | None,
        settings: WatchSettings,
        report: Path | None,
        speaker: Speaker,
    ) -> None:
        self._follower, self._settings = follower, settings
        self._report, self._speaker = report, speaker
        self._base = None if base is None else self._read_base(base)
        self.waiting = WaitingLine(quiet=speaker.quiet)
        self._said: set[int | None] = set()
        self._complained: set[int] = set()
        self._sentence = ""
        self.result: Watched | None = None

    def _read_base(self, path: Path) -> StepTable:
        from pathshift.analysis.watching import StepTable
        from pathshift.rollout.ingest import read_table

        return StepTable(step=None, table=read_table(path, self._follower.source))

    @property
    def newest(self) -> int | None:
        """The last step that was read."""
        if self.result is None:
            return None
        return (self.result.steps or [self.result.base])[-1].step

    def look(self) -> bool:
        """Read what is new and say it; whether there was anything new."""
        from pathshift.analysis.watching import StepTable, watch_steps

        steps = [
            StepTable(step=s.step, table=s.table, entropy=s.entropy, truncated=s.truncated)
            for s in self._follower.poll(lambda step: self.waiting.show(f"reading step {step}"))
        ]
        self.waiting.clear()
        self._complain()
        base = self._base or (steps[0] if steps else None)
        later = steps if self._base is not None else steps[1:]
        if base is None or {s.step for s in steps} <= self._said:
            return False
        self.result = watch_steps(base, later, self._settings)
        self._say(self.result)
        if self._report is not None:
            self._write_report(self.result, self._report)
        return True

    def _complain(self) -> None:
        for step, problem in self._follower.problems.items():
            if step not in self._complained:
                self._complained.add(step)
                self._speaker.advise(f"step {step} cannot be read yet: {problem}")

    def _say(self, result: Watched) -> None:
        from pathshift.cli import watch_lines

        if not self._said:
            for line in watch_lines.head(result):
                self._speaker.say(line)
        for step in (result.base, *result.steps):
            if step.step not in self._said:
                self._speaker.say(watch_lines.row(step))
                self._said.add(step.step)
        if result.steps and result.sentence != self._sentence:
            self._sentence = result.sentence
            self._speaker.say(f"      {result.sentence}")

    def _write_report(self, result: Watched, path: Path) -> None:
        from pathshift.report.render import write_report
        from pathshift.report.watch_page import build_watch_page

        page = build_watch_page(
            result,
            title=f"{self._follower.folder}",
            scale="training run",
            command=" ".join(["pathshift", *sys.argv[1:]]),
        )
        write_report(page, path, "watch")

    def finish(self) -> Watched | None:
        """The last words: which steps are best, what to know, where the report is."""
        from pathshift.cli import watch_lines

        if self.result is None:
            self._speaker.say(f"{self._follower.folder}: no step to read yet")
            self._speaker.result({"steps": [], "base": None})
            return None
        for line in watch_lines.foot(self.result):
            self._speaker.say(line)
        if self._report is not None:
            self._speaker.say(f"report: {self._report}")
        else:
            self._speaker.advise(
                f"next: pathshift watch {self._follower.folder} --once --report run.html"
            )
        self._speaker.result(self.result.to_dict())
        return self.result
