"""Uniform numbers as a function of a counter: no generator state, so order does not matter.

The number at position t of a sample depends on (seed, branch, t) and on nothing else: not on the
batch it is drawn in, nor on the samples before it. That is what makes a resumed run equal the
uninterrupted one, and a top-up draw only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_GAMMA = 0x9E3779B97F4A7C15
_64_BITS = 2**64 - 1


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed from what it depends on, the same in every process and on every machine."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def uniforms(
    seeds: Sequence[int], branch: int, position: int | Sequence[int]
) -> npt.NDArray[np.float64]:
    """One uniform number in (0, 1) for each seed, shape (B,).

    Three rounds of the SplitMix64 finaliser (Steele et al. 2014), one for each of the parts.

    Args:
        position: Of all seeds, or one a seed.
    """
    state = _mixed(np.asarray(seeds, dtype=np.uint64))
    for part in (branch, position):
        state = _mixed(state ^ _spread(part))
    # 53 bits, shifted by half a step so that neither 0 nor 1 can occur.
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _spread(part: int | Sequence[int]) -> npt.NDArray[np.uint64] | np.uint64:
    """(part + 1) times the golden ratio, modulo 2**64."""
    if isinstance(part, int):
        return np.uint64((part + 1) * _GAMMA & _64_BITS)
    with np.errstate(over="ignore"):
        return (np.asarray(part, dtype=np.uint64) + np.uint64(1)) * np.uint64(_GAMMA)


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        x = x + np.uint64(_GAMMA)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
