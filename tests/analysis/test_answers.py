"""Guessing by the distribution of answers, against drawing such guesses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.runs import Judged, write_run

from pathshift.analysis.answers import LABEL, answer_floor, chances, normalised
from pathshift.errors import InputError
from pathshift.records import Outcome, Problem, Verdict

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED


def judged(answers: Sequence[str | None], gold: str) -> list[Judged]:
    return [(a, U if a is None else C if a == gold else W) for a in answers]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    golds = {"a": "2", "b": "2", "c": "3", "d": "unheard"}
    rows = {
        "a": judged(["2", "2", "3", None], "2"),
        "b": judged(["2", "7", "7", "7"], "2"),
        "c": judged(["2", "2", "2", "2"], "3"),
        "d": judged(["2", "3", "9", "9"], "unheard"),
    }
    return write_run(tmp_path_factory.mktemp("runs") / "a", golds, {"text": rows})


def test_the_chance_is_another_problem_then_one_of_its_answers(run: Path) -> None:
    found = answer_floor(run)
    assert found.success == pytest.approx(
        {
            "a": (1 / 4 + 1 + 1 / 4) / 3,
            "b": (2 / 3 + 1 + 1 / 4) / 3,
            "c": (1 / 3 + 0 + 1 / 4) / 3,
            "d": 0.0,
        }
    )
    assert found.k == [1, 2, 4]
    g = np.array(list(found.success.values()))
    assert found.curve == pytest.approx([float((1 - (1 - g) ** k).mean()) for k in (1, 2, 4)])
    assert "upper-bound" in found.label
    assert found.label == LABEL


def test_it_equals_drawing_the_guesses() -> None:
    rng = np.random.default_rng(3)
    golds = {f"p{i}": str(rng.integers(0, 6)) for i in range(12)}
    answers = {name: [str(x) for x in rng.integers(0, 6, 20)] for name in golds}
    verdicts = [
        Verdict(problem_id=name, sample_no=i, outcome=C if text == golds[name] else W, answer=text)
        for name, texts in answers.items()
        for i, text in enumerate(texts)
    ]
    problems = [Problem(id=n, task="t", question="?", gold=g) for n, g in golds.items()]
    found = chances(problems, verdicts)
    for name, gold in golds.items():
        others = [other for other in golds if other != name]
        draws = [answers[others[i]][j] for i, j in zip(
            rng.integers(0, 11, 4000), rng.integers(0, 20, 4000), strict=True)]  # fmt: skip
        assert found[name] == pytest.approx(draws.count(gold) / 4000, abs=0.03)


def test_an_answer_judged_right_counts_though_the_reference_reads_otherwise() -> None:
    problems = [
        Problem(id="a", task="t", question="?", gold="1/2"),
        Problem(id="b", task="t", question="?", gold="9"),
    ]
    verdicts = [
        Verdict(problem_id="a", sample_no=0, outcome=C, answer="0.5"),
        Verdict(problem_id="b", sample_no=0, outcome=W, answer="0.5"),
        Verdict(problem_id="b", sample_no=1, outcome=W, answer="8"),
    ]
    assert chances(problems, verdicts) == {"a": 0.5, "b": 0.0}


def test_it_is_never_below_the_tasks_own_floor_and_discounts_what_it_explains(
    tmp_path: Path,
) -> None:
    golds = {f"p{i}": "yes" if i % 2 else f"rare {i}" for i in range(20)}
    rows = {name: judged(["yes"] * 30 + [gold] + ["no"], gold) for name, gold in golds.items()}
    run = write_run(tmp_path / "run", golds, {"text": rows}, floor=0.01)
    found = answer_floor(run)
    assert found.success["p0"] == 0.01
    assert found.success["p1"] > 0.9
    assert found.beyond.any_success == 20
    assert found.beyond.solved < 20


def test_one_problem_is_not_enough(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a": "1"}, {"text": {"a": [("1", C)]}})
    with pytest.raises(InputError, match="needs two"):
        answer_floor(run)


def test_answers_that_were_never_judged_tell_nothing(tmp_path: Path) -> None:
    """A verifier that hangs keeps the answer it hung on."""
    rows = {name: [("1", Outcome.FAILED)] for name in "ab"}
    run = write_run(tmp_path / "run", {"a": "1", "b": "2"}, {"text": rows})
    with pytest.raises(InputError, match="has no judged sample"):
        answer_floor(run)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" 1,024 Apples\n", "1024 apples"),
        ("1,2,3", "1,2,3"),
        ("１２", "12"),
        ("1,000,000", "1000000"),
    ],
)
def test_texts_are_compared_in_plain_dress(text: str, plain: str) -> None:
    assert normalised(text) == plain
    assert normalised(plain) == plain
