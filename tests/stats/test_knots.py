"""Bands made at some k hold at all of them."""

from __future__ import annotations

import numpy as np

from pathshift.stats.bands import Band
from pathshift.stats.knots import SLACK, STEP, between, knots


def test_knots_are_every_small_k_then_steps_of_a_sixteenth_of_an_octave() -> None:
    k = np.arange(1, 5001)
    places = knots(k)
    kept = k[places]
    assert kept[:64].tolist() == list(range(1, 65))
    assert kept[-1] == 5000
    large = kept[kept >= 64]
    assert (large[1:] / large[:-1] <= STEP + 1e-12).all()
    assert len(kept) < 64 + 16 * np.log2(5000 / 64) + 8


def test_a_coarse_grid_is_left_as_it_is() -> None:
    k = np.array([1, 7, 70, 500, 10_000])
    band = Band(np.arange(5.0), np.arange(5.0) + 1, 0.01)
    assert between(band, k, knots(k)) is band


def test_a_curve_inside_at_the_knots_is_inside_everywhere() -> None:
    """The worst curves: one rate each, and pairs of rates; edges that touch them at every knot."""
    k = np.arange(1, 4097)
    places = knots(k)
    rng = np.random.default_rng(0)
    rates = np.concatenate([10 ** rng.uniform(-5, -0.1, 300), np.geomspace(1e-5, 0.9, 300)])
    for p, q in zip(rates, rng.permutation(rates), strict=True):
        for curve in ((1 - p) ** k, (1 - q) ** k - (1 - p) ** k):
            touching = Band(curve[places], curve[places], 0.05)
            band = between(touching, k, places)
            assert (band.low <= curve + 1e-12).all()
            assert (band.high >= curve - 1e-12).all()
    leaves = max(
        np.abs(np.interp(np.log(k), np.log(k[places]), ((1 - p) ** k)[places]) - (1 - p) ** k).max()
        for p in rates
    )
    assert leaves > SLACK / 4  # the slack is of the size that is needed
