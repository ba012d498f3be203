"""Judged samples as columns: what became of each, how it ended, what it cost. No texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pathshift.analysis.drilldown import Judged
from pathshift.records import Outcome
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.token_budget import Spent
from pathshift.store.rows import OUTCOME_COLUMNS, SAMPLE_COLUMNS
from pathshift.store.run import RunFolder
from pathshift.store.shards import read_shards

_FACTS = pa.schema(
    [
        SAMPLE_COLUMNS.field(name)
        for name in ("sample_id", "problem_id", "n_tokens", "finish_reason", "sampling_logprob_sum")
    ]
)

TextArray = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The judged samples of one run; every array has shape (N,).

    Attributes:
        problem: Id of the problem.
        outcome: What became of it, as `Outcome` spells it.
        finish: How it ended: "stop", "length", "error" or "unknown".
        tokens: Sampled tokens; NaN where unknown.
        policy_logprob: Sum of ln p under the policy that drew it; NaN where unknown.
    """

    problem: TextArray
    outcome: TextArray
    finish: TextArray
    tokens: FloatArray
    policy_logprob: FloatArray

    @property
    def has_tokens(self) -> bool:
        """Whether every judged sample says what it cost."""
        return bool(len(self.tokens)) and not bool(np.isnan(self.tokens[self._judged]).any())

    @property
    def _judged(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.outcome != Outcome.FAILED.value)

    def counted(self, flags: npt.NDArray[np.bool_], ids: Sequence[str]) -> IntArray:
        """How many samples of each problem a flag marks, shape (Q,)."""
        names, counts = np.unique(self.problem[flags], return_counts=True)
        found = dict(zip(names.tolist(), counts.tolist(), strict=True))
        return np.array([found.get(name, 0) for name in ids], dtype=np.int64)

    def spent(self, ids: Sequence[str]) -> list[Spent]:
        """Tokens and correctness of the judged samples of each problem.

        A sample of no tokens (an empty answer) counts as one: asking costs something.
        """
        order = np.argsort(self.problem[self._judged], kind="stable")
        names = self.problem[self._judged][order]
        tokens = np.maximum(self.tokens[self._judged][order], 1).astype(np.int64)
        correct = (self.outcome == Outcome.CORRECT.value)[self._judged][order]
        starts = np.searchsorted(names, np.array(ids))
        ends = np.searchsorted(names, np.array(ids), side="right")
        return [Spent(tokens[a:b], correct[a:b]) for a, b in zip(starts, ends, strict=True)]

    def policy_entropy(self) -> float | None:
        """Mean entropy of a token's distribution under the policy that drew it, in nats.

        minus sum ln p / number of tokens over all samples: at each position the expectation of
        -ln p is the entropy there, so this is consistent for the mean over sampled positions. It is
        the tempered distribution's entropy, which Yue et al. (2025) match; None where a sample
        does not state both numbers.
        """
        total = float(self.tokens.sum())
        if not len(self.tokens) or not np.isfinite(self.policy_logprob).all() or not total > 0:
            return None
        return float(-self.policy_logprob.sum() / total) + 0.0


def run_draws(path: Path, verifier: str | None = None) -> Draws:
    """The samples of a run folder with the verdicts of one verifier, by default the run's own.

    Raises:
        RunError, DamagedShard: the folder cannot be read.
    """
    folder = RunFolder(path)
    name = verifier or str(folder.manifest.config["verifier"])
    samples = read_shards(folder.samples_path, _FACTS)
    verdicts = read_shards(folder.verdicts_path(name), OUTCOME_COLUMNS)
    table = samples.join(
        verdicts.select(["sample_id", "outcome"]), "sample_id", join_type="inner"
    ).sort_by("sample_id")
    column = {key: table.column(key).to_pylist() for key in (*_FACTS.names[1:], "outcome")}
    return _draws(
        column["problem_id"], column["outcome"], column["finish_reason"], column["n_tokens"],
        column["sampling_logprob_sum"],
    )  # fmt: skip


def draws_of(rows: Iterable[Judged]) -> Draws:
    """The same from samples and verdicts in memory."""
    found = [
        (p.id, v.outcome.value, s.finish_reason, s.n_tokens, s.sampling_logprob_sum)
        for p, s, v in rows
    ]
    columns: list[list[Any]] = [list(column) for column in zip(*found, strict=True)]
    return _draws(*(columns or [[], [], [], [], []]))


def _draws(
    problem: list[str],
    outcome: list[str],
    finish: list[str],
    tokens: list[int | None],
    logprob: list[float | None],
) -> Draws:
    return Draws(
        problem=np.array(problem, dtype=np.str_),
        outcome=np.array(outcome, dtype=np.str_),
        finish=np.array(finish, dtype=np.str_),
        tokens=np.array(tokens, dtype=float),
        policy_logprob=np.array(logprob, dtype=float),
    )
