"""Whether the base reaches what the tuned model answers: what samples can prove, and what not.

Three readings of the tuned run's samples, scored by both models.

The absolute test, ln p_base(y) >= -ln k, is shown because it is used, beside the base's own
samples, which fail it as well. The coverage profile (arXiv 2510.15020) asks how many times rarer
the base is than the tuned model where the tuned model is right. The bound sums the base's
probability over the tuned model's right answers by importance weights; it bounds the base's
success from below, whatever the weights look like. Each of them can prove reach and none can prove
its absence.

What is bounded is the base's success under the scorer's policy, on the tuned run's prompts, with
its stop texts and token limit. Where those are not the base run's, its own samples answer another
question and no conflict is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pathshift.analysis.pairing import Pair
from pathshift.analysis.reach_result import (
    AbsoluteTest,
    Agreement,
    Certified,
    ProblemReach,
    Profile,
    Reach,
    WeightFacts,
)
from pathshift.analysis.scored import (
    BoolArray,
    Bootstrapping,
    ScoredRun,
    matched,
    need_scores,
    part_of,
    scored_run,
)
from pathshift.errors import InputError, RunError
from pathshift.stats import reach as stats
from pathshift.stats.bands import bayesian_band
from pathshift.stats.bounded import gaffke_limit
from pathshift.stats.certainty import false_discovery
from pathshift.stats.passk import FloatArray
from pathshift.stats.quantiles import Estimate
from pathshift.store.run import RunFolder
from pathshift.store.scores import has_policy

FACTORS = tuple(4**i for i in range(11))
"""The N of the profile and the k of all other curves: 1 to about a million."""

_SAME = ("max_tokens", "stop")
_ALARM_P = 0.01
_ROUNDING = 1e-3
"""Nats by which two runs of one model may differ."""


def reach(
    base_run: Path,
    tuned_run: Path,
    *,
    verifier: str | None = None,
    common: bool = False,
    bootstrap: Bootstrapping | None = None,
) -> Reach:
    """What the tuned run's samples prove of the base; see the module.

    Raises:
        RunError: the base has not scored the tuned run, or the run does not say how likely its
            own draws were; names the command.
        InputError: the two models cut texts into different tokens.
    """
    bootstrap = bootstrap or Bootstrapping()
    pair = matched(base_run, tuned_run, verifier=verifier, common=common)
    tuned = scored_run(tuned_run, [p.id for p in pair.tuned.counts], base_run, verifier=verifier)
    _check(base_run, tuned_run, tuned)
    base = scored_run(base_run, [p.id for p in pair.base.counts], None, verifier=verifier)
    differing = _differing(pair, base_run, tuned_run, tuned)
    return _Found(pair, base, tuned, bootstrap).result(differing)


def _check(base_run: Path, tuned_run: Path, tuned: ScoredRun) -> None:
    if tuned.scorer is None:
        raise need_scores(tuned_run, base_run)
    if tuned.shares_tokenizer is False:
        raise InputError(
            f"reach needs one tokenizer, and {tuned.scorer.model} cuts texts otherwise than the "
            f"model of {tuned_run}; perplexity in bits per byte needs none"
        )
    if np.isnan(tuned.own_policy).all():
        raise RunError(
            f"{tuned_run} does not say how likely its draws were under its own policy, so they "
            "carry no weights; draw them with `pathshift sample`"
        )
    if not tuned.is_exact.any():
        raise RunError(
            f"no score of {tuned_run} is known to be of the tokens that were drawn; run "
            f"`pathshift score --as {tuned_run} {tuned_run}`, which tells for most of them"
        )


def _differing(pair: Pair, base_run: Path, tuned_run: Path, tuned: ScoredRun) -> list[str]:
    """Settings by which the bound and the base's own samples are about different things."""
    base, other = RunFolder(base_run), RunFolder(tuned_run)
    ours, theirs = base.manifest.config, other.manifest.config
    found = [name for name in _SAME if ours.get(name) != theirs.get(name)]
    if tuned.scorer is not None and not has_policy(tuned.scorer, ours):
        found.append("sampling policy")
    asked, told = base.prompts(), other.prompts()
    names = zip(pair.base.counts, pair.tuned.counts, strict=True)
    if any(asked[b.id] != told[t.id] for b, t in names):
        found.append("prompts")
    return found


class _Found:
    """Arrays of one analysis."""

    def __init__(
        self, pair: Pair, base: ScoredRun, tuned: ScoredRun, bootstrap: Bootstrapping
    ) -> None:
        self.pair, self.base, self.tuned = pair, base, tuned
        self.level = bootstrap.level
        self.weights = bootstrap.weights(pair)
        self.n_problems = len(pair.base.counts)
        self.is_known = tuned.is_exact & np.isfinite(tuned.own_policy)
        self.is_known &= ~np.isnan(tuned.other_policy)
        with np.errstate(invalid="ignore"):
            ratio = tuned.other_policy - tuned.own_policy
        self.log_ratio = np.where(self.is_known, ratio, -np.inf)
        self.direct = base.counts(self.n_problems)

    def result(self, differing: Sequence[str]) -> Reach:
        samples = self._by_problem()
        bounds = [stats.success_bound(*s, level=self.level) for s in samples]
        values = np.array([bound.value for bound in bounds])
        low = gaffke_limit(values, self.weights, self.level)
        bound = Estimate(float(values.mean()), low, 1.0)
        facts = self._facts(bounds, samples)
        agreement = self._agreement(values, samples, is_comparable=not differing)
        alarms = _alarms(facts, agreement)
        return Reach(
            sentence=_sentence(bound, agreement, alarms, self.level),
            n_problems=self.n_problems,
            bound=bound,
            absolute=self._absolute(),
            profiles=self._profiles(),
            certified=self._certified(samples),
            agreement=agreement,
            weights=facts,
            problems=self._rows(bounds, samples),
            alarms=alarms,
            notes=_notes(self.tuned, facts, differing),
        )

    def _by_problem(self) -> list[tuple[FloatArray, BoolArray]]:
        order = np.argsort(self.tuned.problem, kind="stable")
        ends = np.cumsum(np.bincount(self.tuned.problem, minlength=self.n_problems))[:-1]
        parts = (np.split(x[order], ends) for x in (self.log_ratio, self.tuned.is_correct))
        return list(zip(*parts, strict=True))

    def _absolute(self) -> AbsoluteTest:
        k = np.array(FACTORS)
        own = self.base.own[np.isfinite(self.base.own) & ~self.base.is_failed]
        right = self.tuned.other[self.tuned.is_correct & ~np.isnan(self.tuned.other)]
        shares = [
            stats.passes_absolute_test(x, k).tolist() if len(x) else None for x in (own, right)
        ]
        return AbsoluteTest(k=k.tolist(), own=shares[0], tuned_correct=shares[1])

    def _profiles(self) -> list[Profile]:
        tuned = self.tuned
        with np.errstate(invalid="ignore"):
            plain = tuned.own - tuned.other
        is_plain = tuned.is_exact & ~np.isnan(plain)
        found = [
            self._profile("policy", -self.log_ratio, self.is_known),
            self._profile("T=1", plain, is_plain),
        ]
        return [profile for profile in found if profile is not None]

    def _profile(self, under: str, excess: FloatArray, is_known: BoolArray) -> Profile | None:
        right = self.tuned.is_correct & is_known
        if not right.any():
            return None
        logs = np.log(np.array(FACTORS)) + _ROUNDING
        rows = stats.coverage_rows(excess, right, self.tuned.problem, logs)
        weights = part_of(self.weights, np.unique(self.tuned.problem[right]))
        band = bayesian_band(weights, rows, (0.0, 1.0), self.level)
        share = rows.mean(axis=0)
        half = np.flatnonzero(share >= 0.5)
        return Profile(
            under=under, n_problems=len(rows), factor=list(FACTORS), share=share.tolist(),
            low=np.minimum(band.low, share).tolist(), high=np.maximum(band.high, share).tolist(),
            median_factor=FACTORS[int(half[0])] if half.size else None,
        )  # fmt: skip

    def _certified(self, samples: Sequence[tuple[FloatArray, BoolArray]]) -> list[Certified]:
        alpha = 1 - self.level
        together = np.array(
            [stats.success_bound(*s, level=1 - alpha / len(samples)).low for s in samples]
        )
        never = self.direct[:, 1] == 0
        found = []
        for i, k in enumerate(FACTORS):
            p = np.array(
                [stats.reach_p(*s, rate=1 / k, cap=stats.default_cap(len(s[0]))) for s in samples]
            )
            above = false_discovery(p, alpha)
            low = stats.implied_pass(together, np.array(FACTORS[i : i + 1])).mean()
            found.append(
                Certified(
                    k=k, problems=int(above.sum()), never_solved=int((above & never).sum()),
                    pass_low=float(low),
                )
            )  # fmt: skip
        return found

    def _agreement(
        self,
        values: FloatArray,
        samples: Sequence[tuple[FloatArray, BoolArray]],
        *,
        is_comparable: bool,
    ) -> Agreement:
        drawn = self.direct[:, 0] > 0
        counts = self.direct[drawn]
        rates = counts[:, 1] / counts[:, 0]
        found = None
        if is_comparable:
            one_sided = 1 - (1 - self.level) / 2
            low = np.array([stats.success_bound(*s, level=one_sided).low for s in samples])
            found = stats.conflicts(low[drawn], counts, self.level)
        return Agreement(
            r=_correlation(values[drawn], rates),
            n_problems=int(drawn.sum()),
            direct=float(rates.mean()),
            is_comparable=is_comparable,
            conflicts=None if found is None else found.problems,
            expected=None if found is None else found.expected,
            p=None if found is None else found.p,
        )

    def _facts(
        self, bounds: Sequence[stats.Bound], samples: Sequence[tuple[FloatArray, BoolArray]]
    ) -> WeightFacts:
        total = stats.total_weight([ratio for ratio, _ in samples], 1 - _ALARM_P)
        return WeightFacts(
            used=len(self.log_ratio),
            correct=int(self.tuned.is_correct.sum()),
            unknown=int((~self.is_known).sum()),
            excluded=int((self.is_known & np.isneginf(self.log_ratio)).sum()),
            effective_share=float(
                np.median([b.effective / len(s[0]) for b, s in zip(bounds, samples, strict=True)])
            ),
            largest=float(np.median([1.0 if np.isnan(b.largest) else b.largest for b in bounds])),
            mean=total.value,
            mean_low=total.low,
        )

    def _rows(
        self, bounds: Sequence[stats.Bound], samples: Sequence[tuple[FloatArray, BoolArray]]
    ) -> list[ProblemReach]:
        return [
            ProblemReach(
                id=p.id, n=len(right), correct=int(right.sum()), value=b.value, low=b.low,
                effective=b.effective, largest=b.largest,
                n_base=int(direct[0]), c_base=int(direct[1]),
            )
            for p, b, (_, right), direct in zip(
                self.pair.base.counts, bounds, samples, self.direct, strict=True
            )
        ]  # fmt: skip


def _correlation(estimate: FloatArray, direct: FloatArray) -> float | None:
    """Pearson's r; None where one of the two does not vary."""
    if len(direct) < 3 or estimate.std() < 1e-12 or direct.std() < 1e-12:
        return None
    return float(np.corrcoef(estimate, direct)[0, 1])


def _alarms(facts: WeightFacts, agreement: Agreement) -> list[str]:
    found = []
    if facts.mean_low > 1:
        found.append(
            f"the base's and the tuned model's probabilities do not fit together: their ratio "
            f"averages at least {facts.mean_low:.3g} over the tuned samples (99%), and it cannot "
            "exceed 1; was the base scored on these prompts and under this policy?"
        )
    if agreement.p is not None and agreement.p < _ALARM_P:
        found.append(
            f"on {agreement.conflicts} problems the base's own samples lie below the bound, by "
            f"chance at most {agreement.expected:.1f} would: the scores or the verdicts of one run "
            "are not what they say"
        )
    return found


def _sentence(bound: Estimate, agreement: Agreement, alarms: Sequence[str], level: float) -> str:
    if alarms:
        return "The scores do not fit together, so nothing is proven: " + "; ".join(alarms)
    how = "" if agreement.is_comparable else ", drawn otherwise,"
    return (
        f"The tuned model's right answers alone give the base a success rate of at least "
        f"{bound.low:.3f} ({level:.0%}; estimate {bound.value:.3f}; its own samples{how} say "
        f"{agreement.direct:.3f}). This can prove reach, never its absence: the base may know ways "
        "that the tuned model did not take."
    )


def _notes(tuned: ScoredRun, facts: WeightFacts, differing: Sequence[str]) -> list[str]:
    notes = []
    if facts.unknown:
        reasons = "; ".join(f"{n} {why}" for why, n in sorted(tuned.unscored.items()))
        notes.append(
            f"{facts.unknown} of {facts.used} samples count as 0, because no score is known to be "
            "of the tokens that were drawn" + (f" ({reasons})" if reasons else "")
        )
    if differing:
        notes.append(
            f"{' and '.join(differing)} differ from the base run's: the bound is on the base as "
            "the tuned run asks it, so its own samples are no check of it"
        )
    if tuned.is_pilot:
        notes.append("a rule stopped the draws by their outcomes; only the pilot of each is used")
    return notes
