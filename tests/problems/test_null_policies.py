"""Each family's floor against saying all its null policy can say, through the real verifier.

Exact where everything can be listed. reasoning-gym's is in tests/rollout/test_audit_gym.py.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from pathshift.problems import load_problems
from pathshift.problems.compose_functions import FUNCTIONS
from pathshift.problems.floors import blind_arrangement
from pathshift.records import Outcome, Problem, Sample
from pathshift.rollout.tasks import task_named
from pathshift.verify import Judge


def share_right(problem: Problem, answers: Iterable[str], *, verifier: str | None = None) -> float:
    """Share of answers that the task's own verifier takes for right."""
    texts = [f"The answer is {answer}." for answer in answers]
    samples = [
        Sample(problem_id=problem.id, sample_no=i, seed=i, text=text, n_tokens=1,
               finish_reason="stop")
        for i, text in enumerate(texts)
    ]  # fmt: skip
    with Judge(verifier or task_named(problem.task).verifier) as judge:
        verdicts = judge.verdicts([(problem, sample) for sample in samples])
    assert all(verdict.outcome is not Outcome.FAILED for verdict in verdicts)
    return sum(verdict.outcome is Outcome.CORRECT for verdict in verdicts) / len(verdicts)


@pytest.mark.parametrize(("sign", "low", "high"), [("+", 2, 18), ("-", -8, 8), ("*", 1, 81)])
def test_arithmetic_every_number_of_the_range(sign: str, low: int, high: int) -> None:
    pairs = {"digits": "1", "ops": sign, "n": "6"}
    for problem in load_problems("arithmetic", pairs):
        assert share_right(problem, map(str, range(low, high + 1))) == problem.floor


def test_gsm8k_every_number_to_999() -> None:
    problems = load_problems("gsm8k", limit=400)
    outside = next(p for p in problems if int(p.gold) > 999)
    for problem in [*problems[:3], outside]:
        assert share_right(problem, map(str, range(1000))) == problem.floor


@pytest.mark.parametrize("gold", ["33", "204"])
def test_contests_every_number_to_999(gold: str, tmp_path: Path) -> None:
    row = {"id": "2024-I-1", "problem": "What?", "answer": gold}
    (tmp_path / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    for family in ("aime24", "amc23", "math500"):
        (problem,) = load_problems(family, {"path": f"{tmp_path}/a.jsonl"})
        assert share_right(problem, map(str, range(1000))) == problem.floor == 0.001


def trees(leaves: Sequence[str]) -> Iterable[str]:
    """Every binary tree over the leaves in their order, with every choice of operators."""
    if len(leaves) == 1:
        yield leaves[0]
    for cut in range(1, len(leaves)):
        for left, right in itertools.product(trees(leaves[:cut]), trees(leaves[cut:])):
            yield from (f"({left} {sign} {right})" for sign in "+-*/")


def is_legal(expression: str) -> bool:
    try:
        eval(expression)
    except ZeroDivisionError:
        return False
    return True


def test_countdown_every_expression() -> None:
    """Any order of three numbers, any tree, any operators, nothing divided by zero."""
    for problem in load_problems("countdown", {"numbers": "3", "n": "8", "max_number": "5"}):
        numbers = [str(number) for number in problem.data["numbers"]]
        said = [
            tree[1:-1]
            for order in itertools.permutations(numbers)
            for tree in trees(order)
            if is_legal(tree)
        ]
        assert share_right(problem, said) == pytest.approx(problem.floor)


def test_compose_every_pair_of_functions_or_a_shuffle() -> None:
    for problem in load_problems("compose", {"depth": "2", "n": "3"}):
        word, functions = problem.data["input"], FUNCTIONS.values()
        said = [
            second.apply(first.apply(word))
            for first, second in itertools.product(functions, repeat=2)
        ]
        shuffled = blind_arrangement(problem.gold, letters=word)
        assert problem.floor == pytest.approx(max(share_right(problem, said), shuffled))


def test_every_problem_of_every_shipped_family_states_its_floor() -> None:
    for family in ("arithmetic", "countdown", "compose", "gsm8k"):
        for problem in load_problems(family, limit=50):
            assert problem.floor is not None
            assert 0 <= problem.floor < 1
