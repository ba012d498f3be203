"""reasoning-gym's data sets as problems; skipped where the package is not installed."""

from __future__ import annotations

import json

import pytest

from pathshift.errors import ConfigError, UnknownName
from pathshift.problems import load_problems

pytest.importorskip("reasoning_gym")


@pytest.mark.parametrize("name", ["gcd", "basic_arithmetic", "tower_of_hanoi", "n_queens", "acre"])
def test_fewer_items_are_the_first_of_more_and_survive_json(name: str) -> None:
    twelve = load_problems(f"reasoning_gym:{name}", {"n": "12", "floor_draws": "8"})
    four = load_problems(f"reasoning_gym:{name}", {"n": "12", "floor_draws": "8"}, limit=4)
    assert four == twelve[:4]
    assert len({problem.question for problem in twelve}) == len(twelve)
    assert all(json.loads(json.dumps(problem.data)) == problem.data for problem in twelve)


def test_the_floor_is_the_share_of_other_golds_that_are_this_one() -> None:
    """The greatest common divisor has one right text, so counting texts must agree."""
    import reasoning_gym

    others = reasoning_gym.create_dataset("gcd", seed=99, size=1000)
    golds = [item["answer"] for item in others]
    problems = load_problems("reasoning_gym:gcd", {"n": "30", "floor_draws": "1000"})
    for problem in problems:
        assert problem.floor == pytest.approx(golds.count(problem.gold) / 1000, abs=0.07)
    assert max(problem.floor or 0 for problem in problems) > 0.1


def test_a_data_set_without_reference_answers_has_no_gold_and_no_floor() -> None:
    for problem in load_problems("reasoning_gym:graph_color", {"n": "3"}):
        assert (problem.gold, problem.floor) == ("", None)


@pytest.mark.parametrize("name", ["string_insertion", "spiral_matrix", "binary_matrix", "n_queens"])
def test_scorers_that_evaluate_are_never_called(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from reasoning_gym.factory import DATASETS

    def refuse(*_: object) -> float:
        raise AssertionError("the scorer was called")

    monkeypatch.setattr(DATASETS[name][0], "score_answer", refuse)
    problems = load_problems(f"reasoning_gym:{name}", {"n": "4"})
    assert all(problem.floor is not None for problem in problems)


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ({"max_valu": "9"}, "no setting 'max_valu'.*max_value"),
        ({"max_value": "x"}, "max_value must be a whole number"),
        ({"max_value": "-9"}, "refuses"),
        ({"size": "3"}, "no setting 'size'"),
        ({"n": "0"}, "n must be at least 1"),
    ],
)
def test_settings_are_checked_against_the_data_sets_own(pairs: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_problems("reasoning_gym:gcd", pairs)


@pytest.mark.parametrize("spec", ["reasoning_gym", "reasoning_gym:nix", "reasoning_gym:composite"])
def test_an_unknown_data_set_is_answered_with_the_known_ones(spec: str) -> None:
    with pytest.raises(UnknownName, match="gcd"):
        load_problems(spec)
