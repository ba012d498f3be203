"""The command line: the list of commands, and how errors and interrupts leave it.

Exit codes: 0 done, 1 what --fail-on names came true, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from typer.core import TyperGroup

from pathshift.cli import (
    audit,
    compare,
    demo,
    export,
    import_log,
    intervene,
    judge,
    lab,
    merge,
    models,
    paths,
    plan,
    retest,
    review,
    sample,
    score,
    show,
    tasks,
    train,
    verify,
    watch,
)
from pathshift.errors import PathshiftError

COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "demo": demo.demo,
    "sample": sample.sample,
    "verify": verify.verify,
    "show": show.show,
    "merge": merge.merge,
    "compare": compare.compare,
    "plan": plan.plan,
    "retest": retest.retest,
    "score": score.score,
    "paths": paths.paths,
    "intervene": intervene.intervene,
    "judge": judge.judge,
    "review": review.review,
    "import": import_log.import_log,
    "export": export.export,
    "watch": watch.watch,
    "audit": audit.audit,
    "train": train.app,
    "models": models.app,
    "tasks": tasks.tasks,
    "lab": lab.app,
}
"""Every command, in the order of `pathshift --help`."""


class InOrder(TyperGroup):
    """Lists commands in the order of `COMMANDS`, not of the alphabet."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names in the order of the table."""
        return list(COMMANDS)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pathshift {version('pathshift')}")
        raise typer.Exit


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        cls=InOrder,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"auto_envvar_prefix": "PATHSHIFT", "help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def top(
        version: bool = typer.Option(
            False, "--version", callback=_show_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        """Did reinforcement learning teach the model something new, or only make it find more often
        what its base could already do? Measured, with intervals.

        Start with: pathshift demo
        """

    for name, command in COMMANDS.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def one_line(text: str) -> str:
    """Without newlines and control characters, which foreign ids and file names may hold."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


def main() -> None:
    """Run, and turn a user's mistake into one line and exit code 2."""
    try:
        build()(prog_name="pathshift")
    except PathshiftError as error:
        typer.echo(f"pathshift: {one_line(str(error))}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe has left; nothing is wrong, and nobody to tell.
        sys.stderr.close()
        sys.exit(0)
