"""What is certain of single problems: enumeration, published ratios, and known truth."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from pathshift.stats.bands import dirichlet_weights
from pathshift.stats.bayes import bayes_at_n
from pathshift.stats.certainty import (
    CLASSES,
    certainty_classes,
    false_discovery,
    fisher_p,
    reachable_below,
    support_intervals,
    support_ratios,
)

LEASH = {
    "ProRL-1.5B-v1": (2400, 36, 163, 805), "ProRL-1.5B-v2": (2388, 48, 175, 793),
    "Nemotron-7B": (2715, 28, 56, 605), "Skywork-7B": (2685, 26, 86, 607),
    "Phi4-reasoning-plus": (2474, 16, 23, 437), "OLMo2-1B": (761, 83, 104, 599),
}  # fmt: skip
"""Preserved, expanded, shrunk and out of reach (arXiv 2507.14843, overall columns)."""


def test_fisher_equals_the_enumeration_of_every_table() -> None:
    for n1, n2 in ((3, 4), (5, 5), (1, 6)):
        for c1, c2 in product(range(n1 + 1), range(n2 + 1)):
            total = c1 + c2
            mass = {c: comb(n2, c) * comb(n1, total - c) for c in range(n2 + 1) if total >= c}
            all_of = comb(n1 + n2, total)
            better, worse = fisher_p(np.array([[n1, c1]]), np.array([[n2, c2]]))
            assert better[0] == pytest.approx(sum(m for c, m in mass.items() if c >= c2) / all_of)
            assert worse[0] == pytest.approx(sum(m for c, m in mass.items() if c <= c2) / all_of)


def test_benjamini_and_hochberg_of_their_own_example() -> None:
    """The fifteen p of their section 3.2: four are rejected at .05."""
    p = np.array([.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262,
                  .5719, .6528, .7590, 1.0])  # fmt: skip
    assert false_discovery(p).sum() == 4
    assert false_discovery(p[::-1]).sum() == 4
    assert not false_discovery(np.array([0.9, 0.8])).any()


def test_never_solved_is_a_bound_and_not_zero() -> None:
    for draws in (1, 16, 128, 1024):
        assert (1 - reachable_below(draws)) ** draws == pytest.approx(0.05)


def test_published_ratios_of_support() -> None:
    """AIME24 at 1,024: 19/4/0; MATH500 at 128: 462/18/5 (Yue et al. v5, table 2)."""
    assert support_ratios(19, 4, 0) == pytest.approx((19 / 23, 0, -4 / 23))
    assert support_ratios(462, 18, 5)[0] == pytest.approx(0.9625)
    srr, ndr, nscr = support_ratios(911, 33, 12)
    assert (round(srr, 3), round(ndr, 4), round(nscr, 4)) == (0.965, 0.013, -0.022)
    for preserved, expanded, shrunk, _ in LEASH.values():
        found = support_ratios(preserved, shrunk, expanded)
        assert found.srr == pytest.approx(preserved / (preserved + shrunk))
        assert found.nscr < 0


def test_ratios_of_nothing_are_undefined() -> None:
    assert np.isnan(support_ratios(0, 0, 0)).all()
    assert np.isnan(support_ratios(0, 0, 3).srr)


def test_intervals_of_the_ratios_cover_their_truth() -> None:
    rng, truth = np.random.default_rng(0), np.array([0.7, 0.12, 0.08, 0.1])
    exact, hits = support_ratios(truth[0], truth[1], truth[2]), np.zeros(3)
    for _ in range(300):
        counts = rng.multinomial(300, truth)
        drawn = dirichlet_weights(np.maximum(counts, 1e-9), 800, rng)
        found = support_intervals(np.eye(4), drawn)
        hits += [i.low <= x <= i.high for i, x in zip(found, exact, strict=True)]
    assert (hits / 300 > 0.9).all()


def test_two_gains_and_no_loss_leave_the_net_change_open() -> None:
    """McNemar's exact p of 0 against 2 is .5: an interval that excludes 0 would say too much."""
    drawn = dirichlet_weights(np.array([4.0, 2.0, 10.0]), 4000, np.random.default_rng(0))
    kept, _, net = support_intervals(np.eye(4)[[0, 2, 3]], drawn)
    assert kept.low < 0.9
    assert net.low < 0 < net.high


def test_classes_are_what_they_say() -> None:
    base = np.array([[64, 0], [64, 20], [64, 5], [64, 0], [64, 0]])
    tuned = np.array([[64, 20], [64, 0], [64, 9], [64, 1], [64, 0]])
    names = [CLASSES[i] for i in certainty_classes(base, tuned)]
    assert names == ["gained", "lost", "both", "undecided", "undecided"]


def test_identical_models_lose_and_gain_nothing_for_certain() -> None:
    """Known truth: every "certain" class but both is false; at most 5% of runs hold any."""
    rng, false = np.random.default_rng(1), 0
    for _ in range(300):
        p = np.where(rng.random(200) < 0.5, 10 ** rng.uniform(-4, -1, 200), rng.random(200))
        sides = [np.column_stack([np.full(200, 64), rng.binomial(64, p)]) for _ in range(2)]
        classes = certainty_classes(sides[0], sides[1])
        false += bool(np.isin(classes, [CLASSES.index("gained"), CLASSES.index("lost")]).any())
    assert false <= 15


def test_bayes_at_n_of_the_published_example() -> None:
    grades = np.array([[0, 1, 2, 2, 1], [1, 1, 0, 2, 2]])
    plain = bayes_at_n(grades, [0, 0.5, 1])
    assert plain == pytest.approx((0.5625, 0.091998), abs=1e-6)
    known = bayes_at_n(grades, [0, 0.5, 1], np.array([[0, 2], [1, 2]]))
    assert known == pytest.approx((0.575, 0.084275), abs=1e-6)
