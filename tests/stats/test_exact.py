"""Exact tests and intervals against scipy's own and against enumeration of every table."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pathshift.stats.exact import clopper_pearson, mcnemar_interval, mcnemar_p


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_is_the_two_sided_sign_test_of_the_discordant_problems(lost: int, gained: int) -> None:
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar_p(lost, gained) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (4, 0, 0.125),
        (18, 5, 0.011),
        (33, 12, 0.0025),
        (4, 1, 0.375),
        (23, 16, 0.34),
        (104, 83, 0.14),
    ],
)
def test_published_tables(lost: int, gained: int, p: float) -> None:
    """AIME24 and MATH500 of Yue et al.; DeepScaleR; LiveCodeBench; two of the Invisible Leash."""
    assert mcnemar_p(lost, gained) == pytest.approx(p, rel=0.05)


@given(st.integers(1, 200), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_share_interval_equals_scipy(trials: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(level, method="exact")
    assert clopper_pearson(successes, trials, level) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


def test_more_successes_than_trials_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        clopper_pearson(3, 2)


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 200), st.floats(0.8, 0.999))
def test_word_and_p_never_disagree(lost: int, gained: int, rest: int, level: float) -> None:
    n = lost + gained + max(rest, 1)
    interval = mcnemar_interval(lost, gained, n, level)
    p = mcnemar_p(lost, gained)
    if abs(p - (1 - level)) > 1e-9:
        assert (interval.high < 0 or interval.low > 0) == (p < 1 - level)
    assert interval.low <= (gained - lost) / n <= interval.high


@pytest.mark.parametrize("n", [15, 30])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.8, 1.0])
def test_covers_the_true_difference_in_every_enumerated_population(
    n: int, share: float, part: float
) -> None:
    """Exact coverage: the sum over all tables of their probability."""
    truth, covered = share * (2 * part - 1), 0.0
    for discordant in range(n + 1):
        chance = comb(n, discordant) * share**discordant * (1 - share) ** (n - discordant)
        for gained in range(discordant + 1):
            split = comb(discordant, gained) * part**gained * (1 - part) ** (discordant - gained)
            interval = mcnemar_interval(discordant - gained, gained, n)
            covered += chance * split * (interval.low - 1e-12 <= truth <= interval.high + 1e-12)
    assert covered >= 0.95


def test_no_discordant_problem_is_no_proof_of_equality() -> None:
    interval = mcnemar_interval(0, 0, 30)
    assert interval.low == -interval.high
    assert interval.high == pytest.approx(clopper_pearson(0, 30).high)
