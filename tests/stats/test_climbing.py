"""The climber on functions whose summits are known."""

from __future__ import annotations

import numpy as np
import pytest

from pathshift.stats.climbing import Derivatives, climb
from pathshift.stats.passk import FloatArray, IntArray


class Quadratics:
    """-(x - centre)' M (x - centre) / 2 within a box."""

    lowest, highest = np.array([-1.0, -50.0]), np.array([50.0, 50.0])
    bend = np.array([[2.0, 0.5], [0.5, 1.0]])

    def __init__(self, centres: FloatArray) -> None:
        self.centres = centres

    def value(self, theta: FloatArray, which: IntArray) -> FloatArray:
        off = theta - self.centres[which]
        out: FloatArray = -np.einsum("bi,ij,bj->b", off, self.bend, off) / 2
        return out

    def derivatives(self, theta: FloatArray, which: IntArray) -> Derivatives:
        off = theta - self.centres[which]
        return Derivatives(-off @ self.bend, np.tile(-self.bend, (len(theta), 1, 1)))


class Well:
    """-(x^2 - 4)^2: two summits at -2 and 2 and curvature of the wrong sign between."""

    lowest, highest = np.array([-9.0]), np.array([9.0])

    def value(self, theta: FloatArray, which: IntArray) -> FloatArray:
        out: FloatArray = -((theta[:, 0] ** 2 - 4) ** 2)
        return out

    def derivatives(self, theta: FloatArray, which: IntArray) -> Derivatives:
        x = theta[:, 0]
        return Derivatives((-4 * x * (x**2 - 4))[:, None], (16 - 12 * x**2)[:, None, None])


def test_many_summits_are_each_found() -> None:
    centres = np.array([[3.0, 4.0], [0.0, 0.0], [20.0, -30.0]])
    found = climb(Quadratics(centres), np.zeros((3, 2)))
    assert found.theta == pytest.approx(centres, abs=1e-6)
    assert found.value == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_summit_outside_the_box_is_met_at_its_edge() -> None:
    found = climb(Quadratics(np.array([[-3.0, 1.0]])), np.zeros((1, 2)))
    # With x held at -1 the rest rises until .5 (x + 3) + (y - 1) = 0.
    assert found.theta[0] == pytest.approx([-1.0, 0.0], abs=1e-6)


def test_it_leaves_a_saddle_upwards() -> None:
    found = climb(Well(), np.array([[0.1], [-0.1], [5.0]]))
    assert found.theta[:, 0] == pytest.approx([2, -2, 2], abs=1e-4)
