"""pathshift review: a person reads rare right answers, without knowing whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.result import Share
    from pathshift.analysis.reviewed import Reviewed
    from pathshift.analysis.reviewing import ReviewSettings, Selection
    from pathshift.store.reviews import Item, Side


def review(
    base: Annotated[
        Path | None, typer.Argument(help="Run folder of the base: makes a new sheet.")
    ] = None,
    tuned: Annotated[
        Path | None, typer.Argument(help="Run folder of the tuned model, mixed in.")
    ] = None,
    sheet: Annotated[
        Path | None, Option(help="The sheet: a .jsonl file; its key goes beside it.")
    ] = None,
    mark: Annotated[bool, Option("--mark", help="Mark the sheet here, in the terminal.")] = False,
    page: Annotated[
        bool, Option("--page", help="Mark the sheet in a browser, on a page of this machine.")
    ] = False,
    take: Annotated[
        list[Path] | None,
        Option(
            "--take",
            metavar="SHEET",
            help="Take a marked sheet back into its runs as verdicts/human; twice for two "
            "reviewers.",
        ),
    ] = None,
    max_p: Annotated[
        float, Option(help="A problem is rare if its share of right answers is below this.")
    ] = 0.05,
    per_problem: Annotated[int, Option(help="Different right chains a problem and side.")] = 1,
    n: Annotated[int, Option(help="Chains on the sheet, shared evenly by the two sides.")] = 40,
    seed: Annotated[
        int | None, Option(help="Choose and order as this seed says. [default: at random]")
    ] = None,
    verifier: Annotated[
        str | None, Option(help="Whose verdicts say what is right. [default: the base run's own]")
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Was it reasoning or luck? Read chains of problems that are rarely solved (0 < p < 5%), base
    and tuned mixed and the side hidden; then count on how many a chain holds up.

    Example: pathshift review runs/base runs/tuned --sheet sheet.jsonl

    Example: pathshift review --sheet sheet.jsonl --page

    Example: pathshift review --take sheet.jsonl
    """
    from pathshift.errors import ConfigError

    speaker = Speaker(json, quiet=quiet)
    given: tuple[tuple[Side, Path | None], ...] = (("base", base), ("tuned", tuned))
    runs = {side: run for side, run in given if run is not None}
    if take:
        if mark or page or sheet is not None:
            raise ConfigError("--take stands without --sheet, --mark and --page")
        _take(take, runs, speaker)
        return
    if sheet is None:
        raise ConfigError(
            "review needs --sheet FILE.jsonl (with run folders: make it; with --mark or --page: "
            "mark it) or --take FILE.jsonl"
        )
    if mark and page:
        raise ConfigError("--mark and --page exclude each other; use one at a time")
    if runs:
        _make(runs, sheet, _settings(max_p, per_problem, n, seed, verifier), speaker)
    elif not (mark or page):
        raise ConfigError(f"say what to do with {sheet}: --mark, --page, or give run folders")
    if mark or page:
        _mark(sheet, speaker, in_browser=page)


def _settings(
    max_p: float, per_problem: int, n: int, seed: int | None, verifier: str | None
) -> ReviewSettings:
    import secrets

    from pathshift.analysis.reviewing import ReviewSettings
    from pathshift.records import digest

    secret = secrets.token_hex(32) if seed is None else digest("review", seed)
    return ReviewSettings(
        secret=secret, max_p=max_p, per_problem=per_problem, n=n, verifier=verifier
    )


def _make(
    runs: Mapping[Side, Path], sheet: Path, settings: ReviewSettings, speaker: Speaker
) -> None:
    from pathshift.analysis.reviewing import choose
    from pathshift.store.reviews import key_path, write_review

    selection = choose(runs, settings, sheet=sheet)
    write_review(sheet, selection.items, selection.key)
    for line in made_lines(selection, settings):
        speaker.say(line)
    speaker.say(f"{sheet}: {len(selection.items)} chains, sides hidden; do not open "
                f"{key_path(sheet)} before the marks are taken back")  # fmt: skip
    speaker.advise(f"next: pathshift review --sheet {sheet} --page   or: --mark")
    speaker.result({"sheet": str(sheet), "chains": len(selection.items),
                    "rare": {side: len(found) for side, found in selection.rare.items()},
                    "chosen": dict(selection.chosen)})  # fmt: skip


def made_lines(selection: Selection, settings: ReviewSettings) -> Iterator[str]:
    """What was chosen from, a line a side."""
    for side, found in selection.rare.items():
        if not found:
            yield f"{side}: no problem with a share of right answers in (0, {settings.max_p:g})"
            continue
        most = max(found, key=lambda p: (p.c / p.n, p.n))
        yield (
            f"{side}: {_problems(len(found))} with a share of right answers in (0, "
            f"{settings.max_p:g}), chains of {selection.chosen[side]} on the sheet; rare by their "
            f"samples: at {most.c} of {most.n} the success rate lies in "
            f"[{most.low:.3f}, {most.high:.3f}] with 95%"
        )


def _mark(sheet: Path, speaker: Speaker, *, in_browser: bool) -> None:
    from pathshift.cli.review_terminal import mark_in_terminal
    from pathshift.store.reviews import read_sheet

    read_sheet(sheet)
    try:
        if in_browser:
            _serve(sheet)
        else:
            mark_in_terminal(sheet)
    except KeyboardInterrupt:
        typer.echo()
    speaker.say(_state(sheet, read_sheet(sheet)))
    speaker.advise(f"next: pathshift review --take {sheet}")


def _serve(sheet: Path) -> None:
    from pathshift.cli.review_server import ReviewServer

    with ReviewServer(sheet) as server:
        typer.echo(f"open {server.url} in a browser on this machine; Ctrl-C ends it", err=True)
        server.serve_forever()


def _state(sheet: Path, items: Sequence[Item]) -> str:
    marked = sum(item.mark is not None for item in items)
    return f"{sheet}: {marked} of {len(items)} chains marked; every mark is on disk"


def _take(sheets: Sequence[Path], runs: Mapping[Side, Path], speaker: Speaker) -> None:
    from pathshift.analysis.reviewed import take
    from pathshift.store.reviews import write_marks

    found = take(sheets, runs=runs)
    for side, verdicts in found.verdicts.items():
        write_marks(found.runs[side], verdicts)
    for line in taken_lines(found):
        speaker.say(line)
    speaker.result(found.to_dict())


def taken_lines(found: Reviewed) -> Iterator[str]:
    """The table of the manual check."""
    yield f"{found.marked} of {found.items} chains marked; kept in the runs as verdicts/human"
    for side, told in found.sides.items():
        if not told.problems:
            yield f"{side:<5} no problem has a chain marked sound or not sound"
            continue
        left_out = f"; {_problems(told.unsure)} left out as unsure" if told.unsure else ""
        yield (
            f"{side:<5} {told.sound} of {told.problems} rarely solved problems have a sound chain "
            f"among those read: {_share(told.share)} ({told.sound_chains} of {told.chains} "
            f"chains){left_out}"
        )
    yield "only the chains on the sheet were read, so a problem may have a sound chain besides"
    if found.agreement is not None:
        both = found.agreement
        marks = ", ".join(f"{name} {count}" for name, count in both.table.items())
        yield (
            f"two reviewers on {both.chains} chains: {marks}; equal {_share(both.raw)}, "
            f"Cohen's kappa {_share(both.kappa)}"
        )


def _problems(count: int) -> str:
    return "1 problem" if count == 1 else f"{count:,} problems"


def _share(share: Share) -> str:
    if share.value is None:
        return "undefined"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]"
