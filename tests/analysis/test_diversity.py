"""Diversity of run folders whose correct samples take paths from a known law."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pathshift.analysis.diversity import diversity
from pathshift.analysis.diversity_result import Diversity
from pathshift.errors import CountsError, RunError
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.run import RunWriter

Drawn = tuple[str, str | None, Outcome]
"""Text, answer, outcome."""

RIGHT, WRONG = Outcome.CORRECT, Outcome.WRONG


def write_run(
    path: Path,
    drawn: Mapping[str, Sequence[Drawn]],
    *,
    data: Mapping[str, Any] | None = None,
    clusters: Mapping[str, str] | None = None,
    stopping: Mapping[str, int] | None = None,
) -> Path:
    """A run of the model fake:toy with these samples of every problem."""
    problems = [
        Problem(id=name, task="toy", question=f"{name}?", gold="1", data=data or {},
                cluster=None if clusters is None else clusters[name])
        for name in drawn
    ]  # fmt: skip
    config: dict[str, Any] = {"verifier": "judge", "model": "fake:toy", "task": "toy", "seed": 0}
    if stopping is not None:
        config["stopping"] = dict(stopping)
    manifest = RunManifest(config=config, n=max(map(len, drawn.values())))
    with RunWriter.open(path, manifest, problems, ["?"] * len(problems)) as writer:
        for name, rows in drawn.items():
            writer.add(
                [
                    Sample(problem_id=name, sample_no=i, seed=i, text=text, n_tokens=1,
                           finish_reason="stop")
                    for i, (text, _, _) in enumerate(rows)
                ],
                [
                    Verdict(problem_id=name, sample_no=i, outcome=outcome, answer=answer)
                    for i, (_, answer, outcome) in enumerate(rows)
                ],
            )  # fmt: skip
    return path


def equation(path: int) -> str:
    return f"Take {path} + 7 = {path + 7}. The answer is 1."


def prose(path: int) -> str:
    return f"By way number {path} I see it is one."


def rows_of(
    paths: npt.NDArray[np.int64], n: int, text: Callable[[int], str] = equation
) -> list[Drawn]:
    """Right samples along these paths, wrong ones up to n."""
    rows: list[Drawn] = [(text(int(path)), "1", RIGHT) for path in paths]
    return rows + [("no idea", "2", WRONG)] * (n - len(rows))


def run_from_law(
    path: Path, law: npt.NDArray[np.float64], right: Sequence[int], seed: int, n: int = 64
) -> Path:
    """Problem i has right[i] correct samples, their paths drawn from the law."""
    rng = np.random.default_rng(seed)
    return write_run(
        path,
        {f"p{i}": rows_of(rng.choice(len(law), size=c, p=law), n) for i, c in enumerate(right)},
    )


def kinds_expected(law: npt.NDArray[np.float64], m: int) -> float:
    return float((1 - (1 - law) ** m).sum())


WIDE, NARROW = np.full(40, 1 / 40), np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory: pytest.TempPathFactory) -> Diversity:
    folder = tmp_path_factory.mktemp("collapsed")
    base = run_from_law(folder / "base", WIDE, [10 + i % 20 for i in range(40)], 1)
    tuned = run_from_law(folder / "tuned", NARROW, [50 + i % 10 for i in range(40)], 2)
    return diversity(base, tuned)


def test_a_collapse_is_seen_at_its_true_size_though_the_tuned_side_is_right_more_often(
    collapsed: Diversity,
) -> None:
    found, sizes = collapsed.paths, [10 + i % 20 for i in range(40)]
    assert found is not None
    base = float(np.mean([kinds_expected(WIDE, m) for m in sizes]))
    tuned = float(np.mean([kinds_expected(NARROW, m) for m in sizes]))
    assert found.m == pytest.approx(np.mean(sizes))
    assert found.base == pytest.approx(base, abs=0.6)
    assert found.tuned == pytest.approx(tuned, abs=0.4)
    assert found.low < tuned - base < found.high < 0
    assert found.ratio == pytest.approx(tuned / base, abs=0.06)
    assert found.ratio_low < tuned / base < found.ratio_high < 1
    assert found.word == "less"
    assert collapsed.summary.startswith("less diverse after tuning: 19.5 correct samples a side")
    assert "toy" in collapsed.summary


def test_the_curve_follows_the_law_at_every_m(collapsed: Diversity) -> None:
    assert [point.m for point in collapsed.curve] == [2, 4, 8, 16]
    for point in collapsed.curve:
        assert point.paths.base == pytest.approx(kinds_expected(WIDE, point.m), rel=0.06)
        assert point.paths.tuned == pytest.approx(kinds_expected(NARROW, point.m), rel=0.06)
    assert collapsed.curve[-1].paths.n_problems == sum(10 + i % 20 >= 16 for i in range(40))


def test_what_each_side_holds_stands_beside_it(collapsed: Diversity) -> None:
    base, tuned = collapsed.sides["base"], collapsed.sides["tuned"]
    assert base.correct == pytest.approx(19.5)
    assert tuned.correct == pytest.approx(54.5)
    assert tuned.effective == pytest.approx(1 / (NARROW**2).sum(), rel=0.06)
    assert base.effective == pytest.approx(40, rel=0.25)
    assert tuned.coverage > 0.95 > 0.5 > base.coverage
    assert base.kinds == {"equations": 1.0}
    assert base.left_out == 0
    assert set(collapsed.by_kind) == {"equations"}


def test_being_right_more_often_is_no_diversity(tmp_path: Path) -> None:
    words, raw = [], []
    for seed in range(8):
        base = run_from_law(tmp_path / f"b{seed}", NARROW, [6] * 25, 100 + seed)
        tuned = run_from_law(tmp_path / f"t{seed}", NARROW, [48] * 25, 200 + seed)
        found = diversity(base, tuned, replicates=500)
        assert found.paths is not None
        words.append(found.paths.word)
        raw.append(found.sides["tuned"].distinct / found.sides["base"].distinct)
    assert min(raw) > 1.4
    assert words.count("undecided") >= 7


def test_swapping_the_sides_turns_the_difference_round(tmp_path: Path) -> None:
    base = run_from_law(tmp_path / "b", WIDE, [8] * 20, 1)
    tuned = run_from_law(tmp_path / "t", NARROW, [20] * 20, 2)
    one, other = diversity(base, tuned).paths, diversity(tuned, base).paths
    assert one is not None
    assert other is not None
    assert one.difference == pytest.approx(-other.difference)
    assert other.word == "more"


def test_one_seed_gives_one_result(tmp_path: Path) -> None:
    base = run_from_law(tmp_path / "b", WIDE, [8] * 5, 1)
    tuned = run_from_law(tmp_path / "t", NARROW, [20] * 5, 2)
    assert diversity(base, tuned, seed=3) == diversity(base, tuned, seed=3)
    assert diversity(base, tuned, seed=3) != diversity(base, tuned, seed=4)


def test_both_sides_are_read_by_one_kind(tmp_path: Path) -> None:
    paths = np.arange(8)
    base = write_run(tmp_path / "b", {"p": rows_of(paths, 8, prose)})
    tuned = write_run(tmp_path / "t", {"p": rows_of(paths, 8)})
    found = diversity(base, tuned)
    assert found.problems[0].kind == "steps"
    assert found.sides["base"].kinds == {"steps": 1.0}
    assert found.sides["tuned"].kinds == {"equations": 1.0}
    assert any("wording alone" in note for note in found.notes)


def test_a_few_samples_without_the_common_kind_are_left_out(tmp_path: Path) -> None:
    rows = [*rows_of(np.zeros(19, dtype=int), 19), (prose(1), "1", RIGHT)]
    base = write_run(tmp_path / "b", {"p": rows})
    found = diversity(base, write_run(tmp_path / "t", {"p": rows[:19]}))
    assert found.problems[0].kind == "equations"
    assert found.problems[0].correct_base == 19
    assert found.sides["base"].left_out == pytest.approx(1 / 20)
    assert found.problems[0].base == pytest.approx(1)


def test_countdown_answers_that_differ_by_order_and_brackets_are_one_path(tmp_path: Path) -> None:
    same = ["(8-2)*4", "4 * (8 - 2)", "4*(8-2) = 24", "((8-2))*4"]
    other = ["8*4-2*4", "4*8 - 4*2", "(8-2)*4", "4*6"]
    data = {"numbers": [8, 2, 4], "target": 24}
    runs = [
        write_run(tmp_path / name, {"p": [(f"It is {a}", a, RIGHT) for a in answers]}, data=data)
        for name, answers in (("b", same), ("t", other))
    ]
    found = diversity(*runs)
    assert found.problems[0].kind == "expression"
    assert found.problems[0].base == pytest.approx(1)
    assert found.problems[0].tuned == pytest.approx(3)


def test_problems_solved_less_than_twice_say_nothing_and_are_told(tmp_path: Path) -> None:
    base = run_from_law(tmp_path / "b", WIDE, [1, 0, 5], 1)
    tuned = run_from_law(tmp_path / "t", WIDE, [9, 9, 9], 2)
    found = diversity(base, tuned)
    assert [row.id for row in found.problems] == ["p2"]
    assert found.n_problems == 3
    assert any("2 of 3 problems have fewer than two" in note for note in found.notes)


def test_without_any_such_problem_the_result_is_undecided_not_a_number(tmp_path: Path) -> None:
    base = run_from_law(tmp_path / "b", WIDE, [1, 0], 1)
    found = diversity(base, run_from_law(tmp_path / "t", WIDE, [9, 9], 2))
    assert found.paths is None
    assert found.curve == []
    assert found.summary.startswith("undecided")
    json.dumps(found.to_dict(), allow_nan=False)


def test_no_two_alike_is_said_and_gives_no_number_of_effective_paths(tmp_path: Path) -> None:
    base = write_run(tmp_path / "b", {"p": rows_of(np.arange(6), 6)})
    found = diversity(base, write_run(tmp_path / "t", {"p": rows_of(np.arange(9), 9)}))
    assert found.sides["base"].effective is None
    assert any("no two correct samples took one path" in note for note in found.notes)
    assert found.paths is not None
    assert found.paths.word == "undecided"
    json.dumps(found.to_dict(), allow_nan=False)


def test_answers_without_work_are_one_path_and_said_to_be(tmp_path: Path) -> None:
    rows: list[Drawn] = [(" 42", "42", RIGHT)] * 5
    found = diversity(*(write_run(tmp_path / name, {"p": rows}) for name in "bt"))
    assert found.paths is not None
    assert (found.paths.base, found.paths.tuned, found.paths.word) == (1, 1, "undecided")
    assert any("no diversity to lose" in note for note in found.notes)


def test_a_cluster_of_copies_is_one_witness(tmp_path: Path) -> None:
    widths = []
    for name, n_clusters in (("alone", 24), ("together", 3)):
        clusters = {f"p{i}": str(i % n_clusters) for i in range(24)}
        rng = np.random.default_rng(0)
        sides = [
            {f"p{i}": rows_of(rng.choice(len(law), size=8, p=law), 8) for i in range(24)}
            for law in (WIDE, NARROW)
        ]
        runs = [
            write_run(tmp_path / f"{name}{i}", side, clusters=clusters)
            for i, side in enumerate(sides)
        ]
        found = diversity(*runs).paths
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[1] > 1.5 * widths[0]


# Answers


def answered(answers: Sequence[str], n_right: int) -> list[Drawn]:
    return [
        *[(equation(0), "1", RIGHT)] * n_right,
        *[("no", answer, WRONG) for answer in answers],
    ]


def test_answer_entropy_follows_the_law_with_fewer_answers_on_one_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    laws = {"b": np.array([0.25, 0.25, 0.25, 0.25]), "t": np.array([0.85, 0.05, 0.05, 0.05])}
    runs = []
    for (name, law), n in zip(laws.items(), (24, 96), strict=True):
        drawn = {}
        for i in range(60):
            chosen = rng.choice(4, size=n, p=law)
            wrong = [f"x{a}" for a in chosen if a]
            drawn[f"p{i}"] = answered(wrong, int((chosen == 0).sum()))
        runs.append(write_run(tmp_path / name, drawn))
    found = diversity(*runs).answer_entropy
    assert found is not None
    assert found.n_problems == 60
    assert found.m == 24
    truth = [
        sum(float((law * (1 - law) ** v).sum()) / v for v in range(1, 24)) for law in laws.values()
    ]
    assert truth[0] == pytest.approx(math.log(4), abs=0.001)
    assert found.base == pytest.approx(truth[0], abs=0.03)
    assert found.tuned == pytest.approx(truth[1], abs=0.06)
    assert found.low < truth[1] - truth[0] < found.high < 0


def test_right_answers_are_one_however_spelled_and_wrong_ones_by_their_words(
    tmp_path: Path,
) -> None:
    rows: list[Drawn] = [("3+4=7", a, RIGHT) for a in ("1/2", "0.5", r"\frac12")]
    one = write_run(tmp_path / "b", {"p": [*rows, ("", "1,000", WRONG), ("", " 1000", WRONG)]})
    other = write_run(tmp_path / "t", {"p": [*rows, ("", "7", WRONG), ("", "8", WRONG)]})
    found = diversity(one, other).answer_entropy
    assert found is not None
    # Five answers as 3 + 2, and as 3 + 1 + 1: Zhang's formula by hand.
    assert found.base == pytest.approx(3 / 5 * (1 / 3 + 1 / 4) + 2 / 5 * (1 / 2 + 1 / 3 + 1 / 4))
    assert found.tuned == pytest.approx(
        3 / 5 * (1 / 3 + 1 / 4) + 2 / 5 * (1 + 1 / 2 + 1 / 3 + 1 / 4)
    )


def test_failed_and_unparsed_samples_are_no_answers_and_are_told(tmp_path: Path) -> None:
    rows: list[Drawn] = [
        (equation(0), "1", RIGHT), (equation(0), "1", RIGHT),
        ("", None, Outcome.UNPARSED), ("", "9", Outcome.FAILED),
    ]  # fmt: skip
    runs = [write_run(tmp_path / name, {"p": rows}) for name in "bt"]
    found = diversity(*runs)
    assert found.answer_entropy is not None
    assert found.answer_entropy.m == 2
    assert found.answer_entropy.base == pytest.approx(0)
    assert any("no answer was found in 33%" in note for note in found.notes)


def test_wrong_samples_whose_answer_was_not_stored_leave_the_entropy_undefined(
    tmp_path: Path,
) -> None:
    rows: list[Drawn] = [*((equation(i), None, RIGHT) for i in range(3)), ("no", None, WRONG)]
    runs = [write_run(tmp_path / name, {"p": rows}) for name in "bt"]
    found = diversity(*runs)
    assert found.answer_entropy is None
    assert any("without a stored answer" in note for note in found.notes)
    assert found.paths is not None


def test_of_a_stopped_run_all_paths_count_but_only_the_answers_of_its_pilot(
    tmp_path: Path,
) -> None:
    rows: list[Drawn] = [
        (equation(0), "1", RIGHT), ("no", "2", WRONG),
        ("no", "3", WRONG), ("no", "4", WRONG), (equation(1), "1", RIGHT),
    ]  # fmt: skip
    stopping = {"pilot": 2, "successes": 2}
    base = write_run(tmp_path / "b", {"p": rows}, stopping=stopping)
    found = diversity(base, write_run(tmp_path / "t", {"p": rows}))
    assert found.problems[0].distinct_base == 2
    assert found.answer_entropy is not None
    assert found.answer_entropy.m == 2
    assert found.answer_entropy.base == pytest.approx(1.0)
    assert any("pilot" in note for note in found.notes)


# Inputs


def test_problems_of_one_run_only_are_passed_over_and_told(tmp_path: Path) -> None:
    base = run_from_law(tmp_path / "b", WIDE, [5, 5, 5], 1)
    found = diversity(base, run_from_law(tmp_path / "t", WIDE, [5, 5], 2))
    assert found.n_problems == 2
    assert any("1 problems only in the base" in note for note in found.notes)


def test_runs_without_a_common_problem_are_refused(tmp_path: Path) -> None:
    base = write_run(tmp_path / "b", {"p": rows_of(np.arange(3), 3)})
    tuned = write_run(tmp_path / "t", {"q": rows_of(np.arange(3), 3)})
    with pytest.raises(CountsError, match="different problems"):
        diversity(base, tuned)


def test_a_verifier_that_has_not_judged_is_refused(tmp_path: Path) -> None:
    base = write_run(tmp_path / "b", {"p": rows_of(np.arange(3), 3)})
    with pytest.raises(RunError, match="no verdicts of verifier strict"):
        diversity(base, base, verifier="strict")


def test_empty_and_hostile_completions_are_handled_rows(tmp_path: Path) -> None:
    rows: list[Drawn] = [
        (text, text[:50], RIGHT)
        for text in ("", "", "(" * 50_000, "1=" * 200_000, "\x00\x1b[2J", "<script>" * 20_000)
    ]
    base = write_run(tmp_path / "b", {"p": rows})
    found = diversity(base, base)
    assert found.problems[0].distinct_base == 4  # without words: the empty ones and the brackets
    assert found.paths is not None
    assert found.paths.difference == 0
