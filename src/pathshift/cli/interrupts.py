"""Leaving work that can be gone on with: Ctrl-C and a scheduler's SIGTERM alike."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

INTERRUPTED = 130


@contextmanager
def resumable(kept: str) -> Iterator[None]:
    """Around work that keeps what it has done: an interrupt names the line that goes on.

    Args:
        kept: What is safe, as the middle of a sentence: "what was drawn is in runs/a".

    Raises:
        Exit: with 130, after an interrupt.
    """
    try:
        with _sigterm_interrupts():
            yield
    except KeyboardInterrupt:
        typer.echo(
            f"\ninterrupted; {kept}. This goes on from there:\n  "
            + shlex.join(["pathshift", *sys.argv[1:]]),
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let a scheduler's SIGTERM close the shard as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
