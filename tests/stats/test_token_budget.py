"""Coverage at tokens against pass@k, every order of the samples, and a renewal equation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from pathshift.stats.passk import pass_at_k
from pathshift.stats.token_budget import (
    Spent,
    budget_grid,
    coverage_at_tokens,
    halved_samples,
    largest_budget,
)


def spent(tokens: list[int], correct: list[int]) -> Spent:
    return Spent(np.array(tokens), np.array(correct, dtype=bool))


@pytest.mark.parametrize("c", range(6))
def test_with_samples_of_one_length_it_is_pass_at_k(c: int) -> None:
    one = spent([7] * 5, [1] * c + [0] * (5 - c))
    budgets = np.array([6, 7, 13, 14, 20, 27, 28, 35])
    found = coverage_at_tokens([one], budgets, np.random.default_rng(0))[0]
    assert found == pytest.approx([b // 7 and pass_at_k(5, c, b // 7) for b in budgets])


def test_it_is_the_mean_over_every_order_of_the_samples() -> None:
    one = spent([3, 10, 4, 8, 1, 6], [1, 0, 0, 1, 0, 0])
    budgets = np.arange(1, 33)
    covered = np.zeros(len(budgets))
    for order in permutations(range(6)):
        ends = np.cumsum(one.tokens[list(order)])
        first = ends[one.correct[list(order)]].min()
        covered += first <= budgets
    found = coverage_at_tokens([one], budgets, np.random.default_rng(1), orders=20_000)[0]
    assert found == pytest.approx(covered / 720, abs=0.01)


def test_one_wrong_sample_leaves_nothing_to_chance() -> None:
    one = spent([5, 3, 9], [1, 0, 1])
    found = coverage_at_tokens([one], np.array([4, 5, 8, 9, 12]), np.random.default_rng(2))[0]
    # First is right with chance 2/3 (5 or 9 tokens); after the wrong one of 3 they end at 8 or 12.
    assert found == pytest.approx([0, 1 / 3, 1 / 3 + 1 / 6, 2 / 3 + 1 / 6, 1])


def test_it_is_unbiased_for_what_independent_draws_reach() -> None:
    """Truth: f(B) = sum over lengths t <= B of P(t) (p_t + (1 - p_t) f(B - t))."""
    lengths, chance, right = np.array([2, 3, 9]), np.array([0.5, 0.3, 0.2]), (0.05, 0.2, 0.6)
    truth = np.zeros(25)
    for budget in range(1, 25):
        for t, share, p in zip(lengths, chance, right, strict=True):
            if t <= budget:
                truth[budget] += share * (p + (1 - p) * truth[budget - t])
    rng, problems = np.random.default_rng(3), 4000
    drawn = []
    for _ in range(problems):
        which = rng.choice(3, size=12, p=chance)
        drawn.append(Spent(lengths[which], rng.random(12) < np.array(right)[which]))
    budgets = np.array([2, 3, 5, 9, 14, 20, 24])  # 12 samples of at least 2 tokens can spend 24
    found = coverage_at_tokens(drawn, budgets, rng, orders=4)
    error = found.std(axis=0) / np.sqrt(problems)
    assert (np.abs(found.mean(axis=0) - truth[budgets]) < 4 * error + 1e-12).all()


def test_the_longer_writer_gains_nothing_from_being_right_as_often() -> None:
    rng = np.random.default_rng(4)
    correct = rng.random((50, 16)) < 0.3
    short = [Spent(np.full(16, 10), row) for row in correct]
    long = [Spent(np.full(16, 40), row) for row in correct]
    budgets = np.array([40, 80, 160])
    curves = [coverage_at_tokens(side, budgets, rng).mean(axis=0) for side in (short, long)]
    assert (curves[0] > curves[1]).all()
    assert curves[0] == pytest.approx(coverage_at_tokens(long, 4 * budgets, rng).mean(axis=0))


def test_a_budget_is_reported_only_where_nearly_all_problems_can_spend_it() -> None:
    problems = [spent([10] * (i + 1), [0] * (i + 1)) for i in range(40)]
    assert largest_budget(problems) == 30
    assert largest_budget(problems, share=1.0) == 10
    grid = budget_grid(3, 3000)
    assert (grid[0], grid[-1], len(grid)) == (3, 3000, 24)
    assert (np.diff(grid) > 0).all()
    with pytest.raises(ValueError, match="1 <= smallest <= largest"):
        budget_grid(10, 5)


def test_halves_hold_every_sample_once() -> None:
    one = spent(list(range(1, 8)), [0, 1, 0, 1, 1, 0, 0])
    first, second = (half[0] for half in halved_samples([one], np.random.default_rng(5)))
    assert len(first.tokens) == 3
    pairs = [*zip(first.tokens, first.correct, strict=True)]
    pairs += zip(second.tokens, second.correct, strict=True)
    assert sorted(pairs) == sorted(zip(one.tokens, one.correct, strict=True))


@pytest.mark.parametrize("bad", [spent([], []), spent([0, 3], [0, 1])])
def test_no_samples_or_samples_without_tokens_are_refused(bad: Spent) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        coverage_at_tokens([bad], np.array([5]), np.random.default_rng(0))
