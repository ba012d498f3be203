"""Flags that say what a foreign log does not say itself; shared by compare, import and watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from pathshift.rollout.ingest import Source
    from pathshift.store.importers.assemble import Duplicates

FormatFlag = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the log; `pathshift import --help` has all. [default: told apart]",
    ),
]
ScoreFlag = Annotated[
    str | None,
    typer.Option(
        help="Column, reward, scorer, metric or filter of the log that says what is right."
    ),
]
ThresholdFlag = Annotated[
    float | None,
    typer.Option(help="Score from which on a sample is right, where scores are not 0 or 1."),
]
ColumnFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="ROLE=NAME",
        help="What a column is: question, gold, text, correct, id, ...; repeat it.",
    ),
]  # fmt: skip
DuplicatesFlag = Annotated[
    str, typer.Option(help="Draws that stand in the log twice: error, drop or keep.")
]


def source_of(
    form: str | None,
    score: str | None,
    threshold: float | None,
    column: list[str] | None,
    verifier: str | None,
    duplicates: str = "error",
) -> Source:
    """The flags as one record.

    Raises:
        ConfigError: a value that is not of its kind.
    """
    from pathshift.errors import ConfigError
    from pathshift.rollout.ingest import Source
    from pathshift.store.importers.logged import ReadOptions

    if duplicates not in ("error", "drop", "keep"):
        raise ConfigError(f"--duplicates takes error, drop or keep, got {duplicates!r}")
    pairs = [text.partition("=") for text in column or []]
    for (name, equals, value), text in zip(pairs, column or [], strict=True):
        if not (name and equals and value):
            raise ConfigError(f"--column takes ROLE=NAME, got {text!r}")
    return Source(
        read=ReadOptions(
            format=form, score=score, threshold=threshold,
            columns={name: value for name, _, value in pairs},
        ),
        verifier=verifier,
        duplicates=cast("Duplicates", duplicates),
    )  # fmt: skip
