"""Comparisons of runs that a rule ended, replayed on released counts with every outcome known."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import pathshift
from pathshift.analysis.pairing import drawn, load
from pathshift.analysis.result import Comparison
from pathshift.errors import CountsError
from pathshift.records import CountTable, ProblemCount
from pathshift.store.countfiles import count_table, read_counts

CAP = 128
RULE = {"pilot": 8, "successes": 4, "cap": CAP}


@cache
def whole(side: str) -> CountTable:
    return load(str(files("pathshift") / "examples" / "deepscaler32k" / f"{side}.jsonl"), name=side)


def stopped(side: str, seed: int = 0) -> CountTable:
    """Each problem's 128 outcomes in random order, ended by the rule."""
    rng = np.random.default_rng([seed, side == "tuned"])
    counts = []
    for problem in whole(side).counts:
        right = np.cumsum(rng.permutation(CAP) < problem.c)
        ends = np.flatnonzero((np.arange(CAP) >= RULE["pilot"] - 1) & (right >= 4))
        last = int(ends[0]) if len(ends) else CAP - 1
        counts.append(ProblemCount(id=problem.id, n=last + 1, c=int(right[last])))
    return CountTable(name=side, counts=tuple(counts), settings={"stopping": RULE})


@pytest.fixture(scope="module")
def full() -> Comparison:
    return pathshift.compare(whole("base"), whole("tuned"))


@pytest.fixture(scope="module")
def short() -> Comparison:
    return pathshift.compare(stopped("base"), stopped("tuned"))


def test_a_quarter_of_the_draws_gives_the_same_cells_and_verdict(
    full: Comparison, short: Comparison
) -> None:
    total = sum(p.n_base + p.n_tuned for p in short.problems)
    assert total < 0.26 * 2 * CAP * len(full.problems)
    assert short.cells == full.cells
    assert short.k == full.k
    assert short.verdict.word == full.verdict.word == "gain_then_loss"
    assert (short.low[-1], short.high[-1]) == (full.low[-1], full.high[-1])
    assert short.base[63] == pytest.approx(full.base[63], abs=0.002)
    assert short.difference[63:] == pytest.approx(full.difference[63:], abs=0.003)


def test_the_histogram_keeps_unsolved_problems_unsolved(
    full: Comparison, short: Comparison
) -> None:
    for side in ("base", "tuned"):
        assert short.histogram[side][0] == full.histogram[side][0]
        assert sum(short.histogram[side]) == len(full.problems)


def test_the_null_and_the_noise_agree_with_the_whole_run(
    full: Comparison, short: Comparison
) -> None:
    assert short.null is not None
    assert full.null is not None
    assert short.null.base_only == pytest.approx(full.null.base_only, rel=0.05)
    assert short.null.observed_base_only == pytest.approx(full.null.observed_base_only, rel=0.05)
    for i in (31, 63):
        ours, theirs = short.sampling_se["base"][i], full.sampling_se["base"][i]
        assert ours is not None
        assert theirs is not None
        assert 0.95 * theirs < ours < 1.3 * theirs
    assert short.sampling_se["base"][64] is None


def test_one_side_may_be_stopped_and_the_other_not(full: Comparison) -> None:
    mixed = pathshift.compare(whole("base"), stopped("tuned"))
    assert mixed.base == pytest.approx(full.base, abs=1e-12)
    assert mixed.cells == full.cells
    assert mixed.tuned[63] == pytest.approx(full.tuned[63], abs=0.002)
    assert [note for note in mixed.notes if note.startswith("tuned: each problem stopped")]
    assert not [note for note in mixed.notes if note.startswith("base: each problem stopped")]


def test_a_larger_plain_side_is_cut_to_the_cap() -> None:
    doubled = replace(
        whole("base"), counts=tuple(replace(p, n=256, c=2 * p.c) for p in whole("base").counts)
    )
    result = pathshift.compare(doubled, stopped("tuned"))
    assert result.k[-1] == result.cells.k == CAP
    solved = result.cells.tuned_only + result.cells.both
    assert solved == sum(p.c > 0 for p in whole("tuned").counts)


def test_the_plain_estimate_would_be_off(full: Comparison) -> None:
    """What the rule in the table is for."""
    tables = [stopped("base", seed) for seed in range(8)]
    plain = np.mean([[p.c / p.n for p in table.counts] for table in tables])
    exact = np.mean([drawn(table).curve(1)[0] for table in tables])
    assert abs(plain - full.base[0]) > 0.008
    assert abs(exact - full.base[0]) < 0.004


def test_failed_samples_lower_the_largest_k_and_take_the_bounds_away() -> None:
    def table(name: str) -> CountTable:
        rows = [
            ProblemCount(id="a", n=126, c=1, failed=2),
            *(ProblemCount(id=f"b{i}", n=8, c=5, failed=0) for i in range(20)),
        ]
        return CountTable(name=name, counts=tuple(rows), settings={"stopping": RULE})

    result = pathshift.compare(table("x"), table("y"))
    assert result.k[-1] == 126
    assert result.bounds is None
    assert any("no bounds for failed samples" in note for note in result.notes)


@pytest.mark.parametrize(
    ("n", "c", "rule", "said"),
    [
        (9, 2, RULE, "problem 0 with c=2, n=9 does not stand where sampling stops"),
        (128, 5, RULE, "does not stand where sampling stops"),
        (8, 4, {"pilot": 8}, "a stopping rule has pilot, successes and cap"),
        (8, 4, {**RULE, "cap": 4}, "the pilot must be 1 to the cap 4"),
    ],
)
def test_counts_that_no_rule_leaves_are_refused(
    n: int, c: int, rule: dict[str, int], said: str
) -> None:
    table = CountTable(
        name="x", counts=(ProblemCount(id="a", n=n, c=c),), settings={"stopping": rule}
    )
    with pytest.raises(CountsError, match=said):
        pathshift.compare(table, table)


def test_a_count_file_carries_its_rule(tmp_path: Path, short: Comparison) -> None:
    for side in ("base", "tuned"):
        rows = [{"id": p.id, "n": p.n, "c": p.c, **RULE} for p in stopped(side).counts]
        (tmp_path / f"{side}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_counts(tmp_path / "base.jsonl").settings == {"stopping": RULE}
    result = pathshift.compare(tmp_path / "base.jsonl", tmp_path / "tuned.jsonl")
    assert result.difference == short.difference


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({}, "row 2: another stopping rule"),
        ({**RULE, "cap": 64}, "row 2: another stopping rule"),
        ({"pilot": 8, "cap": 128}, "row 2: a stopping rule is pilot, successes and cap; no succ"),
        ({**RULE, "pilot": "x"}, "pilot='x'"),
    ],
)
def test_a_count_file_holds_one_rule(second: dict[str, object], said: str) -> None:
    rows = [{"id": "a", "n": 8, "c": 4, **RULE}, {"id": "b", "n": 8, "c": 4, **second}]
    with pytest.raises(CountsError, match=said):
        count_table(rows, name="x")
