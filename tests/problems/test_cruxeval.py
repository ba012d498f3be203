"""The bundled CRUXEval is the published one, and its own answers are right both ways."""

from __future__ import annotations

import gzip
import hashlib
from importlib import resources

import pytest
from tests.verify.samples import sample

from pathshift.errors import ConfigError
from pathshift.problems import load_problems
from pathshift.problems.cruxeval import published_rows
from pathshift.records import Outcome, Problem
from pathshift.verify import Judge

FOLDER = resources.files("pathshift.problems").joinpath("data")
OUTPUTS = load_problems("cruxeval")
INPUTS = load_problems("cruxeval", {"asks": "input"})


def wrong(problems: list[Problem], form: str) -> list[str]:
    """Ids of the problems whose own answer is not found right."""
    pairs = [(problem, sample(form.replace("@", problem.gold))) for problem in problems]
    with Judge("cruxeval") as judge:
        judge.check(problems)
        verdicts = judge.verdicts(pairs)
    told = zip(problems, verdicts, strict=True)
    return [problem.id for problem, said in told if said.outcome is not Outcome.CORRECT]


def test_content_is_what_the_readme_says() -> None:
    readme = FOLDER.joinpath("README.md").read_text("utf-8")
    for name in ("cruxeval.jsonl.gz", "cruxeval_input_floors.json.gz"):
        packed = FOLDER.joinpath(name).read_bytes()
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() in readme
        assert packed[4:8] == bytes(4), "a time in the file would make it differ at each packing"
    assert "MIT License" in FOLDER.joinpath("LICENSE-cruxeval.txt").read_text("utf-8")


def test_the_question_shows_one_side_and_hides_the_other() -> None:
    assert len(OUTPUTS) == len(INPUTS) == 800
    assert OUTPUTS[4].question.endswith("assert f([' ', '  ', '    ', '   ']) == ??")
    assert INPUTS[4].question.endswith("assert f(??) == '           '")
    assert OUTPUTS[4].gold == "'           '"
    ids = {problem.id for problem in [*OUTPUTS, *INPUTS]}
    assert len(ids) == 1600
    with pytest.raises(ConfigError, match="output or input"):
        load_problems("cruxeval", {"asks": "both"})


def test_all_800_outputs_are_right() -> None:
    assert wrong(OUTPUTS, "Answer: @") == []


def test_all_800_inputs_are_right() -> None:
    assert wrong(INPUTS, "<answer>f(@)</answer>") == []


def test_another_problems_answer_is_right_only_where_the_value_is_the_same() -> None:
    shifted = [*OUTPUTS[1:], OUTPUTS[0]]
    pairs = [(p, sample(f"Answer: {q.gold}")) for p, q in zip(OUTPUTS, shifted, strict=True)]
    with Judge("cruxeval") as judge:
        found = [verdict.outcome is Outcome.CORRECT for verdict in judge.verdicts(pairs)]
    same = [eval(p.gold) == eval(q.gold) for p, q in zip(OUTPUTS, shifted, strict=True)]
    assert found == same


def test_the_floor_of_outputs_equals_saying_all_that_the_null_policy_can_say() -> None:
    rows = published_rows()
    for number in (0, 2, 3, 11, 135, 344):
        problem, row = OUTPUTS[number], rows[number]
        others = [r["output"] for r in rows if r is not row]
        shares = [others.count(row["output"]) / len(others)]
        with Judge("cruxeval") as judge:
            arguments = _literals(row["input"])
            echoes = [sample(f"Answer: {argument!r}") for argument in arguments]
            said = judge.verdicts([(problem, echo) for echo in echoes])
        right = sum(verdict.outcome is Outcome.CORRECT for verdict in said)
        shares.append(right / len(arguments) if arguments else 0)
        assert problem.floor == pytest.approx(sum(shares) / 2)


def _literals(text: str) -> list[object]:
    import ast

    try:
        return list(ast.literal_eval(f"[{text}]"))
    except ValueError:
        return []


def test_the_floor_of_inputs_holds_where_all_can_be_said() -> None:
    """sample_135 takes no argument: no guess of another's arguments and no output fits."""
    assert INPUTS[135].floor is not None
    assert INPUTS[135].floor < 0.01
    echo = INPUTS[2]  # the function hands back what it is given, but for plus signs
    with Judge("cruxeval") as judge:
        (said,) = judge.verdicts([(echo, sample(f"Answer: {echo.data['output']}"))])
    assert said.outcome is Outcome.CORRECT
    assert echo.floor is not None
    assert echo.floor >= 0.5
    assert all(p.floor is not None and 0 <= p.floor < 1 for p in [*OUTPUTS, *INPUTS])
