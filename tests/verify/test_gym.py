"""The reasoning-gym verifier against a stand-in of that package, which scores as the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.verify.samples import outcomes, problem

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify import Judge, gym

C, W, U, F = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED

# Evaluates what is not the reference, as four of the real scorers do, and would grade it 1.
STAND_IN = """
def get_score_answer_fn(name):
    def score(answer, entry):
        if answer == entry["answer"]:
            return 1.0
        if name == "prime_factorization":
            return int(answer)
        if name == "arc_agi":
            return float(entry["metadata"]["output"] == ((1, 2), (3, 4)))
        if name == "half":
            return 0.98
        return float(bool(eval(answer)))
    return score
"""


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    (tmp_path / "reasoning_gym.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Judge("reasoning_gym", timeout_s=20) as judging:
        yield judging


def asked(dataset: str, **metadata: object) -> Problem:
    return problem(
        "ref", id=dataset, dataset=dataset, entry={"answer": "ref", "metadata": metadata}
    )


def test_the_reference_is_correct_tagged_or_bare(judge: Judge) -> None:
    texts = ["ref", " ref\n", "so <answer>1</answer>, no: <answer> ref </answer>.", "", "  "]
    assert outcomes(judge, asked("n_queens"), texts) == [C, C, C, U, U]


EVALUATING = sorted((gym.LITERAL_SCORERS | gym.FORMULA_SCORERS) - gym.BROKEN_SCORERS.keys())


@pytest.mark.parametrize("dataset", EVALUATING)
def test_code_in_an_answer_is_never_evaluated(judge: Judge, dataset: str, tmp_path: Path) -> None:
    mark = tmp_path / "evaluated"
    attacks = [
        f"__import__('pathlib').Path({str(mark)!r}).touch() or 1",
        f"[open({str(mark)!r}, 'w')]",
        "exec('1')",
        "(1).__class__",
        "[i for i in (1,)]",
        "1 .real",
        "x.y",
    ]
    assert outcomes(judge, asked(dataset), attacks) == [W] * len(attacks)
    assert not mark.exists()


def test_harmless_answers_reach_the_scorer(judge: Judge) -> None:
    assert outcomes(judge, asked("n_queens"), ["[1, 2]", "[]"]) == [C, W]
    assert outcomes(judge, asked("countdown"), ["(1 + 2) * 3", "1 - 1"]) == [C, W]


def test_a_partial_score_is_wrong_and_an_unreadable_answer_unparsed(judge: Judge) -> None:
    assert outcomes(judge, asked("half"), ["x"]) == [W]
    assert outcomes(judge, asked("prime_factorization"), ["x", "1"]) == [U, C]


def test_grids_are_tuples_again_in_the_worker(judge: Judge) -> None:
    assert outcomes(judge, asked("arc_agi", output=[[1, 2], [3, 4]]), ["x"]) == [C]


@pytest.mark.parametrize(
    ("dataset", "why"),
    [
        ("game_of_life_halting", "accepts every answer that is not empty"),
        ("coin_flip", "accepts 0 for every probability"),
        ("puzzle24", "accepts any four numbers that make 24"),
    ],
)
def test_a_scorer_that_takes_wrong_answers_for_right_is_refused_before_any_draw(
    judge: Judge, dataset: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        judge.check([asked(dataset)])
    with pytest.raises(ConfigError, match="choose another data set"):
        outcomes(judge, asked(dataset), ["x"])
