"""The bundled HumanEval is the published one, its references pass, and changed ones do not."""

from __future__ import annotations

import gzip
import hashlib
from importlib import resources

from tests.verify.samples import sample

from pathshift.problems import load_problems
from pathshift.problems.humaneval import N_BODIES
from pathshift.records import Outcome, Problem
from pathshift.verify import Judge

FOLDER = resources.files("pathshift.problems").joinpath("data")
PROBLEMS = load_problems("humaneval")

CHANGED = """

def {entry}(*args, _right={entry}):
    answer = _right(*args)
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, (int, float)):
        return answer + 1
    if isinstance(answer, str):
        return answer + "x"
    return [answer]
"""


def outcomes(problems: list[Problem], form: str) -> set[Outcome]:
    texts = [form.replace("@", problem.question + problem.gold) for problem in problems]
    texts = [
        text.replace("{entry}", p.data["entry"]) for p, text in zip(problems, texts, strict=True)
    ]
    with Judge("code-tests") as judge:
        judge.check(problems)
        pairs = [(p, sample(text)) for p, text in zip(problems, texts, strict=True)]
        return {verdict.outcome for verdict in judge.verdicts(pairs)}


def test_content_is_what_the_readme_says() -> None:
    packed = FOLDER.joinpath("humaneval.jsonl.gz").read_bytes()
    content = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert content in FOLDER.joinpath("README.md").read_text("utf-8")
    assert packed[4:8] == bytes(4), "a time in the file would make it differ at each packing"
    assert "MIT License" in FOLDER.joinpath("LICENSE-humaneval.txt").read_text("utf-8")


def test_all_164_problems_stand_in_published_order() -> None:
    assert [problem.id for problem in PROBLEMS] == [f"HumanEval/{i}" for i in range(164)]
    assert PROBLEMS[0].data["entry"] == "has_close_elements"
    assert PROBLEMS[163].data["names"] == ["generate_integers"]


def test_references_continue_their_prompts_and_pass() -> None:
    some = [*PROBLEMS[::20], PROBLEMS[32], PROBLEMS[38], PROBLEMS[50]]
    with Judge("code-tests") as judge:
        verdicts = judge.verdicts([(problem, sample(problem.gold)) for problem in some])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.CORRECT}


def test_every_reference_passes_as_a_block_of_a_chat_and_fails_when_changed() -> None:
    assert outcomes(PROBLEMS, "Here:\n```python\n@\n```") == {Outcome.CORRECT}
    assert outcomes(PROBLEMS, f"```python\n@{CHANGED}\n```") == {Outcome.WRONG}


def test_helpers_of_a_prompt_are_the_benchmarks_own_in_the_tests() -> None:
    """decode_cyclic is tested against encode_cyclic, which an answer could have replaced."""
    problem = PROBLEMS[38]
    cheat = "    return s\n\ndef encode_cyclic(s):\n    return s\n"
    cheating = f"```python\n{problem.question}{cheat}```"
    with Judge("code-tests") as judge:
        (verdict,) = judge.verdicts([(problem, sample(cheating))])
    assert verdict.outcome is Outcome.WRONG


def test_the_floor_is_the_share_of_one_line_bodies_that_pass() -> None:
    blind = {p.id: p.floor for p in PROBLEMS if p.floor}
    assert blind["HumanEval/23"] == 1 / N_BODIES
    strlen = PROBLEMS[23]
    with Judge("code-tests") as judge:
        bodies = [sample("    return len(string)"), sample("    return 0")]
        said = judge.verdicts([(strlen, body) for body in bodies])
    assert [verdict.outcome for verdict in said] == [Outcome.CORRECT, Outcome.WRONG]
    assert all(p.floor is not None and p.floor < 0.1 for p in PROBLEMS)
