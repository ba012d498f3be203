"""Counter-based uniforms: the published mixer, and numbers that look uniform and unrelated."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.decoding.uniforms import _mixed, seed_of, uniforms


def test_mixer_is_splitmix64() -> None:
    """First outputs of the published generator for seed 1234567 (Steele et al. 2014)."""
    state, found = 1234567, []
    for _ in range(5):
        found.append(int(_mixed(np.array([state], dtype=np.uint64))[0]))
        state = (state + 0x9E3779B97F4A7C15) % 2**64
    assert found == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
        4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8), st.integers(0, 9), st.data())
def test_a_row_depends_on_its_own_seed_alone(
    seeds: list[int], branch: int, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, 100_000))
    together = uniforms(seeds, branch, position)
    alone = [uniforms([seed], branch, position)[0] for seed in seeds]
    assert together.tolist() == alone
    assert ((together > 0) & (together < 1)).all()


@pytest.mark.parametrize("axis", ["seed", "branch", "position"])
def test_each_counter_gives_uniform_and_uncorrelated_numbers(axis: str) -> None:
    n = 40_000
    if axis == "seed":
        drawn = uniforms(range(n), 0, 0)
    elif axis == "branch":
        drawn = np.array([uniforms([7], i, 0)[0] for i in range(n)])
    else:
        drawn = np.array([uniforms([7], 0, i)[0] for i in range(n)])
    counts = np.bincount((drawn * 100).astype(int), minlength=100)
    chi2 = ((counts - n / 100) ** 2 / (n / 100)).sum()
    assert 50 < chi2 < 160  # 99 degrees of freedom: far tails of 1e-5
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.025


def test_counters_do_not_stand_in_for_each_other() -> None:
    values = {float(uniforms([s], b, t)[0]) for s in range(8) for b in range(8) for t in range(8)}
    assert len(values) == 512


def test_a_seed_keeps_the_boundaries_between_its_parts() -> None:
    assert seed_of("ab", "c") != seed_of("a", "bc")
    assert seed_of(1) != seed_of("1")
    assert 0 <= seed_of("x") < 2**63


def test_a_seed_is_the_same_in_every_process() -> None:
    code = "from pathshift.decoding.uniforms import seed_of; print(seed_of('sample', 1, 0, 'é', 3))"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert outputs == {f"{seed_of('sample', 1, 0, 'é', 3)}\n".encode()}
