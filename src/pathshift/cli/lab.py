"""pathshift lab: the claims, and how each stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pathshift.cli import lab_build
from pathshift.cli.lab_run import STUDIES, run, show_study
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

app = typer.Typer(no_args_is_help=True)
app.command("run")(run)
for _command in (
    lab_build.build, lab_build.measure, lab_build.check, lab_build.bundle, lab_build.exposures,
):  # fmt: skip
    app.command()(_command)


@app.callback()
def overview() -> None:
    """The claims of the field and how each one stands.

    Example: pathshift lab show
    """


@app.command("show")
def show(
    claim: Annotated[
        str | None, typer.Argument(help="Id of one claim, for all of it; or a study's name.")
    ] = None,
    folder: Annotated[Path | None, typer.Argument(help="The study's folder.")] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Print every claim with its status, one claim whole, or what a study found so far.

    Example: pathshift lab show base-covers-more

    Example: pathshift lab show algorithms studies/algorithms
    """
    from dataclasses import asdict

    from pathshift.errors import ConfigError, UnknownName
    from pathshift.lab import load_claims

    if claim in STUDIES or folder is not None:
        if claim not in STUDIES or folder is None:
            raise ConfigError(
                "a study is shown by its name and its folder: lab show algorithms DIR"
            )
        speaker = Speaker(json, quiet=quiet)
        speaker.result(show_study(folder, speaker))
        return
    claims = {entry.id: entry for entry in load_claims()}
    if claim is not None and claim not in claims:
        raise UnknownName(f"claim {claim!r} is not known; `pathshift lab show` lists them all")
    speaker = Speaker(json, quiet=quiet)
    for entry in claims.values() if claim is None else ():
        speaker.say(f"[{entry.status}] {entry.id}")
        speaker.say(f"    {entry.sentence}")
    if claim is not None:
        for name, value in asdict(claims[claim]).items():
            if value:
                speaker.say(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")
    else:
        speaker.advise("next: pathshift lab show ID prints source, test and scale of one claim")
    chosen = claims.values() if claim is None else [claims[claim]]
    speaker.result(
        {"claims": [{**asdict(entry), "date": str(entry.date or "") or None} for entry in chosen]}
    )
