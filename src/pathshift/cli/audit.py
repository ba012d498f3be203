"""pathshift audit: attack a task and its verifier before trusting a number made with them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker, WaitingLine
from pathshift.cli.sample import pairs

if TYPE_CHECKING:
    from pathshift.rollout.audit import Audit, AuditOptions

ALL = "reasoning_gym:all"

_HEAD = """\
# What an audit of tasks and verifiers finds

Made by `{command}` on {date}; {versions}; the first {limit} problems of seed {seed}, {others}
answers of other problems tried on each. Every data set is judged by its own scorer, in a child
process that is killed when it overstays; an answer is right from a score of .99 on.

How to read it: *best single answer* solves the share *solves* of these problems, and the share
*held out* where it is chosen on one half and counted on the other. *Others' answers right* counts
reference answers of other problems that differ from a problem's own. An error means that no number
made with the data set means what it says, or that the scorer runs what a model wrote; a warning
asks to read numbers beside the floor, or to mend the set. Notes are counted in the summary only.
`neighbour-seeds`: item i of seed s is item 0 of seed s + i, so a test on seed 1 after training on
seed 0 is a test on the training problems; take seeds further apart than the number of problems.
"""


def audit(
    task: Annotated[
        str,
        typer.Argument(help=f"Task as in `pathshift tasks`; {ALL} for all its data sets."),
    ],
    limit: Annotated[int, Option(help="Problems to look at.")] = 50,
    seed: Annotated[int, Option(help="Seed of the problems and of the attacks.")] = 0,
    verifier: Annotated[str | None, Option(help="[default: the task's]")] = None,
    task_option: Annotated[
        list[str] | None, Option("-T", metavar="K=V", help="Option of the task; repeat it.")
    ] = None,
    train: Annotated[
        str | None,
        Option(help="Training problems as a task, to look for overlap. [default: another seed]"),
    ] = None,
    others: Annotated[
        int, Option(help="Answers of other problems that are tried on each problem.")
    ] = 16,
    timeout: Annotated[float, Option(help="Seconds for one answer.")] = 5.0,
    wall: Annotated[float, Option(help="Seconds for one reasoning-gym data set.")] = 300.0,
    workers: Annotated[int, Option(help="Data sets of reasoning-gym audited at a time.")] = 2,
    markdown: Annotated[Path | None, Option(help="Write a table to this file.")] = None,
    fail_on: Annotated[
        str | None, Option(help="Exit with 1 on a finding as grave: error, warning or note.")
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Attack a task: are references right, is nonsense wrong, can one answer solve many problems,
    does guessing reach far, is it the same task tomorrow, does it repeat its training problems?

    Example: pathshift audit countdown --fail-on error
    """
    from pathshift.cli.audit_lines import lines_of, markdown_of
    from pathshift.errors import ConfigError
    from pathshift.rollout.audit import SEVERITIES, AuditOptions

    if fail_on is not None and fail_on not in SEVERITIES:
        raise ConfigError(f"--fail-on takes one of {', '.join(SEVERITIES)}, got {fail_on!r}")
    options = AuditOptions(
        limit=limit, seed=seed, others=others, timeout_s=timeout, wall_s=wall, workers=workers
    )
    speaker, given = Speaker(json, quiet=quiet), pairs(task_option or [], "-T")
    if task == ALL:
        if verifier is not None or train is not None:
            raise ConfigError(f"{ALL} has no use for --verifier or --train; leave them out")
        audits = _all(options, given, speaker)
    else:
        audits = [_one(task, options, given, verifier, train, quiet=speaker.quiet)]
        for line in lines_of(audits[0]):
            speaker.say(line)
    if markdown is not None:
        _write(markdown, markdown_of(audits, head=_head(options)))
        speaker.advise(f"table: {markdown}")
    speaker.advise(f"next: pathshift sample --model smollm2 --tasks {_next(task)} --out runs/a")
    speaker.result({"audits": [found.to_dict() for found in audits], "versions": _versions()})
    if fail_on is not None and any(_reaches(found, fail_on) for found in audits):
        raise typer.Exit(1)


def _one(
    task: str,
    options: AuditOptions,
    given: dict[str, str],
    verifier: str | None,
    train: str | None,
    *,
    quiet: bool,
) -> Audit:
    from pathshift.rollout.audit import audit_task

    waiting = WaitingLine(quiet=quiet)
    try:
        return audit_task(
            task,
            options,
            pairs=given,
            verifier=verifier,
            training=train,
            on_probe=lambda probe: waiting.show(f"{task}: {probe}"),
        )
    finally:
        waiting.clear()


def _all(options: AuditOptions, given: dict[str, str], speaker: Speaker) -> list[Audit]:
    from pathshift.cli.audit_lines import line_of, summary_of
    from pathshift.rollout.audit import audit_gym

    def progress(found: Audit, done: int, of: int) -> None:
        if not speaker.quiet:
            typer.echo(f"[{done}/{of}] {line_of(found)} ({found.seconds:.1f} s)", err=True)

    audits = audit_gym(options, settings=given, on_done=progress)
    for found in audits:
        speaker.say(line_of(found))
    for line in summary_of(audits):
        speaker.say(line)
    return audits


def _reaches(found: Audit, severity: str) -> bool:
    from pathshift.rollout.audit import SEVERITIES

    grave = SEVERITIES[: SEVERITIES.index(severity) + 1]
    return any(finding.severity in grave for finding in found.findings)


def _head(options: AuditOptions) -> str:
    """What was run, when, and with which versions."""
    from datetime import UTC, datetime

    command = shlex.join(["pathshift", *sys.argv[1:]])
    versions = ", ".join(f"{name} {value}" for name, value in _versions().items())
    return _HEAD.format(
        command=command, date=datetime.now(UTC).date(), versions=versions, limit=options.limit,
        seed=options.seed, others=options.others,
    )  # fmt: skip


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("pathshift", "reasoning-gym", "math-verify"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _next(task: str) -> str:
    return "countdown" if task == ALL else task


def _write(path: Path, text: str) -> None:
    from pathshift.errors import StorageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; give another file") from error
