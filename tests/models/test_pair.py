"""The real pair: what it is asked, and that the child that ships is a better one than its base."""

from __future__ import annotations

import re

from pathshift.cli.demo import LIVE_PROBLEMS, LIVE_SEED
from pathshift.decoding.policy import Policy
from pathshift.models import pair
from pathshift.models.hf.model import HfModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Request
from pathshift.problems.families import load_problems
from pathshift.rollout.templates import MARK


def test_the_worked_sums_of_the_prompt_are_right() -> None:
    text = pair.template().read_text(encoding="utf-8")
    assert text.count(MARK) == 1
    worked = re.findall(r"(\d{3}) \+ (\d{3}) = (\d+)", text)
    assert len(worked) == 3
    assert all(int(left) + int(right) == int(total) for left, right, total in worked)


def test_no_sum_that_is_asked_live_was_trained_on() -> None:
    trained = {problem.content_hash for problem in load_problems(pair.TASK, pair.TRAINED_ON)}
    asked = load_problems(pair.TASK, {**pair.OPTIONS, "seed": LIVE_SEED, "n": "200"})
    assert len(trained) == 4000
    assert LIVE_PROBLEMS <= 200
    assert not trained & {problem.content_hash for problem in asked}


def test_the_child_likes_right_sums_better_than_its_base_does(smollm: HfModel) -> None:
    """Of 4 sums, 8 samples each, at rates of about .09 and .57."""
    problems = load_problems(pair.TASK, {**pair.OPTIONS, "seed": LIVE_SEED}, limit=4)
    template = pair.template().read_text(encoding="utf-8")
    requests = [
        Request(prompt=template.replace(MARK, problem.question), seeds=tuple(range(8)))
        for problem in problems
    ]
    policy = Policy(max_tokens=pair.MAX_TOKENS, stop=pair.STOP)
    child = load_model(pair.NAME, LoadOptions(rows=32))

    def right(model: object) -> int:
        drawn = model.generate(requests, policy)  # type: ignore[attr-defined]
        return sum(
            completion.text.rstrip().endswith(f"= {problem.gold}")
            for problem, completions in zip(problems, drawn, strict=True)
            for completion in completions
        )

    assert right(child) > 3 * right(smollm)
