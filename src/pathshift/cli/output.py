"""What all commands share in speaking: results as JSON, lines for people, a progress line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pathshift.errors import StorageError

if TYPE_CHECKING:
    from pathshift.rollout.sampling import Progress

PLAIN_LINE_SECONDS = 10.0

JsonFlag = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE|-", help="Write the result as JSON; - prints it and nothing else."
    ),
]
QuietFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the result only: no progress, no advice.")
]


def printable(text: str) -> str:
    """Text without control characters: ids and model text could otherwise steer the terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else "�" for c in text)


class Speaker:
    """Lines for people on standard output, unless it belongs to --json -. All are `printable`."""

    def __init__(self, json_target: str | None, *, quiet: bool) -> None:
        self.quiet = quiet or json_target == "-"
        self._json_target = json_target

    def say(self, line: str = "") -> None:
        """A line of the result."""
        if self._json_target != "-":
            typer.echo(printable(line))

    def advise(self, line: str) -> None:
        """What could be run next, or what is going on."""
        if not self.quiet:
            typer.echo(printable(line))

    def result(self, value: Mapping[str, Any]) -> None:
        """The result as JSON, where it was asked for."""
        if self._json_target is None:
            return
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if self._json_target == "-":
            sys.stdout.write(text)
            return
        try:
            Path(self._json_target).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"cannot write {self._json_target}: {error.strerror}; give another --json file"
            ) from error


class ProgressLine:
    """A live bar on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty()
        self._last = -PLAIN_LINE_SECONDS
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        """Show it, if it is time."""
        is_last = progress.drawn == progress.wanted
        now = time.monotonic()
        every = 0.2 if self._is_terminal else PLAIN_LINE_SECONDS
        if self._quiet or (now - self._last < every and not is_last):
            return
        self._last = now
        line = progress_text(progress)
        if not self._is_terminal:
            typer.echo(line, err=True)
            return
        padding = " " * max(0, self._width - len(line))
        self._width = len(line)
        sys.stderr.write(f"\r{line}{padding}" + ("\n" if is_last else ""))
        sys.stderr.flush()


class WaitingLine:
    """One line on a terminal that says what goes on, and leaves before anything else is said."""

    def __init__(self, *, quiet: bool) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Put the text in place of what stood there."""
        if self._is_shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave an empty line."""
        self.show("")


def progress_text(progress: Progress) -> str:
    """Samples, rate, time left."""
    kept = f" ({progress.kept} kept)" if progress.kept else ""
    if not progress.drawn or not progress.seconds:
        return f"0/{progress.wanted} samples{kept}"
    left = progress.seconds / progress.drawn * (progress.wanted - progress.drawn)
    judged = progress.correct
    correct = "" if judged is None else f" · {judged / progress.drawn:.0%} correct"
    filled = round(20 * progress.drawn / progress.wanted)
    return (
        f"[{'#' * filled}{'.' * (20 - filled)}] {progress.drawn}/{progress.wanted} samples{kept}"
        f"{correct} · {progress.tokens / progress.seconds:,.0f} tokens/s · {_spell(left)} left"
    )


def _spell(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
