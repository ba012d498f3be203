"""How samples ended: shares by hand, and recounts where what truncation hid is known."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest

from pathshift.analysis.comparison import compare
from pathshift.analysis.draws import Draws, draws_of, run_draws
from pathshift.analysis.drilldown import run_samples
from pathshift.analysis.hygiene import Hygiene, hygiene
from pathshift.analysis.pairing import pair_up
from pathshift.analysis.result import Range
from pathshift.records import (
    CountTable,
    Outcome,
    Problem,
    ProblemCount,
    RunManifest,
    Sample,
    Verdict,
)
from pathshift.store.counts import run_counts
from pathshift.store.run import RunWriter

N = 32


def table(name: str, counts: list[ProblemCount]) -> CountTable:
    return CountTable(name=name, counts=tuple(counts))


def found_in(
    base: CountTable, tuned: CountTable, draws: dict[str, Draws | None] | None = None
) -> Hygiene:
    result = compare(base, tuned, replicates=500)
    found = hygiene(pair_up(base, tuned), result, draws, replicates=500)
    assert found is not None
    return found


def cut(correct: int, truncated: int, problem: int, *, n: int = N) -> ProblemCount:
    return ProblemCount(
        id=f"p{problem:03}", n=n, c=correct, truncated=truncated, unparsed=0, failed=0,
        n_tokens=10 * n, floor=0.0,
    )  # fmt: skip


def result_ranges(base: list[ProblemCount], tuned: list[ProblemCount]) -> list[Range]:
    result = compare(table("base", base), table("tuned", tuned), replicates=500)
    return [*result.gain_certified, *result.loss_certified]


def test_a_loss_made_by_truncation_alone_is_named_and_the_recount_removes_it() -> None:
    """Two equal models; six in ten samples of the tuned one hit the token limit at random."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.6, 150)
    base = [cut(int(rng.binomial(N, p)), 0, i) for i, p in enumerate(rates)]
    lost = rng.binomial(N, 0.6, 150)
    tuned = [
        cut(int(rng.binomial(N - m, p)), int(m), i)
        for i, (p, m) in enumerate(zip(rates, lost, strict=True))
    ]
    found = found_in(table("base", base), table("tuned", tuned))
    recount = next(r for r in found.recounts if r.reason == "truncated")
    assert recount.before[0] < -0.1
    assert np.abs(recount.after).max() < 0.02
    assert recount.turns or recount.shrinks == result_ranges(base, tuned)
    assert found.warnings
    assert found.warnings[0].startswith("truncation alone could")
    assert "at most instead" in found.warnings[0]  # counts do not say which cut ones were correct


def test_a_difference_that_truncation_does_not_touch_gets_no_warning() -> None:
    base = [cut(4, 8, i) for i in range(100)]
    tuned = [cut(16, 8, i) for i in range(100)]
    found = found_in(table("base", base), table("tuned", tuned))
    recount = found.recounts[0]
    assert recount.before[0] == pytest.approx(12 / 32)
    assert recount.after[0] == pytest.approx(12 / 24)
    assert found.warnings == []


def test_where_nothing_remains_of_a_problem_it_could_have_been_solved() -> None:
    base = [cut(2, 0, i) for i in range(100)]
    tuned = [cut(0, N, i) for i in range(100)]
    recount = found_in(table("base", base), table("tuned", tuned)).recounts[0]
    assert recount.after[0] == pytest.approx(1 - 2 / 32)
    assert recount.turns == recount.k


def test_beyond_what_remains_both_sides_draw_with_replacement_from_as_many() -> None:
    base = [cut(8, 0, i) for i in range(100)]
    tuned = [cut(1, 24, i) for i in range(100)]  # 8 remain, 1 of them correct
    recount = found_in(table("base", base), table("tuned", tuned)).recounts[0]
    at = dict(zip(recount.k, recount.after, strict=True))
    assert at[1] == pytest.approx(1 / 8 - 8 / 32)
    last = recount.k[-1]
    assert last > 8
    # Both sides with replacement from 8: the base's 8 of 32 correct, of which 8 are taken.
    from_eight = sum(
        comb(8, j) * comb(24, 8 - j) / comb(32, 8) * (1 - j / 8) ** last for j in range(9)
    )
    assert at[last] == pytest.approx(from_eight - (7 / 8) ** last)


def sampled(
    path: Path, rows: dict[str, list[tuple[Outcome, str]]], *, tokens: int | None = 5
) -> Path:
    """A run folder with these outcomes and endings."""
    problems = [Problem(id=n, task="toy", question=n, gold="1", floor=0.0) for n in rows]
    manifest = RunManifest(
        config={"verifier": "number", "model": "toy"}, n=len(rows[problems[0].id])
    )
    with RunWriter.open(path, manifest, problems, ["?"] * len(problems)) as writer:
        for name, ends in rows.items():
            samples = [
                Sample(problem_id=name, sample_no=i, seed=i, text="x", n_tokens=tokens,
                       finish_reason=finish, sampling_logprob_sum=-1.5)
                for i, (_, finish) in enumerate(ends)
            ]  # fmt: skip
            verdicts = [
                Verdict(problem_id=name, sample_no=i, outcome=outcome)
                for i, (outcome, _) in enumerate(ends)
            ]
            writer.add(samples, verdicts)
    return path


RIGHT, WRONG, MUTE, BROKEN = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED


def test_cut_samples_that_were_correct_are_not_left_out_where_samples_are_known(
    tmp_path: Path,
) -> None:
    """A base that rambles on after its answer: all of its samples are cut, half are correct."""
    names = [f"p{i:02}" for i in range(40)]
    base = sampled(
        tmp_path / "a", {n: [(RIGHT, "length")] * 4 + [(WRONG, "length")] * 4 for n in names}
    )
    tuned = sampled(tmp_path / "b", {n: [(RIGHT, "stop")] * 7 + [(WRONG, "stop")] for n in names})
    tables = run_counts(base), run_counts(tuned)
    exact = found_in(*tables, {"base": run_draws(base), "tuned": run_draws(tuned)})
    assert exact.recounts[0].is_exact
    assert exact.recounts[0].after[0] == pytest.approx(7 / 8 - 1)  # half are wrong and cut
    assert exact.ends["all"]["base"].truncated.value == 1
    assert exact.ends["all"]["base"].ended.value == 0
    assert "at most" not in exact.warnings[0]
    finished = sampled(
        tmp_path / "c",
        {n: [(RIGHT, "length")] * 4 + [(WRONG, "stop")] * 4 for n in names},
    )
    clean = found_in(
        run_counts(finished), tables[1], {"base": run_draws(finished), "tuned": run_draws(tuned)}
    )
    assert clean.warnings == []
    assert found_in(run_counts(finished), tables[1]).warnings  # the same from counts: at most


def test_shares_are_by_cell_and_each_has_its_interval(tmp_path: Path) -> None:
    base = sampled(
        tmp_path / "a",
        {
            "p0": [(RIGHT, "stop"), (WRONG, "length"), (MUTE, "length"), (BROKEN, "error")],
            "p1": [(WRONG, "stop")] * 4,
            "p2": [(RIGHT, "stop")] * 4,
        },
    )
    tuned = sampled(
        tmp_path / "b",
        {
            "p0": [(MUTE, "length")] * 4,
            "p1": [(RIGHT, "stop"), (MUTE, "stop"), (WRONG, "stop"), (WRONG, "stop")],
            "p2": [(RIGHT, "stop")] * 4,
        },
    )
    found = found_in(run_counts(base), run_counts(tuned))
    lost = found.ends["base_only"]
    assert (lost["base"].problems, found.ends["tuned_only"]["base"].problems) == (1, 1)
    assert lost["base"].truncated.value == pytest.approx(2 / 4)
    assert lost["base"].unparsed.value == pytest.approx(1 / 4)
    assert lost["base"].ended.value == pytest.approx(1 / 4)
    assert lost["base"].failed.value == pytest.approx(1 / 4)
    assert lost["tuned"].truncated.value == 1
    assert found.ends["all"]["base"].truncated.value == pytest.approx(1 / 6)
    assert found.ends["all"]["tuned"].tokens.value == 5
    for sides in found.ends.values():
        for ends in sides.values():
            for rate in (ends.truncated, ends.unparsed, ends.ended, ends.failed):
                assert rate.value is not None
                assert rate.low is not None
                assert rate.high is not None
                assert 0 <= rate.low <= rate.value <= rate.high <= 1
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_unreadable_answers_are_recounted_too() -> None:
    def side(correct: int, unparsed: int) -> list[ProblemCount]:
        return [
            ProblemCount(id=f"p{i}", n=16, c=correct, unparsed=unparsed, floor=0.0)
            for i in range(80)
        ]

    found = found_in(table("base", side(4, 8)), table("tuned", side(8, 0)))
    (recount,) = found.recounts
    assert recount.reason == "unparsed"
    assert recount.is_exact
    assert recount.after[0] == pytest.approx(8 / 16 - 4 / 8)
    assert found.warnings[0].startswith("unreadable answers alone could turn this")
    assert "50% of the base's, 0% of the tuned" in found.warnings[0]


def test_counts_that_say_nothing_of_endings_have_no_hygiene() -> None:
    plain = [ProblemCount(id=str(i), n=4, c=2) for i in range(5)]
    pair = pair_up(table("a", plain), table("b", plain))
    assert hygiene(pair, compare(pair.base, pair.tuned, replicates=300)) is None


def test_a_run_read_by_columns_is_the_run_read_by_samples(tmp_path: Path) -> None:
    rows = {
        "p1": [(RIGHT, "stop"), (WRONG, "length"), (BROKEN, "error")],
        "p0": [(MUTE, "stop"), (RIGHT, "stop"), (WRONG, "stop")],
    }
    path = sampled(tmp_path / "a", rows)
    by_column, by_sample = run_draws(path), draws_of(run_samples(path)({"p0", "p1"}))
    for draws in (by_column, by_sample):
        assert draws.has_tokens
        assert draws.policy_entropy() == pytest.approx(1.5 / 5)
        spent = draws.spent(["p1", "p0"])
        assert [sorted(one.correct.tolist()) for one in spent] == [
            [False, True],
            [False, False, True],
        ]
        assert draws.counted(draws.outcome == "failed", ["p0", "p1", "p9"]).tolist() == [0, 1, 0]
    silent = run_draws(sampled(tmp_path / "b", rows, tokens=None))
    assert not silent.has_tokens
    assert silent.policy_entropy() is None
    assert not draws_of([]).has_tokens
