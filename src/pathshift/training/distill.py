"""From a run folder to training rows: the samples that its verifier found correct.

A teacher's run makes sequence-level distillation (Kim and Rush 2016, section 3.2: the student
learns the teacher's outputs, not its probabilities); the model's own run makes rejection-sampling
fine-tuning, RFT (Yuan et al. 2023, section 3.3). Only what the run's verdicts call correct is
taken, and nothing that was cut at the token limit: it would teach to stop in the middle.

Chat turns are kept as turns, so that the student asks through its own template. What a stop text
ended is learned with the student's end token in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pathshift.errors import ConfigError, InputError
from pathshift.records import Outcome, Problem, Sample
from pathshift.rollout.templates import MARK, filled
from pathshift.store.run import RunFolder
from pathshift.store.shards import whole_or_absent, write_table
from pathshift.training.examples import Example

_BLOCK = 512
"""Problems whose samples are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which correct samples become rows.

    Attributes:
        per_problem: At most so many a problem; None for all.
        verifier: Whose verdicts count; None for the run's own.
    """

    per_problem: int | None = 4
    verifier: str | None = None

    def __post_init__(self) -> None:
        """Check what no other part checks."""
        if self.per_problem is not None and self.per_problem < 1:
            raise ConfigError(f"per problem must be at least 1, got {self.per_problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One correct sample as a training row.

    Attributes:
        prompt: A text, or chat turns up to the user's last.
        answer: What the verifier read out of it; None if it keeps none.
    """

    problem: Problem
    sample: Sample
    prompt: str | tuple[Mapping[str, str], ...]
    answer: str | None

    @property
    def example(self) -> Example:
        """The row as the training loop takes it."""
        return Example(
            prompt=self.prompt,
            completion=self.sample.text,
            content_hash=self.problem.content_hash,
        )

    def as_json(self) -> dict[str, Any]:
        """The row as TRL reads it; what it does not know it leaves alone."""
        is_chat = not isinstance(self.prompt, str)
        completion: object = self.sample.text
        return {
            "prompt": list(self.prompt) if is_chat else self.prompt,
            "completion": [{"role": "assistant", "content": completion}] if is_chat else completion,
            "problem_id": self.problem.id,
            "sample_no": self.sample.sample_no,
            "content_hash": self.problem.content_hash,
            "answer": self.answer,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Rows taken from a run, and what was passed over.

    Attributes:
        problems: Of the run.
        solved: Problems with a correct sample.
        correct: Correct samples.
        cut: Correct samples left out because the token limit cut them or they are empty.
        repeated: Correct samples left out because their text is another's of the same problem.
        answers: Distinct answers among the kept, summed over problems.
    """

    rows: tuple[TrainingRow, ...]
    problems: int = 0
    solved: int = 0
    correct: int = 0
    cut: int = 0
    repeated: int = 0
    answers: int = 0

    def line(self) -> str:
        """What was taken, in one line."""
        return (
            f"{len(self.rows):,} rows ({self.answers:,} distinct answers) of {self.correct:,} "
            f"correct samples; {self.solved:,} of {self.problems:,} problems solved; left out "
            f"{self.cut:,} cut at the token limit or empty and {self.repeated:,} of the same text"
        )


def harvest(run: Path, selection: Selection | None = None) -> Harvest:
    """Rows of a run folder, problem by problem in its order.

    Raises:
        RunError: not a run folder, or damaged.
        InputError: no such verdicts, or no correct sample in it.
    """
    selection = selection or Selection()
    folder = RunFolder(run)
    answers = _correct_answers(folder, selection.verifier)
    problems = folder.problems()
    prompts = _Prompts(folder)
    found = Harvest(rows=(), problems=len(problems))
    for start in range(0, len(problems), _BLOCK):
        block = [p for p in problems[start : start + _BLOCK] if p.id in answers]
        samples = _by_problem(folder.samples(problem_ids=[p.id for p in block]) if block else [])
        for problem in block:
            drawn = [s for s in samples.get(problem.id, []) if s.sample_no in answers[problem.id]]
            found = _taken(found, problem, drawn, answers[problem.id], prompts, selection)
    if not found.rows:
        raise InputError(
            f"{run} has {found.correct:,} correct samples and none that ended by itself: nothing "
            "to learn from; draw more, or easier problems"
        )
    return found


def _correct_answers(folder: RunFolder, verifier: str | None) -> dict[str, dict[int, str | None]]:
    """Answers of the correct samples, by problem and sample number."""
    name = verifier or str(folder.manifest.config["verifier"])
    if name not in folder.verifiers():
        raise InputError(
            f"{folder.path} has no verdicts of {name!r}; it has {', '.join(folder.verifiers())}"
        )
    found: dict[str, dict[int, str | None]] = {}
    for verdict in folder.verdicts(name):
        if verdict.outcome is Outcome.CORRECT:
            found.setdefault(verdict.problem_id, {})[verdict.sample_no] = verdict.answer
    return found


def _by_problem(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.sample_no):
        found.setdefault(sample.problem_id, []).append(sample)
    return found


def _taken(
    found: Harvest,
    problem: Problem,
    drawn: Sequence[Sample],
    answers: Mapping[int, str | None],
    prompts: _Prompts,
    selection: Selection,
) -> Harvest:
    """The harvest with one problem more."""
    ended = [s for s in drawn if s.finish_reason not in ("length", "error") and s.text.strip()]
    first: dict[str, Sample] = {}
    for s in ended:
        first.setdefault(s.text, s)
    distinct = list(first.values())
    kept = spread_over_answers(distinct, answers)[: selection.per_problem]
    rows = [
        TrainingRow(
            problem=problem, sample=s, prompt=prompts.of(problem), answer=answers[s.sample_no]
        )
        for s in kept
    ]
    return replace(
        found,
        rows=(*found.rows, *rows),
        solved=found.solved + 1,
        correct=found.correct + len(drawn),
        cut=found.cut + len(drawn) - len(ended),
        repeated=found.repeated + len(ended) - len(distinct),
        answers=found.answers + len({_key(s, answers) for s in kept}),
    )


def spread_over_answers(
    samples: Sequence[Sample], answers: Mapping[int, str | None]
) -> list[Sample]:
    """The first sample of each distinct answer, then the second of each, and so on.

    Args:
        answers: By sample number; a sample without an answer counts by its text.
    """
    nth: dict[str, int] = {}
    ranked = []
    for place, sample in enumerate(samples):
        key = _key(sample, answers)
        nth[key] = nth.get(key, 0) + 1
        ranked.append((nth[key], place, sample))
    return [sample for _, _, sample in sorted(ranked, key=lambda row: row[:2])]


def _key(sample: Sample, answers: Mapping[int, str | None]) -> str:
    answer = answers[sample.sample_no]
    return f"text {sample.text}" if answer is None else f"answer {' '.join(answer.split())}"


class _Prompts:
    """What was asked, as the run's manifest says."""

    def __init__(self, folder: RunFolder) -> None:
        config = folder.manifest.config
        self._is_chat = config.get("mode") == "chat"
        self._template = str(config.get("template") or MARK)
        self._system = config.get("system")
        self._rendered = folder.prompts()

    def of(self, problem: Problem) -> str | tuple[Mapping[str, str], ...]:
        if not self._is_chat:
            return self._rendered[problem.id]
        system = [{"role": "system", "content": str(self._system)}] if self._system else []
        asked = filled(self._template, problem.question)
        return (*system, {"role": "user", "content": asked})


def write_rows(rows: Sequence[TrainingRow], path: Path) -> None:
    """Write the rows as JSON lines, which `pathshift train sft --data` and TRL read."""
    with whole_or_absent(path) as file:
        for row in rows:
            text = json.dumps(row.as_json(), ensure_ascii=False)
            file.write(text.encode("utf-8", "backslashreplace") + b"\n")


def write_verl_rows(rows: Sequence[TrainingRow], path: Path) -> None:
    """Write the rows as Parquet with a column `messages`, which verl's SFT trainer reads.

    verl asks through the model's chat template always; a prompt that was put as a plain text
    becomes the user's turn.
    """
    messages = [_turns_of(row) for row in rows]
    write_table(pa.table({"messages": messages, "problem_id": [r.problem.id for r in rows]}), path)


def _turns_of(row: TrainingRow) -> list[Mapping[str, str]]:
    asked = row.prompt
    before = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
    return [*before, {"role": "assistant", "content": row.sample.text}]
