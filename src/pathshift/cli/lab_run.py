"""pathshift lab run: a study from its plan to its report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pathshift.cli.interrupts import resumable
from pathshift.cli.output import PLAIN_LINE_SECONDS, JsonFlag, QuietFlag, Speaker, WaitingLine
from pathshift.cli.sample import pairs
from pathshift.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from pathshift.report.tables import Table

STUDIES = ("algorithms",)


def run(
    study: Annotated[str, typer.Argument(help="algorithms: six of them from one base.")],
    out: Annotated[Path, typer.Option(help="Study folder: plan, trainings, runs, report.")],
    core: Annotated[bool, typer.Option("--core", help="The core study (the default).")] = False,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Longer training, other objectives, in its own DIR.")
    ] = False,
    plan: Annotated[
        Path | None, typer.Option(help="A plan of your own, TOML; the shipped ones are the model.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Some of the plan's families, with commas. [default: all]")
    ] = None,
    base: Annotated[
        list[str] | None,
        typer.Option("--base", metavar="FAMILY=SPEC", help="Another base; repeat it."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="So many seeds. [default: the plan's]")] = None,
    workers: Annotated[int, typer.Option(help="Processes, one thread each.")] = 2,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Time the machine, say how long it takes, and end.")
    ] = False,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Run a study: tune, train, measure, judge. Run the same command again to go on where it ended.

    Example: pathshift lab run algorithms --out studies/algorithms --family compose
    """
    from pathshift.lab.algorithms.plan import chosen, parsed, shipped
    from pathshift.lab.algorithms.running import Listener, run_study

    if study not in STUDIES:
        raise UnknownName(f"no study {study!r}; there are: {', '.join(STUDIES)}")
    if sum((core, ablations, plan is not None)) > 1:
        raise ConfigError("--core, --ablations and --plan exclude each other: one folder, one plan")
    if workers < 1:
        raise ConfigError(f"--workers must be at least 1, got {workers}")
    whole = shipped("ablations" if ablations else "core")
    if plan is not None:
        whole = parsed(_text(plan), str(plan))
    names = tuple(name.strip() for name in family.split(",")) if family else ()
    wanted = chosen(whole, families=names, bases=pairs(base or [], "--base"), n_seeds=seeds)
    speaker = Speaker(json, quiet=quiet)
    line = _StatusLine(quiet=speaker.quiet)
    with resumable(f"what is done is in {out}"):
        failed = run_study(
            wanted, out, workers=workers, only_estimate=estimate,
            listener=Listener(say=line.aside(speaker.advise), show=line.show),
        )  # fmt: skip
    line.clear()
    for name, reason in failed.items():
        speaker.say(f"not done: {name}: {reason}")
    told = {} if estimate else show_study(out, speaker)
    speaker.result({"out": str(out), "plan": wanted.hash, "not_done": failed, **told})


def show_study(folder: Path, speaker: Speaker) -> dict[str, Any]:
    """Read what is finished, print its tables and sentences, write the report beside it."""
    from pathshift.errors import RunError
    from pathshift.lab.algorithms.page import set_tables, write_study
    from pathshift.lab.algorithms.plan import read_plan
    from pathshift.lab.algorithms.readings import read_study
    from pathshift.lab.algorithms.verdicts import claims, sentences

    plan = read_plan(folder)
    results = read_study(folder, plan)
    if not results["families"]:
        raise RunError(f"{folder}: no base is measured yet; run the same `pathshift lab run` again")
    for family in results["families"].values():
        for one in family["sets"].values():
            for table in set_tables(one):
                _print(table, speaker)
    for sentence in sentences(results):
        speaker.say(sentence)
    files = write_study(folder, plan, results)
    speaker.advise(f"report: {files[1]}; numbers: {files[0]}; charts: {folder / 'figures'}")
    return {"claims": claims(results), "sentences": sentences(results)}


def _print(table: Table, speaker: Speaker) -> None:
    """A table with aligned columns."""
    from pathshift.report.formats import NO_BREAK

    # No-break spaces belong on a page; a terminal would show them as something odd.
    rows = [[field.replace(NO_BREAK, " ") for field in row] for row in (table.head, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    speaker.say(table.caption)
    for row in rows:
        cells = [field.ljust(width) for field, width in zip(row, widths, strict=True)]
        speaker.say("  " + "  ".join(cells).rstrip())
    speaker.say()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--plan {path} cannot be read: {error}") from error


class _StatusLine:
    """The state of the moment: in place on a terminal, a plain line now and then elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = WaitingLine(quiet=quiet)
        self._last = time.monotonic()

    def show(self, text: str) -> None:
        """Put it in place of what stood there."""
        self._live.show(text[:160])
        now = time.monotonic()
        if (
            not self._quiet
            and not sys.stderr.isatty()
            and now - self._last > 6 * PLAIN_LINE_SECONDS
        ):
            self._last = now
            typer.echo(text, err=True)

    def aside(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """The same speaker, with the line out of its way."""

        def said(text: str) -> None:
            self.clear()
            say(text)

        return said

    def clear(self) -> None:
        """Leave an empty line."""
        self._live.clear()
