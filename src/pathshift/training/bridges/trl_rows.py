"""Rows of a data set as TRL reads them: prompts to draw from, and right samples to learn.

Imports neither torch nor TRL.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathshift.errors import InputError
from pathshift.records import Outcome
from pathshift.rollout.plan import Plan
from pathshift.rollout.templates import filled
from pathshift.store.run import RunFolder
from pathshift.training.bridges.judging import PROBLEM, REFERENCE


def rl_rows(plan: Plan) -> list[dict[str, Any]]:
    """Rows of the data set: `prompt` (a text, or a chat's messages), `reference`, `problem`."""
    return [
        {"prompt": asked, REFERENCE: problem.gold, PROBLEM: problem.id}
        for problem, asked in zip(plan.problems, prompts_of(plan), strict=True)
    ]


def prompts_of(plan: Plan) -> list[Any]:
    """Texts, or messages where it is a chat: TRL fills in the chat template itself."""
    if not plan.is_chat:
        return list(plan.prompts)
    config = plan.manifest.config
    return [messages(config, problem.question) for problem in plan.problems]


def messages(config: Mapping[str, Any], question: str) -> list[dict[str, str]]:
    """The turns of a chat, from what a manifest says of template and system turn."""
    system = config.get("system")
    turns = [{"role": "system", "content": str(system)}] if system else []
    return [*turns, {"role": "user", "content": filled(str(config["template"]), question)}]


def sft_rows(run: Path | None) -> list[dict[str, Any]]:
    """The correct samples of a run folder as `prompt` and `completion`, each text once a problem.

    Raises:
        RunError: It is no run folder.
        InputError: It holds no correct sample.
    """
    assert run is not None, "Recipe checks it"
    folder = RunFolder(run)
    config = folder.manifest.config
    outcomes = folder.outcomes(str(config["verifier"]))
    problems = {problem.id: problem for problem in folder.problems()}
    prompts, is_chat = folder.prompts(), config.get("mode") == "chat"
    right = {
        (sample.problem_id, sample.text): None
        for sample in folder.samples()
        if outcomes.get(sample.problem_id, {}).get(sample.sample_no) is Outcome.CORRECT
    }
    if not right:
        raise InputError(f"{run} holds no correct sample to learn from; draw more, or easier ones")
    return [
        {
            "prompt": messages(config, problems[pid].question) if is_chat else prompts[pid],
            "completion": [{"role": "assistant", "content": text}] if is_chat else text,
        }
        for pid, text in right
    ]
