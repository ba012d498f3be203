"""Two runs on the same problems with what both models give to their samples, as aligned arrays.

Joins samples, verdicts and scores by sample. Texts are read shard by shard and dropped; what stays
in memory is a handful of numbers a sample. Token lists are not read here (see `shift`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pathshift.analysis.pairing import Pair, pair_up
from pathshift.errors import ConfigError, RunError
from pathshift.stats.bands import Weights, cluster_weights, dirichlet_weights
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.store import rows
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder
from pathshift.store.scores import Scorer, own_scores, read_scores, scorer_like, scorers
from pathshift.store.shards import live_shards, read_shard, read_shards

BoolArray = npt.NDArray[np.bool_]

_SAMPLE_FIELDS = ("sample_id", "problem_id", "sample_no", "text", "n_tokens", "finish_reason",
                  "logprob_sum", "sampling_logprob_sum")  # fmt: skip
_SAMPLES = pa.schema([rows.SAMPLE_COLUMNS.field(name) for name in _SAMPLE_FIELDS])
_SLACK = (1e-3, 0.05)
"""Nats a token, and nats at all, by which two scores of the same tokens may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapping:
    """How intervals over problems are drawn.

    Attributes:
        level: Chance that an interval holds.
        replicates: Random problem weights.
    """

    level: float = 0.95
    replicates: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 0.5 <= self.level < 1:
            raise ConfigError(f"level must be from .5 to below 1, got {self.level}; .95 is usual")
        if not 200 <= self.replicates <= 100_000:
            raise ConfigError(f"replicates must be 200 to 100000, got {self.replicates}")

    def weights(self, pair: Pair) -> Weights:
        """Random weights, one column a problem of the pair; whole clusters are drawn together."""
        rng, n = np.random.default_rng(self.seed), len(pair.base.counts)
        clusters = pair.clusters()
        if clusters is None:
            return dirichlet_weights(np.ones(n), self.replicates, rng)
        sizes = np.bincount(clusters).astype(float)
        drawn = cluster_weights(sizes, self.replicates, rng)
        by_problem = drawn.rows[:, clusters] / sizes[clusters]
        return drawn._replace(rows=by_problem, share=np.full(n, 1 / n))


def part_of(weights: Weights, problems: npt.NDArray[Any]) -> Weights:
    """The weights of some problems alone, rows summing to 1 again with the end atoms."""
    kept = weights.rows[:, problems]
    total = kept.sum(axis=1, keepdims=True) + weights.atoms.sum(axis=1, keepdims=True)
    share = np.full(kept.shape[1], 1 / kept.shape[1])
    return weights._replace(rows=kept / total, atoms=weights.atoms / total, share=share)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredRun:
    """A run's samples on the shared problems; arrays of one length. NaN: no score.

    Attributes:
        problem: Number of the problem in the pair.
        is_cut: Ended by the token limit.
        n_tokens: Drawn tokens; 0 if unknown.
        n_bytes: Of the text in UTF-8.
        own: ln p of the drawn tokens by the run's model at T=1.
        own_policy: The same under the policy that drew them.
        other: ln p by the other model at T=1; NaN throughout where nobody else scored.
        other_policy: The same under the other's policy; -inf where that leaves a token out.
        other_tokens: Tokens that the other model scored.
        is_exact: Whether the other's score is of the very tokens that were drawn.
        unscored: Why samples have no score by the other, and how many.
        shares_tokenizer: Whether both models cut texts alike; None if unknown.
        scorer: Who the other is; None where nobody else scored.
        is_pilot: Whether only the draws before a stopping rule could act were kept.
    """

    problem: IntArray
    sample_no: IntArray
    is_correct: BoolArray
    is_failed: BoolArray
    is_cut: BoolArray
    n_tokens: IntArray
    n_bytes: IntArray
    own: FloatArray
    own_policy: FloatArray
    other: FloatArray
    other_policy: FloatArray
    other_tokens: IntArray
    is_exact: BoolArray
    unscored: Mapping[str, int]
    shares_tokenizer: bool | None
    scorer: Scorer | None
    is_pilot: bool

    def kept(self, which: BoolArray) -> ScoredRun:
        """Only these samples."""
        parts = {
            field.name: getattr(self, field.name)[which]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return replace(self, **parts)

    def counts(self, n_problems: int) -> IntArray:
        """Columns n and c by problem, failed samples left out, shape (Q, 2)."""
        judged = np.bincount(self.problem[~self.is_failed], minlength=n_problems)
        right = np.bincount(self.problem[self.is_correct], minlength=n_problems)
        return np.column_stack([judged, right])


def matched(base: Path, tuned: Path, *, verifier: str | None = None, common: bool = False) -> Pair:
    """The problems that both runs hold; see `pair_up`."""
    tables = [run_counts(path, verifier=verifier) for path in (base, tuned)]
    return pair_up(tables[0], tables[1], common=common)


def need_scores(run: Path, other: Path) -> RunError:
    """What to tell a user whose run the other run's model has not scored."""
    return RunError(
        f"{run} has no scores by the model of {other}; run `pathshift score --as {other} {run}`"
    )


def scored_run(
    run: Path, ids: Sequence[str], other: Path | None, *, verifier: str | None = None
) -> ScoredRun:
    """Samples of some problems with both models' scores.

    Where the other model encoded the text again, its score is of the drawn tokens only if they are
    what the text encodes to. That is taken for granted where the run's own model gives the
    encoded text the very ln p that the drawn tokens had (within .001 a token and .05), and the same
    number of tokens; else `is_exact` is False. Of all token sequences of one text then at most one
    carries a weight, so weights never add the same answer twice and a lower bound stays one.

    Args:
        ids: The run's problems in the order of the pair.
        other: Run folder of the model that scored; None for the run's own scores alone.
        verifier: Whose verdicts; None for the run's own.
    """
    folder = RunFolder(run)
    table = _samples(folder, ids)
    columns = _own_columns(folder, table, ids, verifier)
    scorer = None if other is None else scorer_like(run, other, any_policy=True)
    ours = _own_table(run) if _needs_own_table(columns) or scorer is not None else None
    if ours is not None:
        _fill_own(columns, _values(ours, table))
    if scorer is None:
        columns |= _no_scores(len(table))
    else:
        theirs = read_scores(run, scorer.name)
        columns |= _other_columns(table, theirs, ours, columns)
    found = ScoredRun(
        **columns,
        shares_tokenizer=None if scorer is None else _shares(folder, scorer),
        scorer=scorer,
        is_pilot=folder.manifest.config.get("stopping") is not None,
    )
    return _pilot(folder, found)


def _samples(folder: RunFolder, ids: Sequence[str]) -> pa.Table:
    """Sample rows of these problems without their texts, `n_bytes` in their place."""
    parts = []
    for path in live_shards(folder.samples_path):
        part = read_shard(path, _SAMPLES, problem_ids=ids)
        size = pc.binary_length(part.column("text")).cast(pa.int32())
        parts.append(part.drop_columns(["text"]).append_column("n_bytes", size))
    return pa.concat_tables(parts).combine_chunks()


def _own_columns(
    folder: RunFolder, table: pa.Table, ids: Sequence[str], verifier: str | None
) -> dict[str, Any]:
    name = verifier or str(folder.manifest.config["verifier"])
    verdicts = read_shards(folder.verdicts_path(name), rows.OUTCOME_COLUMNS)
    outcome = verdicts.column("outcome").take(_places(verdicts, table))
    return {
        "problem": _numbers(pc.index_in(table.column("problem_id"), pa.array(list(ids))), 0, int),
        "sample_no": _numbers(table.column("sample_no"), 0, int),
        "is_correct": _equal(outcome, "correct"),
        "is_failed": _equal(outcome, "failed"),
        "is_cut": _equal(table.column("finish_reason"), "length"),
        "n_tokens": _numbers(table.column("n_tokens"), 0, int),
        "n_bytes": _numbers(table.column("n_bytes"), 0, int),
        "own": _numbers(table.column("logprob_sum"), np.nan, float),
        "own_policy": _numbers(table.column("sampling_logprob_sum"), np.nan, float),
    }


def _needs_own_table(columns: Mapping[str, Any]) -> bool:
    return bool(np.isnan(columns["own"]).any())


def _own_table(run: Path) -> pa.Table | None:
    """Scores by the run's own model; None where there are none."""
    try:
        return own_scores(run)
    except RunError:
        return None


def _fill_own(columns: dict[str, Any], ours: Mapping[str, Any]) -> None:
    """Where a run stores no ln p of its own, its model's score stands in at T=1.

    Not under the policy: which tokens were drawn is then not known.
    """
    is_unknown = np.isnan(columns["own"])
    columns["own"] = np.where(is_unknown, ours["logprob_sum"], columns["own"])
    tokens = np.where(is_unknown | (columns["n_tokens"] == 0), ours["n_tokens"], 0)
    columns["n_tokens"] = np.where(tokens > 0, tokens, columns["n_tokens"])


def _other_columns(
    table: pa.Table, theirs: pa.Table, ours: pa.Table | None, columns: Mapping[str, Any]
) -> dict[str, Any]:
    found = _values(theirs, table)
    is_scored = ~np.isnan(found["logprob_sum"])
    is_exact = is_scored & found["is_sampled"]
    if ours is not None:
        is_exact |= is_scored & _same_tokens(columns, _values(ours, table), found)
    reasons = theirs.column("detail").take(_places(theirs, table)).to_pylist()
    why = Counter(
        reason or "not scored"
        for reason, known in zip(reasons, is_scored, strict=True)
        if not known
    )
    return {
        "other": found["logprob_sum"],
        "other_policy": found["policy_logprob_sum"],
        "other_tokens": found["n_tokens"],
        "is_exact": is_exact,
        "unscored": dict(why),
    }


def _same_tokens(
    columns: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> BoolArray:
    """Whether the encoded text is what was drawn, as far as ln p and length can tell."""
    n = columns["n_tokens"]
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours["logprob_sum"] - columns["own"])
    near = apart <= _SLACK[0] * n + _SLACK[1]
    has_length = (ours["n_tokens"] == n) & (theirs["n_tokens"] == n)
    # A run that stored no ln p of its draws was filled from this very score and tells nothing.
    out: BoolArray = near & has_length & ~np.isnan(columns["own_policy"])
    return out


def _no_scores(size: int) -> dict[str, Any]:
    nothing = np.full(size, np.nan)
    return {
        "other": nothing, "other_policy": nothing, "other_tokens": np.zeros(size, dtype=np.int64),
        "is_exact": np.zeros(size, dtype=bool), "unscored": {},
    }  # fmt: skip


def _values(scores: pa.Table, table: pa.Table) -> dict[str, Any]:
    """Numbers of a score table in the order of the samples; NaN and 0 where it has no row."""
    found = scores.take(_places(scores, table))
    return {
        "logprob_sum": _numbers(found.column("logprob_sum"), np.nan, float),
        "policy_logprob_sum": _numbers(found.column("policy_logprob_sum"), np.nan, float),
        "n_tokens": _numbers(found.column("n_tokens"), 0, int),
        "is_sampled": _equal(found.column("tokens_from"), "sampled"),
    }


def _places(rows_of: pa.Table, table: pa.Table) -> pa.Array:
    """Row of each sample in another table; null where it has none."""
    places = pc.index_in(table.column("sample_id"), rows_of.column("sample_id").combine_chunks())
    return places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places


def _numbers(column: Any, missing: float, kind: type) -> npt.NDArray[Any]:
    filled = pc.fill_null(column.cast(pa.float64()), float(missing))
    return np.asarray(filled).astype(np.int64 if kind is int else np.float64)


def _equal(column: Any, text: str) -> BoolArray:
    found = pc.fill_null(pc.equal(column, text), fill_value=False)
    out: BoolArray = np.asarray(found).astype(bool)
    return out


def _shares(folder: RunFolder, scorer: Scorer) -> bool | None:
    """Whether the scorer's tokenizer is the run's; None if one of them is unknown."""
    details = folder.manifest.environment.get("details") or {}
    own = str(details.get("tokenizer") or "") or _own_tokenizer(folder)
    return own == scorer.tokenizer if own and scorer.tokenizer else None


def _own_tokenizer(folder: RunFolder) -> str:
    weights = folder.manifest.config.get("weights_hash")
    return next((s.tokenizer for s in scorers(folder.path) if s.weights_hash == weights), "")


def _pilot(folder: RunFolder, found: ScoredRun) -> ScoredRun:
    """A rule that looks at outcomes makes later draws depend on earlier ones: keep the pilot."""
    if not found.is_pilot:
        return found
    return found.kept(found.sample_no < int(folder.manifest.config["stopping"]["pilot"]))
