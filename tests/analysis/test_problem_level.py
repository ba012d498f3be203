"""Clusters, the two questions, single problems and predictions in a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pathshift import compare
from pathshift.errors import ConfigError


def test_problems_of_one_template_count_as_one_draw_of_the_dice() -> None:
    rng = np.random.default_rng(0)
    templates = rng.random(24)
    rows: list[dict[str, Any]] = [
        {"id": f"{i}-{j}", "n": 16, "c": int(rng.binomial(16, p)), "cluster": str(i)}
        for i, p in enumerate(templates)
        for j in range(4)
    ]
    lifted = [{**row, "c": min(16, row["c"] + 1 + row["c"] // 4)} for row in rows]
    alone = [[{k: v for k, v in row.items() if k != "cluster"} for row in side]
             for side in (rows, lifted)]  # fmt: skip
    found, naive = compare(rows, lifted, replicates=2000), compare(*alone, replicates=2000)
    assert found.settings["clusters"] == 24
    assert naive.settings["clusters"] is None
    np.testing.assert_allclose(found.difference, naive.difference)
    wide, narrow = (np.subtract(r.high, r.low).mean() for r in (found, naive))
    assert wide > 1.3 * narrow
    assert (found.cells, found.n_problems) == (naive.cells, 96)


def test_clusters_of_one_problem_each_change_nothing() -> None:
    rows = [{"id": str(i), "n": 8, "c": i % 9, "cluster": str(i)} for i in range(30)]
    bare = [{key: row[key] for key in ("id", "n", "c")} for row in rows]
    assert compare(rows, rows[::-1]).low == compare(bare, bare[::-1]).low


def test_the_other_question_is_labelled_and_answered() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 0.5, 40)
    sides = [np.column_stack([np.full(40, 64), rng.binomial(64, q)]) for q in (p, p**0.8)]
    like = compare(*sides, replicates=2000)
    these = compare(*sides, replicates=2000, question="these")
    assert like.settings["question"].startswith("problems like these")
    assert these.settings["question"].startswith("these problems")
    assert np.subtract(these.high, these.low)[0] < np.subtract(like.high, like.low)[0]
    with pytest.raises(ConfigError, match="question must be like or these"):
        compare(*sides, question="all")


def test_what_is_certain_of_problems_stands_in_the_result() -> None:
    base = [(64, 0)] * 5 + [(64, 30)] * 5 + [(64, 20)] * 20
    tuned = [(64, 30)] * 5 + [(64, 0)] * 5 + [(64, 25)] * 20
    found = compare(base, tuned)
    assert found.certainty is not None
    assert (found.certainty.gained, found.certainty.lost, found.certainty.both) == (5, 5, 20)
    assert [row.certainty for row in found.problems[:6]] == ["gained"] * 5 + ["lost"]
    assert found.support is not None
    assert found.support.srr.value == pytest.approx(0.8)
    assert found.support.nscr.value == pytest.approx(0)


def test_beyond_the_samples_nothing_enters_the_word() -> None:
    counts = [[(16, i % 17) for i in range(60)], [(16, (i + 2) % 17) for i in range(60)]]
    plain, more = compare(*counts), compare(*counts, beyond=64)
    assert plain.beyond is None
    assert more.beyond is not None
    assert more.beyond.k == [32, 64]
    assert more.verdict == plain.verdict
    with pytest.raises(ConfigError):
        compare(*counts, beyond=8)
