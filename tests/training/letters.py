"""A task that a random model can learn in a few dozen steps: answer with one fixed letter.

The letter is the one that the untrained model gives most often, so that its reward starts at some
per cent instead of at 1/257.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.tiny import save_tiny

from pathshift.models.hf.model import HfModel
from pathshift.models.load import load_model
from pathshift.rollout.plan import Plan, SampleConfig, make_plan

N_PROBLEMS = 16


@dataclass(frozen=True)
class Letters:
    """The saved model and its task file."""

    folder: Path
    tasks: Path
    letter: str

    @property
    def spec(self) -> str:
        return f"hf:{self.folder}"

    @property
    def task(self) -> str:
        return f"jsonl:{self.tasks}"

    def model(self) -> HfModel:
        found = load_model(self.spec)
        assert isinstance(found, HfModel)
        return found

    def asked(self, **changed: Any) -> SampleConfig:
        usual: dict[str, Any] = {
            "task": self.task, "n": 8, "template": "{question}", "max_tokens": 1,
            "verifier": "text", "stop": (),
        }  # fmt: skip
        return SampleConfig(**(usual | changed))

    def plan(self, model: HfModel, **changed: Any) -> Plan:
        return make_plan(self.asked(**changed), model)


def make_letters(folder: Path, *, name: str = "t", first: int = 0) -> Letters:
    """Write model and task; `first` numbers the questions."""
    model = folder / "model"
    if not model.exists():
        save_tiny(model, width=16, layers=1)
    questions = [f"{number}?" for number in range(first, first + N_PROBLEMS)]
    loaded = load_model(f"hf:{model}")
    assert isinstance(loaded, HfModel)
    letter = _likeliest(loaded, [f"{number}?" for number in range(N_PROBLEMS)])
    tasks = folder / f"{name}.jsonl"
    rows = [{"question": question, "answer": letter, "floor": 1e-6} for question in questions]
    tasks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Letters(model, tasks, letter)


@torch.no_grad()
def _likeliest(model: HfModel, questions: list[str]) -> str:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    ids = [model.tokenizer.encode(letter)[0] for letter in letters]
    total = torch.zeros(len(letters))
    for question in questions:
        logits_BTV = model.network(torch.tensor([model.tokenizer.encode(question)])).logits
        total += logits_BTV[0, -1].softmax(-1)[ids]
    return letters[int(total.argmax())]
