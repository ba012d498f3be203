"""Both models' numbers token by token, a few problems at a time, summed by problem and kind.

What stays in memory are sums by problem and kind, one row a distinct token text, and the places of
the largest changes; the token lists of a batch of problems come and go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pathshift.stats.passk import FloatArray, IntArray
from pathshift.store.scores import Scorer, own_scores, read_scores
from pathshift.traces.token_classes import CLASSES, PHASES, token_kinds

BATCH_TOKENS = 500_000
FORKS = ("before a fork", "at a fork", "after a fork", "elsewhere")
NEAR_FORK = 2
"""Tokens on either side of a fork that are called before and after it; a fork itself is at one."""

POSITIONS = ("0", "1", *(f"{2**i}-{2 ** (i + 1) - 1}" for i in range(1, 20)))
DECILES = tuple(f"{i / 10:.1f}-{(i + 1) / 10:.1f}" for i in range(10))
KINDS: Mapping[str, tuple[str, ...]] = {
    "class": CLASSES, "phase": PHASES, "fork": FORKS, "position": POSITIONS, "decile": DECILES,
}  # fmt: skip
SUMMED = ("n", "change", "size", "base_entropy", "tuned_entropy")
N_PLACES = 40
_ENTROPY_BINS = np.linspace(0, 16, 6401)


class Tokens(NamedTuple):
    """Tokens of a batch's samples end to end, with samples as ranges.

    Attributes:
        problem: Number of each sample's problem, shape (S,).
        keys: Problem id and sample number of each sample.
        starts: Where each sample begins, and the end of the last, shape (S + 1,).
        pieces: Texts of the tokens, shape (N,).
        base, tuned: ln p at T=1 by either model, shape (N,).
        base_entropy, tuned_entropy: In nats, shape (N,).
        n_unmatched: Samples without token lists of the same tokens by both.
    """

    problem: IntArray
    keys: list[tuple[str, int]]
    starts: IntArray
    pieces: pa.Array
    base: FloatArray
    tuned: FloatArray
    base_entropy: FloatArray
    tuned_entropy: FloatArray
    n_unmatched: int


class Found(NamedTuple):
    """Where a token stands and what became of it."""

    problem_id: str
    sample_no: int
    position: int
    change: float
    base: float
    tuned: float


@dataclass(slots=True, kw_only=True)
class PieceSums:
    """Of one token text over all samples, and the place of its largest change either way."""

    count: int = 0
    total: float = 0.0
    highest: Found | None = None
    lowest: Found | None = None


@dataclass(slots=True, kw_only=True)
class Sums:
    """What is kept of all batches.

    Attributes:
        tables: By kind of grouping: shape (len(SUMMED), Q, groups).
        samples: Samples by problem, shape (Q,).
        places: Largest absolute changes so far.
    """

    tables: dict[str, FloatArray]
    samples: IntArray
    pieces: dict[str, PieceSums] = field(default_factory=dict)
    places: list[Found] = field(default_factory=list)
    n_unmatched: int = 0
    n_infinite: int = 0

    @classmethod
    def empty(cls, n_problems: int) -> Sums:
        """Nothing seen yet."""
        return cls(
            tables={
                kind: np.zeros((len(SUMMED), n_problems, len(names)))
                for kind, names in KINDS.items()
            },
            samples=np.zeros(n_problems, dtype=np.int64),
        )


def batches(ids: Sequence[str], n_tokens: IntArray) -> Iterator[list[str]]:
    """Problems in order, as many at a time as hold `BATCH_TOKENS` tokens, at least one.

    Args:
        n_tokens: Tokens by problem, shape (Q,).
    """
    batch: list[str] = []
    held = 0
    for name, size in zip(ids, n_tokens, strict=True):
        if batch and held + size > BATCH_TOKENS:
            yield batch
            batch, held = [], 0
        batch.append(name)
        held += int(size)
    if batch:
        yield batch


def read_tokens(
    run: Path, scorer: Scorer, problem_ids: Sequence[str], numbers: Mapping[str, int], *, own: str
) -> Tokens:
    """Samples of some problems that both models scored over the same tokens.

    Args:
        numbers: Number of each problem, by id.
        own: "base" or "tuned": whose run it is.
    """
    ours = own_scores(run, traced=True, problem_ids=problem_ids)
    theirs = read_scores(run, scorer.name, traced=True, problem_ids=problem_ids)
    left, right = _aligned(ours, theirs)
    n_all = pc.count_distinct(
        pa.chunked_array([*ours["sample_id"].chunks, *theirs["sample_id"].chunks], pa.string())
    ).as_py()
    ids, drawn = left["problem_id"].to_pylist(), left["sample_no"].to_pylist()
    lengths = np.asarray(pc.list_value_length(left["token_ids"])).astype(np.int64)
    sides = (left, right) if own == "base" else (right, left)
    numbered = [_flat(side, name) for name in ("logprobs", "entropies") for side in sides]
    return Tokens(
        problem=np.array([numbers[name] for name in ids], dtype=np.int64),
        keys=list(zip(ids, drawn, strict=True)),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        pieces=pc.list_flatten(_whole(left["pieces"])),
        base=numbered[0], tuned=numbered[1],
        base_entropy=numbered[2], tuned_entropy=numbered[3],
        n_unmatched=int(n_all) - len(ids),
    )  # fmt: skip


def read_pieces(
    run: Path, scorer: Scorer, problem_ids: Sequence[str], wanted: Sequence[Found]
) -> dict[tuple[str, int], list[str]]:
    """Token texts of the samples in which some tokens stand, by problem id and sample number."""
    table = read_scores(run, scorer.name, traced=True, problem_ids=problem_ids)
    names = pa.array([f"{found.problem_id}#{found.sample_no}" for found in wanted])
    some = table.filter(pc.is_in(table["sample_id"], names)).select(
        ["problem_id", "sample_no", "pieces"]
    )
    return {(row["problem_id"], row["sample_no"]): row["pieces"] for row in some.to_pylist()}


def _aligned(ours: pa.Table, theirs: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows of both for the samples whose token lists are the same."""
    places = pc.index_in(ours["sample_id"], theirs["sample_id"].combine_chunks())
    known = pc.and_(pc.is_valid(places), pc.is_valid(ours["token_ids"]))
    left = ours.filter(known).combine_chunks()
    right = theirs.take(pc.drop_null(places.filter(known))).combine_chunks()
    pairs = zip(_lists(left), _lists(right), strict=True)
    same = pa.array([len(a) > 0 and np.array_equal(a, b) for a, b in pairs], pa.bool_())
    return left.filter(same).combine_chunks(), right.filter(same).combine_chunks()


def _lists(table: pa.Table) -> Iterator[npt.NDArray[Any]]:
    for scalar in table["token_ids"]:
        yield np.asarray(scalar.values) if scalar.is_valid else np.zeros(0, dtype=np.int32)


def _flat(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(pc.list_flatten(_whole(table[name]))).astype(np.float64)


def _whole(column: Any) -> pa.Array:
    """One array of a column in one or no chunk; combining keeps the wrapper in some versions."""
    found = column.combine_chunks()
    if not isinstance(found, pa.ChunkedArray):
        return found
    return found.chunk(0) if found.num_chunks else pa.array([], found.type)


def entropy_counts(tokens: Tokens) -> FloatArray:
    """Base entropies by fine bins, for their quantiles over a run of any size."""
    clipped = np.clip(tokens.base_entropy, 0, _ENTROPY_BINS[-1] - 1e-9)
    return np.histogram(clipped, _ENTROPY_BINS)[0].astype(float)


def entropy_quantile(counts: FloatArray, at: float) -> float:
    """Upper edge of the bin that holds the quantile, within .0025 nats; NaN without tokens."""
    if not counts.sum():
        return float("nan")
    below = np.cumsum(counts)
    return float(_ENTROPY_BINS[1 + int(np.searchsorted(below, at * below[-1]))])


def add_tokens(sums: Sums, tokens: Tokens, fork_entropy: float) -> None:
    """Add a batch to the sums; tokens with an infinite change are counted and passed over."""
    sums.n_unmatched += tokens.n_unmatched
    np.add.at(sums.samples, tokens.problem, 1)
    with np.errstate(invalid="ignore"):
        change = tokens.tuned - tokens.base
    kept = np.isfinite(change)
    sums.n_infinite += int((~kept).sum())
    lengths = np.diff(tokens.starts)
    problem = np.repeat(tokens.problem, lengths)[kept]
    values = np.vstack([
        np.ones(kept.sum()), change[kept], np.abs(change[kept]),
        tokens.base_entropy[kept], tokens.tuned_entropy[kept],
    ])  # fmt: skip
    for kind, group in _groups(tokens, fork_entropy).items():
        for i, row in enumerate(values):
            np.add.at(sums.tables[kind][i], (problem, group[kept]), row)
    _add_pieces(sums, tokens, change, kept)


def _groups(tokens: Tokens, fork_entropy: float) -> dict[str, npt.NDArray[Any]]:
    """Group of every token in each kind of grouping."""
    lengths = np.diff(tokens.starts)
    position = np.arange(int(tokens.starts[-1])) - np.repeat(tokens.starts[:-1], lengths)
    texts = tokens.pieces.to_pylist()
    kinds = [
        token_kinds(texts[start:end])
        for start, end in zip(tokens.starts[:-1], tokens.starts[1:], strict=True)
    ]
    nothing = [np.zeros(0, dtype=np.int8)]
    doubling = np.where(position < 2, position, np.log2(np.maximum(position, 1)) + 1)
    return {
        "class": np.concatenate(nothing + [found.of_class for found in kinds]),
        "phase": np.concatenate(nothing + [found.phase for found in kinds]),
        "fork": _near_forks(tokens, fork_entropy),
        "position": np.minimum(doubling.astype(np.int64), len(POSITIONS) - 1),
        "decile": position * 10 // np.repeat(lengths, lengths),
    }


def _near_forks(tokens: Tokens, fork_entropy: float) -> IntArray:
    """Index into `FORKS`; neighbours in another sample do not count."""
    is_fork = tokens.base_entropy > fork_entropy
    sample = np.repeat(np.arange(len(tokens.problem)), np.diff(tokens.starts))
    found = np.full(len(is_fork), FORKS.index("elsewhere"))
    for name, sign in (("before a fork", 1), ("after a fork", -1)):
        for distance in range(NEAR_FORK, 0, -1):
            there = np.roll(is_fork, -sign * distance)
            there &= np.roll(sample, -sign * distance) == sample
            found[there] = FORKS.index(name)
    found[is_fork] = FORKS.index("at a fork")
    return found


def _add_pieces(
    sums: Sums, tokens: Tokens, change: FloatArray, kept: npt.NDArray[np.bool_]
) -> None:
    coded = tokens.pieces.dictionary_encode()
    codes, names = np.asarray(coded.indices), coded.dictionary.to_pylist()
    index = np.flatnonzero(kept)
    if not len(index):
        return
    # Stable sorts: of equal changes the first in the run is the one that is shown.
    upwards, downwards = (index[np.lexsort((c[index], codes[index]))] for c in (change, -change))
    ordered = codes[upwards]
    firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[firsts, len(ordered)])
    totals = np.add.reduceat(change[upwards], firsts)
    for first, count, total in zip(firsts, counts, totals, strict=True):
        piece = sums.pieces.setdefault(names[ordered[first]], PieceSums())
        piece.count += int(count)
        piece.total += float(total)
        low, high = (_place(tokens, int(order[first]), change) for order in (upwards, downwards))
        if piece.lowest is None or low.change < piece.lowest.change:
            piece.lowest = low
        if piece.highest is None or high.change > piece.highest.change:
            piece.highest = high
    far = index[np.argsort(-np.abs(change[index]), kind="stable")[:N_PLACES]]
    sums.places += [_place(tokens, int(i), change) for i in far]
    sums.places = sorted(sums.places, key=lambda p: -abs(p.change))[:N_PLACES]


def _place(tokens: Tokens, token: int, change: FloatArray) -> Found:
    sample = int(np.searchsorted(tokens.starts, token, side="right")) - 1
    problem_id, number = tokens.keys[sample]
    return Found(
        problem_id, number, token - int(tokens.starts[sample]), float(change[token]),
        float(tokens.base[token]), float(tokens.tuned[token]),
    )  # fmt: skip
