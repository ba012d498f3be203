"""CoT-pass@k against enumeration, closed forms of noisy votes, and a plain compare."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from tests.authoring.runs import half_right, write_run

from pathshift.analysis.chains import chain_counts, chain_reading
from pathshift.analysis.comparison import compare
from pathshift.errors import RunError
from pathshift.records import Outcome
from pathshift.store.judgements import (
    RULES,
    JudgeSettings,
    Mark,
    Vote,
    chain_outcome,
    settle_judge,
    votes_text,
)
from pathshift.store.run import RunFolder, RunWriter

NAME = "judge-x"
SETTINGS = JudgeSettings(
    model="m", answers="text", votes=3, rule="majority", temperature=0.7, max_tokens=9, seed=0,
    prompt_hash="h",
)  # fmt: skip
S, U = Mark.SOUND, Mark.UNSOUND
Marks = dict[tuple[str, int], tuple[Mark | None, ...]]


def judge(run: Path, marks: Marks, *, rule: str = "majority", votes: int = 3) -> Path:
    """Store votes as a judge would; samples without marks are copied."""
    settings = replace(SETTINGS, rule=rule, votes=votes)
    folder = RunFolder(run)
    settle_judge(folder.verdicts_path(NAME), settings)
    rows = []
    for answer in folder.verdicts("text"):
        given = marks.get((answer.problem_id, answer.sample_no))
        if given is None:
            rows.append(answer)
            continue
        cast = [Vote(mark=mark) for mark in given]
        outcome = chain_outcome(answer.outcome, cast, rule)
        rows.append(replace(answer, outcome=outcome, detail=votes_text(cast)))
    with RunWriter(run, NAME) as writer:
        writer.add_verdicts(rows)
    return run


def right_run(path: Path, problems: int, n: int) -> Path:
    return write_run(path, lambda i, k: (f"{i} {k}", Outcome.CORRECT), problems=problems, n=n)


def drawn(rng: np.random.Generator) -> tuple[Mark, ...]:
    return tuple(S if x else U for x in rng.random(3) < 0.5)


def enumerated(good: list[list[bool]], k: int) -> float:
    """Share of all draws of k samples that hold a good one, averaged over problems."""
    shares = [np.mean([any(draw) for draw in combinations(problem, k)]) for problem in good]
    return float(np.mean(shares))


def test_equals_enumeration_of_every_draw_under_every_rule(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    run = write_run(
        tmp_path / "r",
        lambda i, n: (f"{i} {n}", Outcome.CORRECT if (i + n) % 3 else Outcome.WRONG),
        problems=5, n=6,
    )  # fmt: skip
    marks: Marks = {
        (v.problem_id, v.sample_no): drawn(rng)
        for v in RunFolder(run).verdicts("text") if v.outcome is Outcome.CORRECT
    }  # fmt: skip
    judge(run, marks)
    found = chain_reading(run, NAME)
    assert found.k == [1, 2, 4, 6]
    tests = {"any": any, "majority": lambda v: sum(v) >= 2, "all": all}
    for rule, is_sound in tests.items():
        good = [
            [is_sound([m is S for m in marks.get((f"p{i}", n), ())]) and (f"p{i}", n) in marks
             for n in range(6)]
            for i in range(5)
        ]  # fmt: skip
        for place, k in enumerate(found.k):
            curve = found.chains[rule]
            assert curve.value[place] == pytest.approx(enumerated(good, k))
            assert curve.low[place] <= curve.value[place] <= curve.high[place]
        share = sum(map(sum, good)) / len(marks)
        assert found.sound[rule].value == pytest.approx(share)
    answers = [[(i + n) % 3 != 0 for n in range(6)] for i in range(5)]
    assert found.answers.value == pytest.approx([enumerated(answers, k) for k in found.k])


def test_rules_are_ordered_at_every_k(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    run = right_run(tmp_path / "r", 6, 8)
    judge(run, {(f"p{i}", n): drawn(rng) for i in range(6) for n in range(8)})
    found = chain_reading(run, NAME)
    for some, more, most in zip(*(found.chains[r].value for r in RULES), strict=True):
        assert 1.0 >= some >= more >= most >= 0.0


def noisy(run: Path, share: float, noise: float, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    marks: Marks = {}
    for sample in RunFolder(run).samples():
        truth = rng.random() < share
        flips = rng.random(3) < noise
        marks[sample.problem_id, sample.sample_no] = tuple(S if truth != f else U for f in flips)
    return judge(run, marks)


def test_shares_and_kappa_of_noisy_votes_are_the_closed_forms(tmp_path: Path) -> None:
    share, e = 0.7, 0.2
    run = noisy(right_run(tmp_path / "r", 60, 40), share, e, seed=1)
    found = chain_reading(run, NAME)
    up = {"any": 1 - e**3, "majority": (1 - e) ** 3 + 3 * (1 - e) ** 2 * e, "all": (1 - e) ** 3}
    down = {"any": 1 - (1 - e) ** 3, "majority": e**3 + 3 * e**2 * (1 - e), "all": e**3}
    for rule in RULES:
        truth = share * up[rule] + (1 - share) * down[rule]
        value, low, high = found.sound[rule]
        assert value == pytest.approx(truth, abs=0.04)
        assert low is not None
        assert high is not None
        assert low <= truth <= high
        assert high - low < 0.12
    assert found.agreement is not None
    alike = (1 - e) ** 3 + e**3
    assert found.agreement.unanimous.value == pytest.approx(alike, abs=0.04)
    p = share * (1 - e) + (1 - share) * e
    kappa = ((1 - e) ** 2 + e**2 - p**2 - (1 - p) ** 2) / (1 - p**2 - (1 - p) ** 2)
    assert found.agreement.kappa.value == pytest.approx(kappa, abs=0.05)


def test_the_interval_of_the_share_covers_the_truth(tmp_path: Path) -> None:
    """Problems differ in their share of sound chains; the truth is the mean of that law."""
    rng, covered, runs = np.random.default_rng(8), 0, 40
    for number in range(runs):
        run = right_run(tmp_path / str(number), 20, 4)
        shares = rng.beta(3, 1, 20)
        judge(
            run,
            {(f"p{i}", n): (S if rng.random() < shares[i] else U,) for i in range(20)
             for n in range(4)},
            votes=1,
        )  # fmt: skip
        share = chain_reading(run, NAME).sound["majority"]
        assert share.low is not None
        assert share.high is not None
        covered += share.low <= 0.75 <= share.high
    assert covered >= 35


def test_the_median_is_over_problems_not_samples(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "r",
        lambda i, n: (f"{i} {n}", Outcome.CORRECT if i == 0 or n == 0 else Outcome.WRONG),
        problems=3, n=8,
    )  # fmt: skip
    marks: Marks = {("p0", n): (U, U, U) for n in range(8)}
    judge(run, marks | {("p1", 0): (S, S, S), ("p2", 0): (S, S, U)})
    found = chain_reading(run, NAME)
    assert found.sound_median["majority"] == 1.0
    assert found.sound["majority"].value == pytest.approx(0.2)


def test_a_chain_without_a_readable_vote_is_in_no_rate(tmp_path: Path) -> None:
    run = right_run(tmp_path / "r", 2, 4)
    marks: Marks = {(f"p{i}", n): (S, S, S) for i in range(2) for n in range(4)}
    marks["p0", 0], marks["p0", 1] = (None, None, None), (None, S, U)
    judge(run, marks)
    found = chain_reading(run, NAME)
    assert (found.judged, found.failed, found.short) == (7, 1, 1)
    assert found.sound["all"].value == pytest.approx(6 / 7)
    assert found.sound["any"].value == 1.0
    assert found.agreement is not None
    assert found.agreement.chains == 6
    assert found.agreement.kappa.value is None
    assert found.k == [1, 2, 3]


def test_one_vote_has_no_agreement(tmp_path: Path) -> None:
    run = right_run(tmp_path / "r", 2, 2)
    judge(run, {(f"p{i}", n): (S,) for i in range(2) for n in range(2)}, votes=1)
    assert chain_reading(run, NAME).agreement is None


def test_wrong_answers_that_pass_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    marks: Marks = {(f"p{i}", n): (S, S, S) for i in range(4) for n in range(8)}
    for i in range(4):
        marks[f"p{i}", 1] = (U, U, U)
    judge(run, marks)
    found = chain_reading(run, NAME)
    assert found.wrong_called_sound.value == pytest.approx(0.75)
    assert found.judged == 16
    assert chain_reading(judge_none(tmp_path), NAME).wrong_called_sound.value is None


def judge_none(tmp_path: Path) -> Path:
    """Only right answers judged."""
    run = write_run(tmp_path / "none", half_right)
    return judge(run, {(f"p{i}", n): (S, S, S) for i in range(4) for n in range(0, 8, 2)})


def test_no_right_answer_at_all_is_undefined_not_zero(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", lambda i, n: (f"{n}", Outcome.WRONG), problems=2, n=2)
    judge(run, {})
    found = chain_reading(run, NAME)
    assert found.sound["any"].value is None
    assert found.sound_median["any"] is None
    assert found.chains["any"].value == [0.0, 0.0]


def test_only_failed_chains_leave_no_curve(tmp_path: Path) -> None:
    run = right_run(tmp_path / "r", 2, 2)
    judge(run, {(f"p{i}", n): (None, None, None) for i in range(2) for n in range(2)})
    found = chain_reading(run, NAME)
    assert (found.k, found.chains["all"].value, found.failed) == ([], [], 4)


def test_json_holds_no_nan_and_the_three_curves(tmp_path: Path) -> None:
    import json

    run = right_run(tmp_path / "r", 2, 2)
    judge(run, {(f"p{i}", n): (S, S, S) for i in range(2) for n in range(2)})
    plain = chain_reading(run, NAME).to_dict()
    json.dumps(plain, allow_nan=False)
    assert set(plain["chains"]) == set(RULES)
    assert plain["agreement"]["kappa"][0] is None


def test_compare_takes_a_judge_as_it_takes_a_verifier(tmp_path: Path) -> None:
    base = noisy(right_run(tmp_path / "base", 30, 8), 0.2, 0.1, seed=1)
    tuned = noisy(right_run(tmp_path / "tuned", 30, 8), 0.8, 0.1, seed=2)
    result = compare(base, tuned, verifier=NAME)
    assert result.verdict.word == "gain"
    by_hand = compare(
        chain_counts(base, NAME, rule="majority"), chain_counts(tuned, NAME, rule="majority")
    )
    assert by_hand.base == result.base
    assert by_hand.tuned == result.tuned
    strict = compare(chain_counts(base, NAME, rule="all"), chain_counts(tuned, NAME, rule="all"))
    assert strict.tuned[0] < result.tuned[0]


def test_two_rules_in_one_comparison_are_told(tmp_path: Path) -> None:
    base = noisy(right_run(tmp_path / "base", 10, 4), 0.5, 0.1, seed=1)
    result = compare(chain_counts(base, NAME, rule="any"), chain_counts(base, NAME, rule="all"))
    assert any(note.startswith("judge differs: 'any of 3") for note in result.notes)


def test_a_run_without_this_judge_says_what_it_has(tmp_path: Path) -> None:
    run = right_run(tmp_path / "r", 2, 2)
    with pytest.raises(RunError, match=r"it has: none\); run `pathshift judge"):
        chain_reading(run, NAME)
    with pytest.raises(RunError, match="no verdicts of a judge called text"):
        chain_reading(run, "text")
