"""Cells, the split-half null and the histogram against enumeration and simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.stats.cells import (
    BIN_LABELS,
    accuracy_histogram,
    expected_cells,
    lost_to_itself,
    solved_cells,
)
from pathshift.stats.passk import paired_table


def test_cells_of_equal_n_are_plain_counts() -> None:
    base, tuned = (
        np.array([[4, 1], [4, 0], [4, 2], [4, 0]]),
        np.array([[4, 4], [4, 1], [4, 0], [4, 0]]),
    )
    assert solved_cells(base, tuned, 4, np.random.default_rng(0)) == (1, 1, 1, 1)


def test_surplus_samples_are_cut_to_k_at_random() -> None:
    """One right sample of ten is among four drawn ones in four of ten cases."""
    base = np.tile([10, 1], (20_000, 1))
    cells = solved_cells(base, np.tile([4, 4], (20_000, 1)), 4, np.random.default_rng(1))
    assert cells.both / 20_000 == pytest.approx(0.4, abs=0.015)


@given(st.integers(1, 4), st.data())
def test_split_half_null_equals_enumeration_of_every_split(half: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, 2 * half))
    samples = set(range(2 * half))
    right = set(range(correct))
    splits = list(combinations(sorted(samples), half))
    lost = sum(bool(right) and not right & set(first) for first in splits)
    expected = lost / len(splits)
    assert lost_to_itself(np.array([[2 * half, correct]]), half) == pytest.approx(expected)


def test_expected_cells_multiply_independent_chances() -> None:
    table = paired_table(np.array([[2, 1]]), np.array([[2, 2]]), np.array([1]))
    assert expected_cells(table, 0) == (0.0, 0.5)


@given(st.integers(1, 200), st.data())
def test_every_problem_falls_into_the_bin_its_label_names(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    counts = accuracy_histogram(np.array([[n, c]]))
    assert sum(counts) == 1
    label = BIN_LABELS[counts.index(1)]
    if c in (0, n):
        assert label == ("0" if c == 0 else "1")
        return
    low, high = label[1:-1].split(",")
    # Whole-number comparison: c/n against tenths.
    assert 10 * c > round(float(low) * 10) * n
    limit = round(float(high) * 10) * n
    assert 10 * c < limit if label.endswith(")") else 10 * c <= limit
