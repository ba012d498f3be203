"""What models give to a run's samples: `scores/<name>/*.parquet` beside `scorer.json`.

Samples, verdicts and scores have the same keys. A scorer's folder has a lock of its own, so that
two models may score one run at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pathshift.errors import ConfigMismatch, RunError
from pathshift.records import Score
from pathshift.store import rows
from pathshift.store.compaction import compact
from pathshift.store.manifest import write_json
from pathshift.store.run import RunFolder, SampleKey, keys_in, take_lock
from pathshift.store.shards import read_shards, remove_replaced, write_shard

FILE_NAME = "scorer.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A model that scored a run, and how.

    Attributes:
        name: Of its folder.
        model: Model spec.
        tokenizer: Hash by which two models are known to share a tokenizer; empty if unknown.
        policy: temperature, top_k, top_p, min_p behind `policy_logprob_sum`.
        has_traces: Whether the scores are stored token by token.
    """

    name: str
    model: str
    weights_hash: str
    tokenizer: str
    dtype: str | None
    policy: Mapping[str, float] = field(default_factory=dict)
    has_traces: bool = True


def scorers(run: Path) -> list[Scorer]:
    """Who scored a run, by name.

    Raises:
        RunError: a folder without a readable scorer.json.
    """
    folders = sorted(path for path in (run / "scores").glob("*") if path.is_dir())
    return [_read(folder) for folder in folders]


def _read(folder: Path) -> Scorer:
    path = folder / FILE_NAME
    try:
        return Scorer(**{**json.loads(path.read_text(encoding="utf-8")), "name": folder.name})
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise RunError(
            f"{path} does not say who scored ({reason}); remove {folder} and score again"
        ) from error


POLICY_FIELDS: Mapping[str, float] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""What makes a policy's probabilities, with the values that leave them as the model gives them."""


def policy_stated(config: Mapping[str, Any]) -> dict[str, float]:
    """The policy of a run's configuration; what it does not state is off."""
    stated = {name: config.get(name) for name in POLICY_FIELDS}
    return {n: POLICY_FIELDS[n] if value is None else value for n, value in stated.items()}


def has_policy(scorer: Scorer, config: Mapping[str, Any]) -> bool:
    """Whether the scorer's policy is the one of a run's configuration."""
    return policy_stated(scorer.policy) == policy_stated(config)


def scorer_like(run: Path, other: Path, *, any_policy: bool = False) -> Scorer | None:
    """Who scored `run` with the weights of the run `other`; None if nobody did.

    One that stores every token comes before one that stores sums.

    Args:
        any_policy: Take one with another policy than `other`'s where there is no better.
    """
    config = RunFolder(other).manifest.config
    found = [s for s in scorers(run) if s.weights_hash == config.get("weights_hash")]
    if not any_policy:
        found = [scorer for scorer in found if has_policy(scorer, config)]
    best = sorted(found, key=lambda s: (not has_policy(s, config), not s.has_traces, s.name))
    return best[0] if best else None


def read_scores(
    run: Path, name: str, *, traced: bool = False, problem_ids: Sequence[str] | None = None
) -> pa.Table:
    """A scorer's rows.

    Args:
        traced: With the columns token by token; all null where the scorer has none.
        problem_ids: Rows of these problems only; None for all.

    Returns:
        `SCORE_COLUMNS`, and `TRACE_COLUMNS` if traced.

    Raises:
        RunError: no such scorer.
        DamagedShard, DuplicateSamples: as `read_shards`.
    """
    scorer = _read(folder_of(run, name))
    columns = rows.TRACED_SCORE_COLUMNS if traced and scorer.has_traces else rows.SCORE_COLUMNS
    table = read_shards(folder_of(run, name), columns, problem_ids=problem_ids)
    return _with_empty_traces(table) if traced and not scorer.has_traces else table


def _with_empty_traces(table: pa.Table) -> pa.Table:
    for column in rows.TRACE_COLUMNS:
        table = table.append_column(column, pa.nulls(len(table), column.type))
    return table


def own_scores(
    run: Path, *, traced: bool = False, problem_ids: Sequence[str] | None = None
) -> pa.Table:
    """What the run's own model gives to its samples, with the columns of `read_scores`.

    From the run itself where it stores tokens, else from a scorer with the run's weights.

    Raises:
        RunError: neither is there; names the command that scores.
    """
    folder = RunFolder(run)
    if folder.has_traces:
        return _from_samples(folder, problem_ids, traced=traced)
    scorer = scorer_like(run, run)
    if scorer is None:
        raise RunError(
            f"{run} holds no scores of its own model; run `pathshift score --as {run} {run}`"
        )
    return read_scores(run, scorer.name, traced=traced, problem_ids=problem_ids)


def _from_samples(
    folder: RunFolder, problem_ids: Sequence[str] | None, *, traced: bool
) -> pa.Table:
    table = read_shards(
        folder.samples_path, rows.TRACED_SAMPLE_COLUMNS, problem_ids=problem_ids
    ).filter(pc.field("token_ids").is_valid())
    columns = {
        **{
            name: table.column(name)
            for name in (*rows.KEY_COLUMNS.names, *rows.TRACE_COLUMNS.names)
        },
        "n_tokens": pc.list_value_length(table.column("token_ids")),
        "n_bytes": pc.binary_length(table.column("text")).cast(pa.int32()),
        "logprob_sum": table.column("logprob_sum"),
        "policy_logprob_sum": table.column("sampling_logprob_sum"),
        "entropy_sum": _sums(table.column("entropies")),
        "tokens_from": pa.array(["sampled"] * len(table)),
        "detail": pa.array([""] * len(table)),
    }
    wanted = rows.TRACED_SCORE_COLUMNS if traced else rows.SCORE_COLUMNS
    return pa.table([columns[name] for name in wanted.names], schema=wanted)


def _sums(lists: pa.ChunkedArray) -> pa.Array:
    """Sum of each list, in fp64."""
    values, owners = (
        np.asarray(step(lists.combine_chunks()))
        for step in (pc.list_flatten, pc.list_parent_indices)
    )
    return pa.array(np.bincount(owners, weights=values, minlength=len(lists)), pa.float64())


def folder_of(run: Path, name: str) -> Path:
    """Folder of a scorer.

    Raises:
        RunError: the name is no plain name.
    """
    if not _NAME.fullmatch(name):
        raise RunError(f"scorer {name[:60]!r} is not a name of letters, digits, - . _")
    return run / "scores" / name


class ScoreWriter:
    """The one process that writes a scorer's folder; use as a context manager.

    What is added in one call is on disk whole or not at all, so that a batch that was scored
    together is never split.

    Raises:
        ConfigMismatch: the folder holds the scores of another model or policy.
        RunLocked: another process writes there.
    """

    def __init__(self, run: Path, scorer: Scorer) -> None:
        self.run, self.scorer = RunFolder(run), scorer
        self.path = folder_of(run, scorer.name)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self.path)
        self._columns = rows.TRACED_SCORE_COLUMNS if scorer.has_traces else rows.SCORE_COLUMNS
        self._scores: list[Score] = []
        try:
            self._name_itself()
        except BaseException:
            self._lock.close()
            raise

    def _name_itself(self) -> None:
        if (self.path / FILE_NAME).exists():
            self._check(_read(self.path))
        else:
            write_json(asdict(self.scorer), self.path / FILE_NAME)

    def _check(self, have: Scorer) -> None:
        for name, old in asdict(have).items():
            new = getattr(self.scorer, name)
            if old != new:
                raise ConfigMismatch(
                    f"{self.path} was scored with {name}={old!r}, now asked with {new!r}; "
                    "give another --name"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            self._lock.close()

    def scored(self) -> set[SampleKey]:
        """Keys of the scores on disk; clears what an earlier kill left unfinished."""
        remove_replaced(self.path)
        return keys_in(self.path)

    def add(self, scores: Sequence[Score]) -> None:
        """Take a batch that was scored together."""
        self._scores.extend(scores)

    @property
    def waiting(self) -> int:
        """Scores that are not on disk yet."""
        return len(self._scores)

    def flush(self) -> None:
        """Close the open shard."""
        if self._scores:
            write_shard(rows.score_table(self._scores, traced=self.scorer.has_traces), self.path)
            self._scores = []

    def compact(self) -> None:
        """Join the shards into one, in the order of the problems."""
        self.flush()
        compact(self.path, self._columns, [problem.id for problem in self.run.problems()])
