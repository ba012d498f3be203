"""The published boundary, recomputed: figure 13 against the curves, cells, efficiency gaps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathshift import compare
from pathshift.stats.cells import BIN_LABELS, accuracy_histogram
from pathshift.stats.passk import IntArray

GOLD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "gold" / "boundary_anchors.json").read_text(encoding="utf-8")
)
N = 1000
MODELS = {"Qwen2.5-7B": "7B", "Qwen2.5-14B": "14B", "Qwen2.5-32B": "32B", "LLaMA-3.1-8B": "L8B"}


def counts(bins: list[int]) -> IntArray:
    """Problems whose share of correct samples lies in the middle of their bin."""
    shares = [0.0, *(0.05 + 0.1 * i for i in range(10)), 1.0]
    c = np.repeat([round(share * N) for share in shares], bins)
    return np.column_stack([np.full(len(c), N), c]).astype(np.int64)


@pytest.mark.parametrize("panel", GOLD["fig13"])
def test_a_histogram_of_figure_13_is_our_histogram_of_such_counts(panel: str) -> None:
    bins = GOLD["fig13"][panel]["counts"]
    assert len(bins) == len(BIN_LABELS)
    assert accuracy_histogram(counts(bins)) == bins


@pytest.mark.parametrize("row", GOLD["fig2_fig9"], ids=lambda row: f"{row['bench']}-{row['model']}")
def test_the_zero_bin_is_what_the_curve_leaves_at_its_end(row: dict[str, Any]) -> None:
    """pass@n = 1 - zero bin / problems, for either model, where figure 13 has the panel."""
    size = MODELS.get(row["model"])
    panels = [GOLD["fig13"].get(f"{row['bench']}|{size}|{side}") for side in ("Base", "RL")]
    if None in panels:
        assert (size is None) or not any(panels)
        return
    for panel, end in zip(panels, (row["base_pK"], row["rl_pK"]), strict=True):
        # Figures are read to .002; where curve and histogram stop at different n they may part.
        slack = 0.004 if row["K"] in (128, 1024) else 0.08
        assert 1 - panel["counts"][0] / panel["N"] == pytest.approx(end, abs=slack)


def test_sampling_efficiency_gaps_are_those_of_the_papers_own_table() -> None:
    """base pass@256 - tuned pass@1 on the Omni-MATH test set, in points."""
    base = GOLD["algos"]["Qwen2.5-7B"]["test"][1]
    published = {
        "GRPO": 44.0, "PPO": 42.3, "ReMax": 45.3, "RLOO": 41.0, "Reinforce++": 41.1, "DAPO": 42.6,
    }  # fmt: skip
    gaps = {name: round(base - GOLD["algos"][name]["test"][0], 1) for name in published}
    assert gaps == published


def test_our_gap_is_base_at_n_minus_tuned_at_one() -> None:
    base = np.column_stack([np.full(821, 256), np.repeat([256, 0], [567, 254])])
    tuned = np.column_stack([np.full(821, 256), np.repeat([256, 0], [230, 591])])
    gap = compare(base, tuned, replicates=500).delta_se
    assert (gap.k, round(100 * gap.value, 1)) == (256, 41.0)


@pytest.mark.parametrize("name", GOLD["fourcell_v5"])
def test_solved_cells_of_the_paper(name: str) -> None:
    cells = GOLD["fourcell_v5"][name]
    n = int(name.rpartition("k")[2])
    order = (("both", 1, 1), ("base_only", 1, 0), ("rl_only", 0, 1), ("neither", 0, 0))
    sides = [
        np.concatenate([np.full(cells[key], solved[side]) for key, *solved in order])
        for side in (0, 1)
    ]
    arrays = [np.column_stack([np.full(len(c), n), c]) for c in sides]
    found = compare(arrays[0], arrays[1], k=(1, n), replicates=500)
    assert (found.cells.both, found.cells.base_only) == (cells["both"], cells["base_only"])
    assert (found.cells.tuned_only, found.cells.neither) == (cells["rl_only"], cells["neither"])
    assert found.support is not None
    expected = (cells["rl_only"] - cells["base_only"]) / (sum(cells.values()) - cells["neither"])
    assert found.support.nscr.value == pytest.approx(expected)
