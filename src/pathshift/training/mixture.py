"""A mixture of sources: which document comes when, and the table of what will be drawn.

Sources have weights, their shares of the tokens; without weights each source is seen equally often.
Within a source every epoch is a new order, made from the seed alone. Sources take turns so that the
shares hold at every point of the training, not only at its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError

MOST_DRAWS = 50_000_000
"""Documents of one plan, which is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSize:
    """What the plan needs of a source.

    Attributes:
        name: What the table calls it.
        weight: Share of the tokens, relative to the other weights; None if none is given.
        lengths: Tokens of each document.
    """

    name: str
    weight: float | None
    lengths: Sequence[int]

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents together."""
        return sum(self.lengths)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source in the table.

    Attributes:
        documents, tokens: What the source holds.
        weight: As given; None without weights.
        share: Of the tokens to be drawn.
        drawn_documents, drawn_tokens: What will be drawn.
        epochs: Times the source is seen, in tokens: drawn_tokens / tokens.
    """

    source: str
    documents: int
    tokens: int
    weight: float | None
    share: float
    drawn_documents: int
    drawn_tokens: int
    epochs: float


Draw = tuple[int, int]
"""Source number and document number."""


def weights_checked(weights: Sequence[tuple[str, float | None]]) -> None:
    """Refuse weights that say nothing clear.

    Raises:
        ConfigError: some sources have a weight and others not, or one is not above 0.
    """
    bare = [name for name, weight in weights if weight is None]
    if bare and len(bare) < len(weights):
        raise ConfigError(
            f"--data {bare[0]} has no weight and others have; give each one FILE:WEIGHT, or none"
        )
    for name, weight in weights:
        if weight is not None and not (0 < weight < math.inf):
            raise ConfigError(f"--data {name}: the weight must be above 0, got {weight:g}")


def quotas(sources: Sequence[SourceSize], n_tokens: float) -> list[float]:
    """Tokens to draw of each source, `n_tokens` in all.

    >>> quotas([SourceSize(name="a", weight=3, lengths=[10]),
    ...         SourceSize(name="b", weight=1, lengths=[10])], 100)
    [75.0, 25.0]
    """
    weights_checked([(source.name, source.weight) for source in sources])
    weights = [s.n_tokens if s.weight is None else s.weight for s in sources]
    return [n_tokens * weight / sum(weights) for weight in weights]


def planned(sources: Sequence[SourceSize], n_tokens: float, seed: int) -> list[Draw]:
    """The order of the documents until every source has given its quota of tokens.

    The next document comes from the source that has given the smallest part of its quota so far,
    the first of several. The last document of a source may exceed its quota by part of itself.

    Args:
        n_tokens: In all; `epochs` times all tokens gives each document exactly `epochs` times where
            there are no weights.

    Raises:
        ConfigError: a source is empty, or the plan would not fit into memory.
    """
    for source in sources:
        if not source.n_tokens:
            raise ConfigError(f"{source.name} holds no document that can be used")
    wanted = quotas(sources, n_tokens)
    for source, quota in zip(sources, wanted, strict=True):
        if quota / source.n_tokens * len(source.lengths) > MOST_DRAWS:
            raise ConfigError(f"more than {MOST_DRAWS:,} documents of {source.name} to draw")
    given = [0] * len(sources)
    orders: list[list[int]] = [[] for _ in sources]
    epochs = [0] * len(sources)
    plan: list[Draw] = []
    while (at := _next(given, wanted)) is not None:
        if not orders[at]:
            orders[at] = _order(len(sources[at].lengths), seed, at, epochs[at])
            epochs[at] += 1
        number = orders[at].pop()
        given[at] += sources[at].lengths[number]
        plan.append((at, number))
    return plan


def _next(given: Sequence[int], wanted: Sequence[float]) -> int | None:
    # Half a token of slack: a quota is a product of floats and may miss a whole number by rounding.
    open_ = [i for i, quota in enumerate(wanted) if given[i] < quota - 0.5]
    return min(open_, key=lambda i: given[i] / wanted[i], default=None)


def _order(n: int, seed: int, source: int, epoch: int) -> list[int]:
    drawn = np.random.default_rng(seed_of("mixture", seed, source, epoch)).permutation(n)
    return [int(number) for number in drawn]


def table(sources: Sequence[SourceSize], draws: Sequence[Draw]) -> list[SourceRow]:
    """What a plan draws of each source, counted."""
    documents, tokens = [0] * len(sources), [0] * len(sources)
    for at, number in draws:
        documents[at] += 1
        tokens[at] += sources[at].lengths[number]
    return [
        SourceRow(
            source=source.name,
            documents=len(source.lengths),
            tokens=source.n_tokens,
            weight=source.weight,
            share=tokens[i] / max(1, sum(tokens)),
            drawn_documents=documents[i],
            drawn_tokens=tokens[i],
            epochs=tokens[i] / source.n_tokens,
        )
        for i, source in enumerate(sources)
    ]


def table_lines(rows: Sequence[SourceRow]) -> list[str]:
    """The table for a terminal, with a last line of sums where there are several sources."""
    head = ["source", "documents", "tokens", "weight", "share", "to be drawn", "epochs"]
    cells = [head, *(_cells(row) for row in rows)]
    if len(rows) > 1:
        drawn, held = sum(r.drawn_tokens for r in rows), sum(r.tokens for r in rows)
        n_documents = sum(r.documents for r in rows)
        sums = [f"{n_documents:,}", f"{held:,}", "", "100.0%", f"{drawn:,}", f"{drawn / held:.2f}"]
        cells.append(["all", *sums])
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def _cells(row: SourceRow) -> list[str]:
    weight = "-" if row.weight is None else f"{row.weight:g}"
    return [
        row.source, f"{row.documents:,}", f"{row.tokens:,}", weight, f"{row.share:.1%}",
        f"{row.drawn_tokens:,}", f"{row.epochs:.2f}",
    ]  # fmt: skip


def table_dict(rows: Sequence[SourceRow]) -> list[dict[str, Any]]:
    """The table as JSON values."""
    return [asdict(row) for row in rows]
