"""CoT-pass@k: how far a model gets when the answer and the way to it must both be right.

A judge marked the chains (`pathshift judge`). A sample then counts as right only if its answer is
right and its chain sound, and pass@k is estimated as ever (Wen et al. 2025, arXiv 2506.14245). All
of it rests on the judge, which can be fooled; how far its votes agree says how steady it is, not
how right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pathshift.analysis.readings import ladder
from pathshift.analysis.result import Share, plain_values
from pathshift.errors import RunError
from pathshift.records import CountTable, Outcome, ProblemCount, Verdict
from pathshift.stats.agreement import Resampling, fleiss_interval, fleiss_kappa
from pathshift.stats.bands import bayesian_band, cluster_weights, dirichlet_weights
from pathshift.stats.passk import IntArray, miss_table
from pathshift.store.counts import run_counts
from pathshift.store.judgements import (
    RULES,
    JudgeSettings,
    Mark,
    Vote,
    chain_outcome,
    decided,
    read_judge,
    votes_of,
)
from pathshift.store.run import RunFolder

LEVEL = 0.95
REPLICATES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCurve:
    """pass@k with its band over problems like these, at every k of `ladder`."""

    value: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteAgreement:
    """How far the votes of one judge agree with each other.

    Attributes:
        chains: Judged samples with all their votes readable; only these are counted here.
        votes: Votes a chain.
        unanimous: Share of chains on which all votes agree.
        kappa: Fleiss' kappa; its interval takes problems as drawn. None where all votes are one.
    """

    chains: int
    votes: int
    unanimous: Share
    kappa: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReading:
    """What a judge's verdicts say of one run.

    Attributes:
        judged: Samples with a right answer and at least one readable vote.
        failed: Samples with a right answer and none; in no rate.
        short: Judged samples with fewer readable votes than were asked for.
        sound: By rule, the share of right answers whose chain is sound, P(CC|CA); its interval
            takes problems as drawn.
        sound_median: By rule, the median over problems of that share.
        wrong_called_sound: Share of chains with a wrong answer that the judge's rule calls sound,
            where such chains were judged: what the judge lets pass.
        k: Powers of two and the smallest number of judged samples.
        answers: pass@k of the answers alone, on the same problems.
        chains: By rule, CoT-pass@k.
    """

    run: str
    name: str
    judge: JudgeSettings
    problems: int
    judged: int
    failed: int
    short: int
    sound: Mapping[str, Share]
    sound_median: Mapping[str, float | None]
    wrong_called_sound: Share
    agreement: VoteAgreement | None
    k: list[int]
    answers: ChainCurve
    chains: Mapping[str, ChainCurve]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; shares are lists of value, low and high."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain


class _Judged:
    """A run's samples as a judge saw them, by problem."""

    def __init__(self, run: Path, name: str) -> None:
        folder = RunFolder(run)
        self.settings = _settings(folder, name)
        self.table = run_counts(run, verifier=name)
        self.answers = run_counts(run, verifier=self.settings.answers)
        right = folder.outcomes(self.settings.answers)
        self.rows: list[tuple[Verdict, Outcome, tuple[Vote, ...]]] = [
            (v, right[v.problem_id][v.sample_no], votes_of(v)) for v in folder.verdicts(name)
        ]

    def chains(self, answer: Outcome) -> list[tuple[str, tuple[Vote, ...]]]:
        """Problem and votes of the judged chains whose answer came out so."""
        return [(v.problem_id, votes) for v, a, votes in self.rows if a is answer and votes]

    def counts(self, rule: str) -> CountTable:
        """Counts of answer and chain together under a rule."""
        n: dict[str, int] = defaultdict(int)
        c: dict[str, int] = defaultdict(int)
        for verdict, answer, votes in self.rows:
            outcome = chain_outcome(answer, votes, rule)
            n[verdict.problem_id] += outcome is not Outcome.FAILED
            c[verdict.problem_id] += outcome is Outcome.CORRECT
        counts = tuple(replace(p, n=n[p.id], c=c[p.id]) for p in self.table.counts)
        judge = replace(self.settings, rule=rule).told
        return replace(self.table, counts=counts, settings={**self.table.settings, "judge": judge})


def _settings(folder: RunFolder, name: str) -> JudgeSettings:
    settings = read_judge(folder.verdicts_path(name))
    if settings is None:
        known = [v for v in folder.verifiers() if read_judge(folder.verdicts_path(v)) is not None]
        raise RunError(
            f"{folder.path} has no verdicts of a judge called {name} (it has: "
            f"{', '.join(known) or 'none'}); run `pathshift judge {folder.path}`"
        )
    return settings


def chain_counts(run: Path, name: str, *, rule: str) -> CountTable:
    """Counts of answer and chain together under any rule, from the stored votes.

    What `compare` takes, so that base and tuned can be compared under every rule.

    Raises:
        RunError: no verdicts of this judge, or not of all samples.
    """
    if rule not in RULES:
        raise ValueError(f"a rule is one of {', '.join(RULES)}, got {rule!r}")
    return _Judged(run, name).counts(rule)


def chain_reading(run: Path, name: str, *, seed: int = 0) -> ChainReading:
    """Everything a judge's verdicts say of a run.

    Args:
        name: As in `verdicts/<name>`.
        seed: Of the intervals.

    Raises:
        RunError: as `chain_counts`.
    """
    judged = _Judged(run, name)
    rng = np.random.default_rng([seed, 6])
    right = judged.chains(Outcome.CORRECT)
    readable = [(p, votes) for p, votes in right if decided(votes, "any") is not None]
    asked = judged.settings.votes
    tables = {rule: judged.counts(rule) for rule in RULES}
    usable = {p.id for p in tables["any"].counts if p.n}
    k = ladder(min((p.n for p in tables["any"].counts if p.n), default=1))
    return ChainReading(
        run=str(run),
        name=name,
        judge=judged.settings,
        problems=len(usable),
        judged=len(readable),
        failed=len(right) - len(readable),
        short=sum(_readable(votes) < asked for _, votes in readable),
        sound={rule: _sound(readable, rule, rng) for rule in RULES},
        sound_median={rule: _median(readable, rule) for rule in RULES},
        wrong_called_sound=_sound(judged.chains(Outcome.WRONG), judged.settings.rule, rng),
        agreement=_agreement(readable, asked, rng),
        k=k.tolist() if usable else [],
        answers=_curve([p for p in judged.answers.counts if p.id in usable], k, rng),
        chains={
            rule: _curve([p for p in table.counts if p.n], k, rng) for rule, table in tables.items()
        },
    )


def _readable(votes: Sequence[Vote]) -> int:
    return sum(vote.mark is not None for vote in votes)


_Chains = Sequence[tuple[str, tuple[Vote, ...]]]


def _by_problem(chains: _Chains, rule: str) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for problem_id, votes in chains:
        mark = decided(votes, rule)
        if mark is not None:
            found[problem_id].append(mark is Mark.SOUND)
    return found


def _sound(chains: _Chains, rule: str, rng: np.random.Generator) -> Share:
    """Share of sound chains; the interval draws whole problems, two unseen ones among them."""
    groups = list(_by_problem(chains, rule).values())
    if not groups:
        return Share(None, None, None)
    sizes = np.array([len(group) for group in groups], dtype=float)
    shares = np.array([[sum(group) / len(group)] for group in groups])
    weights = cluster_weights(sizes, REPLICATES, rng)
    band = bayesian_band(weights, shares, (0.0, 1.0), LEVEL)
    return Share(float((weights.share @ shares)[0]), float(band.low[0]), float(band.high[0]))


def _median(chains: _Chains, rule: str) -> float | None:
    groups = _by_problem(chains, rule).values()
    return median(sum(group) / len(group) for group in groups) if groups else None


def _agreement(chains: _Chains, asked: int, rng: np.random.Generator) -> VoteAgreement | None:
    whole = [(p, votes) for p, votes in chains if _readable(votes) == asked]
    if asked < 2 or not whole:
        return None
    sound = np.array([sum(v.mark is Mark.SOUND for v in votes) for _, votes in whole])
    table = np.stack([sound, asked - sound], axis=1).astype(np.int64)
    number = {p: i for i, p in enumerate(dict.fromkeys(p for p, _ in whole))}
    cluster = np.array([number[p] for p, _ in whole])
    kappa = fleiss_kappa(table)
    edges = fleiss_interval(table, cluster, Resampling(rng, LEVEL, REPLICATES))
    return VoteAgreement(
        chains=len(whole),
        votes=asked,
        unanimous=_unanimous(sound, asked, cluster, rng),
        kappa=Share(None, None, None) if np.isnan(kappa) else Share(kappa, edges.low, edges.high),
    )


def _unanimous(sound: IntArray, asked: int, cluster: IntArray, rng: np.random.Generator) -> Share:
    agreed = ((sound == 0) | (sound == asked)).astype(float)
    sizes = np.bincount(cluster).astype(float)
    rows = (np.bincount(cluster, weights=agreed) / sizes)[:, None]
    band = bayesian_band(cluster_weights(sizes, REPLICATES, rng), rows, (0.0, 1.0), LEVEL)
    return Share(float(agreed.mean()), float(band.low[0]), float(band.high[0]))


def _curve(counts: Sequence[ProblemCount], k: IntArray, rng: np.random.Generator) -> ChainCurve:
    if not counts:
        return ChainCurve(value=[], low=[], high=[])
    n, c = (np.array([getattr(p, field) for p in counts]) for field in ("n", "c"))
    rows = 1 - miss_table(n, c, int(k[-1]))[:, k - 1]
    weights = dirichlet_weights(np.ones(len(rows)), REPLICATES, rng)
    band = bayesian_band(weights, rows, (0.0, 1.0), LEVEL)
    return ChainCurve(
        value=rows.mean(axis=0).tolist(), low=band.low.tolist(), high=band.high.tolist()
    )
