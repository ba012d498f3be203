"""How far one model's answers lie within another's reach, from log-probabilities of samples.

Natural logs throughout. `log_ratio` is ln p_base(y) - ln p_tuned(y) of one tuned sample y, both
under the policies that are compared, -inf where the base's policy leaves y out. Everything here
can show that the base reaches an answer; nothing here can show that it does not, because the base
may know ways to it that the tuned model never took.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc

from pathshift.stats.bounded import betting_limit, log_evidence
from pathshift.stats.exact import clopper_pearson
from pathshift.stats.passk import FloatArray, IntArray, cluster_means

BoolArray = npt.NDArray[np.bool_]


def default_cap(n: int) -> float:
    """Largest weight that n samples can carry: the square root of n, fixed before any is seen.

    At this rate the bias and the spread of a truncated mean both vanish (Ionides 2008, Truncated
    importance sampling). A lower limit from 0 up gains nothing by a smaller cap, so there is
    nothing to choose by a split of the samples (measured in docs/statistics.md); the cap keeps one
    wrong score from deciding a problem alone.
    """
    return float(np.sqrt(n))


def truncated_weights(log_ratio: FloatArray, cap: float) -> FloatArray:
    """min(p_base / p_tuned, cap) by sample; 0 where the log-ratio is -inf.

    Raises:
        ValueError: a log-ratio is NaN or the cap is not above 0.
    """
    if np.isnan(log_ratio).any():
        raise ValueError("a log-ratio is missing; leave the sample out or give it weight 0 (-inf)")
    if not cap > 0:
        raise ValueError(f"the cap of a weight must be above 0, got {cap}")
    out: FloatArray = np.exp(np.minimum(log_ratio, np.log(cap)))
    return out


class Bound(NamedTuple):
    """What one problem's tuned samples say of the base's success.

    Attributes:
        value: Mean of correct x min(p_base/p_tuned, cap): estimates a number at most p_base.
        low: p_base lies below it in at most 1 - level of all cases.
        effective: Effective number of samples behind the weights, (sum w)^2 / sum w^2; 0 if all
            weights are 0.
        largest: Largest weight's share of their sum; NaN if all are 0.
    """

    value: float
    low: float
    effective: float
    largest: float


def success_bound(
    log_ratio: FloatArray, is_correct: BoolArray, *, cap: float | None = None, level: float = 0.95
) -> Bound:
    """Lower bound on the base's success at one problem, by weights of the tuned model's samples.

    The sum over correct y of p_tuned(y) min(p_base(y)/p_tuned(y), M) is at most that of p_base(y),
    for any M; answers that the tuned model cannot give are missing from it, which only lowers it.
    A sample whose weight is unknown counts as 0 for the same reason.

    Args:
        log_ratio: Shape (n,), of all samples, the wrong ones too.
        is_correct: Shape (n,); failed samples are False.
        cap: M; None for `default_cap`.
    """
    cap = default_cap(len(log_ratio)) if cap is None else cap
    weights = truncated_weights(log_ratio, cap)
    values = np.where(is_correct, weights, 0.0)
    total = weights.sum()
    return Bound(
        float(values.mean()),
        betting_limit(values, level),
        float(total**2 / (weights @ weights)) if total else 0.0,
        float(weights.max() / total) if total else float("nan"),
    )


def reach_p(log_ratio: FloatArray, is_correct: BoolArray, rate: float, cap: float) -> float:
    """p of "the base's success is at most `rate`": 1 over the evidence against it, at most 1."""
    values = np.where(is_correct, truncated_weights(log_ratio, cap), 0.0)
    return float(min(1.0, np.exp(-log_evidence(values, rate))))


class TotalWeight(NamedTuple):
    """Mean untruncated weight over problems, and its lower limit."""

    value: float
    low: float


def total_weight(log_ratios: Sequence[FloatArray], level: float = 0.95) -> TotalWeight:
    """Mean weight of all samples, right or wrong, every problem weighing the same.

    The truth is at most 1 at every problem, because p_base sums to at most 1 over what the tuned
    model can say. A limit above 1 says that the scores are not of these tokens, prompts or
    policies.

    Args:
        log_ratios: Of all samples, one array a problem.
    """
    means = np.array([np.exp(np.minimum(ratio, 300.0)).mean() for ratio in log_ratios])
    return TotalWeight(float(means.mean()), betting_limit(means, level))


def coverage_rows(
    excess: FloatArray, is_correct: BoolArray, problem: IntArray, log_n: FloatArray
) -> FloatArray:
    """Share of each problem's correct samples with ln p_tuned - ln p_base <= ln N, by N.

    The coverage profile of arXiv 2510.15020 (there 1 - it), restricted to correct answers.

    Args:
        excess: ln p_tuned - ln p_base by sample, inf where the base leaves it out, shape (S,).
        problem: Number of each sample's problem, shape (S,).
        log_n: ln N, shape (K,).

    Returns:
        One row a problem with a correct sample, in the order of their numbers, shape (Q', K).
    """
    kept, numbers = excess[is_correct], problem[is_correct]
    _, place = np.unique(numbers, return_inverse=True)
    return cluster_means((kept[:, None] <= log_n).astype(float), place)


def passes_absolute_test(logprob: FloatArray, k: IntArray) -> FloatArray:
    """Share of samples with ln p(y) >= -ln k, shape (K,): a test of reach that is wrong.

    A long answer is one of very many, so its own probability is tiny whoever wrote it: a model's
    own samples fail the test too. Kept to be shown beside them.
    """
    out: FloatArray = (logprob[:, None] >= -np.log(k)).mean(axis=0)
    return out


def implied_pass(rate: FloatArray, k: npt.NDArray[Any]) -> FloatArray:
    """1 - (1-p)^k by rate and k, shape (Q, K); it grows with p, so lower limits stay such."""
    with np.errstate(divide="ignore"):
        out: FloatArray = -np.expm1(np.log1p(-np.minimum(rate, 1.0))[:, None] * k)
    return out + 0.0


class Conflicts(NamedTuple):
    """Problems at which the bound and the base's own samples exclude each other.

    Attributes:
        problems: Their number.
        expected: At most so many on average where all scores are right.
        p: Chance of so many or more then.
    """

    problems: int
    expected: float
    p: float


def conflicts(low: FloatArray, base: IntArray, level: float = 0.95) -> Conflicts:
    """Problems where the base's direct upper limit lies below the bound's lower limit.

    With each limit wrong in at most (1-level)/2, both together err in at most 1 - level of the
    problems. More of them than chance explains means that the scores are broken: another tokenizer,
    prompt or policy than the samples were drawn under.

    Args:
        low: Lower limits by problem at 1 - (1-level)/2, one-sided, shape (Q,).
        base: Columns n and c of the base's own samples, shape (Q, 2).
        level: Of both together.
    """
    highs = np.array([clopper_pearson(int(c), int(n), level).high for n, c in base])
    count = int((highs < low).sum())
    share = 1 - level
    p = float(bdtrc(count - 1, len(low), share)) if count else 1.0
    return Conflicts(count, share * len(low), p)
