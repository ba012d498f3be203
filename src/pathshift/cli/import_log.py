"""pathshift import: another tool's log as a run folder."""

from __future__ import annotations

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
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.rollout.ingest import Imported


def import_log(
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="LOG...", help="Files or folders of one log.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="New run folder.")] = None,
    verifier: Annotated[
        str | None,
        typer.Option(help="Judge the answers by this verifier. [default: the log's own verdicts]"),
    ] = None,
    form: FormatFlag = None,
    score: ScoreFlag = None,
    threshold: ThresholdFlag = None,
    column: ColumnFlag = None,
    duplicates: DuplicatesFlag = "error",
    formats: Annotated[
        bool, typer.Option("--formats", help="List the formats that are read, and end.")
    ] = False,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Write another tool's log as a run folder, whole or not at all.

    Formats are told apart by themselves; --formats lists them. What a log does not say of its
    samples is judged by a verifier against the log's reference answers, and said.

    Example: pathshift import val/400.jsonl --out runs/step400
    """
    speaker = Speaker(json, quiet=quiet)
    if formats:
        _list_formats(speaker)
        return
    if not logs or out is None:
        raise typer.BadParameter("needs LOG and --out; --formats lists what is read")
    from pathshift.rollout.ingest import import_logs

    source = source_of(form, score, threshold, column, verifier, duplicates)
    found = import_logs(logs, out, source)
    for line in _lines(found, out):
        speaker.say(line)
    speaker.advise(f"next: pathshift compare {out} OTHER   or: pathshift show {out}")
    speaker.result(
        {
            "run": str(out),
            "format": found.format,
            "problems": found.n_problems,
            "samples": found.n_samples,
            **found.outcomes,
            "verifier": found.verifier,
            "judged_here": found.is_judged_here,
            "dropped": found.dropped,
        }
    )


def _list_formats(speaker: Speaker) -> None:
    from pathshift.store.importers.formats import FORMATS

    for form in FORMATS.values():
        speaker.say(f"{form.name:<16} {form.summary}")
    speaker.result({"formats": {form.name: form.summary for form in FORMATS.values()}})


def _tool_numbers(found: Imported) -> list[str]:
    from pathshift.analysis.tool_numbers import lines, numbers_of

    smallest = min((p.n for p in found.table.counts), default=0)
    return lines(list(numbers_of("this log", found.table, smallest))) if smallest else []


def _lines(found: Imported, out: Path) -> list[str]:
    """What was read, who judged it, and what the log does not hold."""
    outcomes = ", ".join(f"{count:,} {name}" for name, count in found.outcomes.items())
    judge = (
        f"judged here by {found.verifier}"
        if found.is_judged_here
        else f"verdicts as the log has them ({found.verifier})"
    )
    lines = [
        f"{out}: {found.n_samples:,} samples of {found.n_problems:,} problems (format "
        f"{found.format})",
        f"{outcomes}; {judge}",
    ]
    if found.dropped:
        lines.append(f"left out {found.dropped:,} copies of other samples")
    lines += [f"note: {line}" for line in _tool_numbers(found)]
    if found.lacks:
        lines.append(f"the log does not hold: {', '.join(found.lacks)}")
    return lines
