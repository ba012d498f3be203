"""Thinned counts against every cut of the samples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pathshift.stats.thinning import thinned_miss


@pytest.mark.parametrize(
    ("n", "c", "size"), [(6, 2, 3), (6, 0, 4), (6, 6, 2), (7, 5, 7), (5, 4, 1)]
)
def test_it_is_the_mean_over_every_cut(n: int, c: int, size: int) -> None:
    k = np.array([1, 2, 9])
    cuts = list(combinations([1] * c + [0] * (n - c), size))
    expected = np.mean([(1 - np.mean(cut)) ** k for cut in cuts], axis=0)
    assert thinned_miss(n, c, size, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [0, 5])
def test_a_cut_larger_than_the_samples_or_empty_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"must be at least 1|needs at least"):
        thinned_miss(4, 2, size, np.array([1]))
