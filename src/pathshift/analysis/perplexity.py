"""The paper's perplexity distributions, on all problems, by cell and correctness, with a control.

PPL_m(Y|x) = exp(-(1/T) sum over t of ln p_m(y_t | x, y_<t)), response tokens only, T=1 (Yue et al.
2025, section 4). Their reading, "tuned answers have low perplexity under the base, so the base
held them", does not follow: sharpening alone moves samples to where the base is sure, and whether
an answer is within reach depends on its whole probability, not on its mean per token. What the
numbers do say is how far samples moved, beside what the base's own samples do: half of those lie
below their own median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.pairing import Pair
from pathshift.analysis.result import plain_values
from pathshift.analysis.scored import (
    BoolArray,
    Bootstrapping,
    ScoredRun,
    matched,
    need_scores,
    scored_run,
)
from pathshift.analysis.spread import Spread, exponential, mean_share, spread
from pathshift.stats.bands import Weights
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.quantiles import Estimate, superiority

PERPLEXITY_SCHEMA = 1
CELLS = ("both", "base only", "tuned only", "neither")
"""Problems by who solved them in the samples at hand."""

N_BINS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Samples of one kind: all, by correctness, by cell.

    Attributes:
        perplexity: None where two tokenizers are in play.
        logprob: Of ln p of whole samples, in nats: what reach depends on.
        bits_per_byte: Comparable between tokenizers.
    """

    name: str
    n_samples: int
    n_problems: int
    perplexity: Spread | None
    logprob: Spread | None
    bits_per_byte: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What one model gives to one model's samples.

    Attributes:
        model: "base" or "tuned": whose probabilities.
        samples: "base", "tuned" or "reference": whose texts.
        unscored: Samples left out: no score, no token, or a text that the model cannot say.
        parts: The first holds all samples.
        counts: Samples by bin of `Perplexities.edges`; the outer bins hold what lies beyond.
    """

    model: str
    samples: str
    unscored: int
    parts: list[Part]
    counts: list[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """Where samples lie among the base's own on the same problem, by the base's perplexity.

    Attributes:
        share: Share below the base's median, mean over problems.
        superiority: Chance that one lies below one of the base's samples.
        n_problems: With scored samples of both.
    """

    samples: str
    share: Estimate
    superiority: Estimate
    n_problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Perplexities:
    """Everything."""

    sentence: str
    n_problems: int
    shares_tokenizer: bool
    measure: str
    """"perplexity", or "bits per byte" where two tokenizers are in play."""
    distributions: list[Distribution]
    below: list[Below]
    edges: list[float] | None
    """Of the bins, as perplexities, equal steps of ln PPL."""
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values({"schema": PERPLEXITY_SCHEMA, **asdict(self)})
        return plain


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scores:
    """One distribution's samples that have a score, as arrays."""

    model: str
    samples: str
    unscored: int
    problem: IntArray
    is_correct: BoolArray
    logprob: FloatArray
    n_tokens: IntArray
    n_bytes: IntArray

    @property
    def log_perplexity(self) -> FloatArray:
        out: FloatArray = -self.logprob / self.n_tokens
        return out

    @property
    def bits_per_byte(self) -> FloatArray:
        """NaN for a text without a byte."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = -self.logprob / (np.log(2) * self.n_bytes)
        return np.where(self.n_bytes > 0, found, np.nan)

    def measured(self, *, by_token: bool) -> FloatArray:
        return self.log_perplexity if by_token else self.bits_per_byte


def perplexity(
    base_run: Path,
    tuned_run: Path,
    *,
    reference: Path | None = None,
    verifier: str | None = None,
    common: bool = False,
    bootstrap: Bootstrapping | None = None,
) -> Perplexities:
    """PPL_base of the base's samples, of the tuned model's, and what else has been scored.

    The base's model must have scored the tuned run. PPL_tuned of the base's samples is there if
    the tuned model has scored the base run, and PPL_base of reference answers if there is a run
    folder of those that the base has scored.

    Args:
        base_run: Run folder; so are the others.
        reference: Answers of a third party to the same problems.
        common: Take the problems that both runs have.

    Raises:
        RunError: the scores are not there; names the command that makes them.
    """
    bootstrap = bootstrap or Bootstrapping()
    pair = matched(base_run, tuned_run, verifier=verifier, common=common)
    base_ids, tuned_ids = ([p.id for p in side.counts] for side in (pair.base, pair.tuned))
    base = scored_run(base_run, base_ids, tuned_run, verifier=verifier)
    tuned = scored_run(tuned_run, tuned_ids, base_run, verifier=verifier)
    if tuned.scorer is None:
        raise need_scores(tuned_run, base_run)
    found = [
        _own("base", base), _other("base", "tuned", tuned), _own("tuned", tuned),
        _other("tuned", "base", base),
    ]  # fmt: skip
    if reference is not None:
        found.append(_of_reference(reference, base_run, base_ids, verifier))
    by_token = tuned.shares_tokenizer is not False and base.shares_tokenizer is not False
    cells = _cells(base, tuned, len(pair.base.counts))
    return _result(pair, found, cells, by_token=by_token, bootstrap=bootstrap)


def _own(name: str, run: ScoredRun) -> _Scores:
    return _scores((name, name), run, run.own, run.n_tokens)


def _other(model: str, samples: str, run: ScoredRun) -> _Scores:
    return _scores((model, samples), run, run.other, run.other_tokens)


def _of_reference(
    reference: Path, base_run: Path, ids: Sequence[str], verifier: str | None
) -> _Scores:
    run = scored_run(reference, ids, base_run, verifier=verifier)
    if run.scorer is None:
        raise need_scores(reference, base_run)
    return _other("base", "reference", run)


def _scores(
    names: tuple[str, str], run: ScoredRun, logprob: FloatArray, n_tokens: IntArray
) -> _Scores:
    """Judged samples with a finite score; one that the model could never say has none."""
    kept = np.isfinite(logprob) & (n_tokens > 0) & ~run.is_failed
    return _Scores(
        model=names[0], samples=names[1], unscored=int((~kept & ~run.is_failed).sum()),
        problem=run.problem[kept], is_correct=run.is_correct[kept], logprob=logprob[kept],
        n_tokens=n_tokens[kept], n_bytes=run.n_bytes[kept],
    )  # fmt: skip


def _cells(base: ScoredRun, tuned: ScoredRun, n_problems: int) -> IntArray:
    """Index into `CELLS` of each problem, shape (Q,)."""
    in_base, in_tuned = (run.counts(n_problems)[:, 1] > 0 for run in (base, tuned))
    out: IntArray = np.where(in_base, np.where(in_tuned, 0, 1), np.where(in_tuned, 2, 3))
    return out


def _result(
    pair: Pair,
    found: Sequence[_Scores],
    cells: IntArray,
    *,
    by_token: bool,
    bootstrap: Bootstrapping,
) -> Perplexities:
    weights, level = bootstrap.weights(pair), bootstrap.level
    present = [scores for scores in found if len(scores.problem)]
    edges = _edges(present) if by_token else None
    n_problems = len(cells)
    own = next((s for s in present if (s.model, s.samples) == ("base", "base")), None)
    under_base = [s for s in present if s.model == "base"]
    below = [] if own is None else [
        _below(own, s, weights, level, by_token=by_token) for s in under_base
    ]  # fmt: skip
    return Perplexities(
        sentence=_sentence(below, level),
        n_problems=n_problems,
        shares_tokenizer=by_token,
        measure="perplexity" if by_token else "bits per byte",
        distributions=[
            _distribution(s, cells, weights, level, edges) for s in present
        ],
        below=[b for b in below if b.n_problems],
        edges=None if edges is None else np.exp(edges).tolist(),
        notes=_notes(found, by_token=by_token),
    )  # fmt: skip


def _distribution(
    scores: _Scores, cells: IntArray, weights: Weights, level: float, edges: FloatArray | None
) -> Distribution:
    everything = np.ones(len(scores.problem), dtype=bool)
    kinds = {"all": everything, "correct": scores.is_correct, "not correct": ~scores.is_correct}
    kinds |= {name: cells[scores.problem] == i for i, name in enumerate(CELLS)}
    counts = None
    if edges is not None:
        clipped = np.clip(scores.log_perplexity, edges[0], edges[-1])
        counts = [int(x) for x in np.histogram(clipped, edges)[0]]
    return Distribution(
        model=scores.model,
        samples=scores.samples,
        unscored=scores.unscored,
        parts=[
            _part(name, scores, which, weights, level, by_token=edges is not None)
            for name, which in kinds.items()
            if which.any()
        ],
        counts=counts,
    )


def _part(
    name: str, scores: _Scores, which: BoolArray, weights: Weights, level: float, *, by_token: bool
) -> Part:
    problem = scores.problem[which]
    spreads = [
        spread(values[which], problem, weights, level)
        for values in (scores.log_perplexity, scores.logprob, scores.bits_per_byte)
    ]
    return Part(
        name=name,
        n_samples=int(which.sum()),
        n_problems=len(np.unique(problem)),
        perplexity=exponential(spreads[0]) if by_token else None,
        logprob=spreads[1],
        bits_per_byte=spreads[2],
    )


def _edges(found: Sequence[_Scores]) -> FloatArray | None:
    """Edges of the bins in ln PPL, over what lies between the outer half percents of all."""
    if not found:
        return None
    pooled = np.concatenate([scores.log_perplexity for scores in found])
    low, high = np.quantile(pooled, [0.005, 0.995])
    return np.linspace(low, max(high, low + 1e-6), N_BINS + 1)


def _below(
    own: _Scores, scores: _Scores, weights: Weights, level: float, *, by_token: bool
) -> Below:
    ours, theirs = own.measured(by_token=by_token), scores.measured(by_token=by_token)
    shares, chances, problems = [], [], []
    for number in np.intersect1d(own.problem, scores.problem):
        base, tested = (
            values[(of == number) & np.isfinite(values)]
            for values, of in ((ours, own.problem), (theirs, scores.problem))
        )
        if len(base) and len(tested):
            middle = np.median(base)
            shares.append(((tested < middle) + (tested == middle) / 2).mean())
            chances.append(superiority(tested, base))
            problems.append(int(number))
    return Below(
        samples=scores.samples,
        share=mean_share(np.array(shares), weights, problems, level),
        superiority=mean_share(np.array(chances), weights, problems, level),
        n_problems=len(problems),
    )


def _sentence(below: Sequence[Below], level: float) -> str:
    tuned = next((b for b in below if b.samples == "tuned" and b.n_problems), None)
    if tuned is None:
        return (
            "No problem has scored samples of both models, so nothing is known of the perplexities."
        )
    share = tuned.share
    return (
        f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}] of the tuned model's samples lie "
        f"below the base's own median perplexity on the same problem ({tuned.n_problems} problems, "
        f"{level:.0%} interval); of the base's own 50% do. This is how far samples moved to where "
        "the base is sure, not whether the base reaches them."
    )


def _notes(found: Sequence[_Scores], *, by_token: bool) -> list[str]:
    notes = [
        f"{s.unscored} samples of {s.samples} have no finite score by {s.model} and are left out"
        for s in found
        if s.unscored and len(s.problem)
    ]
    if not by_token:
        notes.append(
            "the models cut texts into different tokens, so perplexity per token does not compare; "
            "bits per byte stand in its place"
        )
    return notes
