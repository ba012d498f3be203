"""Many small maximisations at once: damped Newton steps within a box, every problem at its own
pace.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from pathshift.stats.passk import FloatArray, IntArray

_STEPS, _HALVINGS, _LONGEST = 200, 12, 2.0
_TOLERANCE = 1e-9


class Derivatives(NamedTuple):
    """Of each problem's value: gradient (B, D) and curvature (B, D, D)."""

    gradient: FloatArray
    curvature: FloatArray


class Hill(Protocol):
    """B functions of D numbers; `which` says which of them the rows of `theta` belong to."""

    lowest: FloatArray
    highest: FloatArray

    def value(self, theta: FloatArray, which: IntArray) -> FloatArray:
        """Heights, shape (B,)."""

    def derivatives(self, theta: FloatArray, which: IntArray) -> Derivatives:
        """At the same points; the curvature may be approximate."""


class Summit(NamedTuple):
    """Best points found, shape (B, D), and their heights, shape (B,)."""

    theta: FloatArray
    value: FloatArray


def climb(hill: Hill, start: FloatArray) -> Summit:
    """Local maxima of all functions.

    The curvature is made negative where it is not; a step is halved until it leads up; what presses
    against an edge of the box is held there. A function is left once a step gains nothing.

    Args:
        start: One row a function, shape (B, D).
    """
    theta, active = start.copy(), np.arange(len(start))
    value = hill.value(theta, active)
    for _ in range(_STEPS):
        step, promised = _newton(hill, theta[active], active)
        before = value[active]
        theta[active], value[active] = _search(hill, Summit(theta[active], before), step, active)
        still = (promised > _TOLERANCE) & (value[active] - before > _TOLERANCE)
        active = active[still]
        if not active.size:
            break
    return Summit(theta, value)


def _newton(hill: Hill, theta: FloatArray, which: IntArray) -> tuple[FloatArray, FloatArray]:
    """Steps, and the rise that a quadratic would promise."""
    gradient, curvature = hill.derivatives(theta, which)
    held = ((theta <= hill.lowest) & (gradient < 0)) | ((theta >= hill.highest) & (gradient > 0))
    gradient = np.where(held, 0.0, gradient)
    curvature = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature)
    bend, axes = np.linalg.eigh(curvature)
    bend = np.maximum(abs(bend), 1e-9 + 1e-9 * abs(bend).max(axis=1, keepdims=True))
    along = np.einsum("bij,bi->bj", axes, gradient)
    step = np.einsum("bij,bj->bi", axes, along / bend)
    longest = abs(step).max(axis=1, keepdims=True)
    step *= np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-300))
    return step, (along**2 / bend).sum(axis=1)


def _search(hill: Hill, at: Summit, step: FloatArray, which: IntArray) -> Summit:
    best, reached = at.theta.copy(), at.value.copy()
    tried = np.arange(len(best))
    for halving in range(_HALVINGS):
        theta = np.clip(at.theta[tried] + step[tried] * 0.5**halving, hill.lowest, hill.highest)
        value = hill.value(theta, which[tried])
        up = value > at.value[tried]
        best[tried[up]], reached[tried[up]] = theta[up], value[up]
        tried = tried[~up]
        if not tried.size:
            break
    return Summit(best, reached)
