"""A task as verl reads it: Parquet of prompts and references, and settings that name our reward.

Written for verl 0.9.1: its documentation of data preparation and reward functions, and its
configuration files. A row holds `data_source` (the task), `prompt` (a list of messages),
`ability` (the task's family), `reward_model` (`style`, `ground_truth`) and `extra_info` (`index`,
`split`, `problem`: id, and what the reward needs).

Imports neither verl nor torch. Does not train: verl does, on the user's machines.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from pathshift.errors import ConfigError, InputError
from pathshift.problems.families import load_problems
from pathshift.records import Outcome, Problem
from pathshift.rollout.tasks import task_named
from pathshift.rollout.templates import MARK, filled
from pathshift.store.shards import disk_errors, write_table
from pathshift.training.bridges.judging import ProblemReward, cut
from pathshift.verify.forked import renewed_in_children
from pathshift.verify.verifiers import verifier_named

PLAIN_REWARD = "pkg://pathshift.verify.rewards"
"""For verifiers that need the reference answer alone."""
WHOLE_REWARD = "pkg://pathshift.training.bridges.verl"
"""For verifiers that need the whole problem, and where a stop text ends an answer."""
RAW_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat template that adds nothing: a base model reads the message as it is."""
_MOST_DATA = 2**20

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", pa.list_(_MESSAGE)),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        (
            "extra_info",
            pa.struct(
                [
                    ("index", pa.int64()),
                    ("split", pa.string()),
                    ("problem", pa.string()),
                    ("verifier", pa.string()),
                    ("data", pa.string()),
                    ("stop", pa.list_(pa.string())),
                ]
            ),
        ),
    ]
)
"""Columns of the Parquet file; `extra_info.data` is JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerlTask:
    """What is written for verl.

    Attributes:
        task, task_options, limit: The problems, as in `SampleConfig`.
        mode: "chat" for a model with a chat template, "completion" for a base model.
        template: Text with {question} in place of the task's.
        system: System turn of a chat.
        verifier: None for the task's own.
    """

    task: str
    task_options: Mapping[str, str]
    limit: int | None = None
    mode: Literal["chat", "completion"] = "chat"
    template: str | None = None
    system: str | None = None
    verifier: str | None = None

    def __post_init__(self) -> None:
        """Check what no other part checks."""
        if self.mode not in ("chat", "completion"):
            raise ConfigError(f"mode {self.mode!r} is not known; use chat or completion")
        if self.template is not None and MARK not in self.template:
            raise ConfigError(f"the template holds no {MARK}, so every problem would read the same")
        if self.system is not None and self.mode == "completion":
            raise ConfigError("a system turn needs a chat; put the text into the template instead")

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts at which a base model's answer ends."""
        return task_named(self.task).template.stop if self.mode == "completion" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: two Parquet files, and the settings for verl's command line."""

    train: Path
    held_out: Path | None
    settings: Path


def export_task(task: VerlTask, out: Path, *, held_out: VerlTask | None = None) -> Exported:
    """Write OUT/train.parquet, OUT/val.parquet and OUT/settings.txt.

    The same task gives the same bytes.

    Raises:
        PathshiftError: Unknown task or option, or a problem that its verifier cannot judge.
        InputError: Held-out problems are trained on.
        StorageError: The disk refused.
    """
    if held_out is not None and held_out.mode != task.mode:
        raise ConfigError(
            f"train is asked as {task.mode} and held out as {held_out.mode}; verl has one chat "
            "template for both, use one mode"
        )
    problems = _problems(task)
    other = [] if held_out is None else _problems(held_out)
    _check_apart(problems, other)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    done = Exported(
        train=out / "train.parquet",
        held_out=None if held_out is None else out / "val.parquet",
        settings=out / "settings.txt",
    )
    write_table(table_of(task, problems, split="train"), done.train)
    if held_out is not None and done.held_out is not None:
        write_table(table_of(held_out, other, split="test"), done.held_out)
    asked = [(task, problems), *([] if held_out is None else [(held_out, other)])]
    with disk_errors(out):
        done.settings.write_text(settings_text(done, asked), encoding="utf-8")
    return done


def table_of(task: VerlTask, problems: Sequence[Problem], *, split: str) -> pa.Table:
    """The rows that verl reads, in the order of the problems."""
    rows = [_row(task, problem, index, split) for index, problem in enumerate(problems)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(task: VerlTask, problem: Problem, index: int, split: str) -> dict[str, Any]:
    template = task_named(task.task).template
    text = task.template or (template.chat if task.mode == "chat" else template.completion)
    system = [{"role": "system", "content": task.system}] if task.system else []
    return {
        "data_source": f"pathshift/{task.task}",
        "prompt": [*system, {"role": "user", "content": filled(text, problem.question)}],
        "ability": task.task.partition(":")[0],
        "reward_model": {"style": "rule", "ground_truth": problem.gold},
        "extra_info": {
            "index": index,
            "split": split,
            "problem": problem.id,
            "verifier": _verifier(task),
            "data": json.dumps(dict(problem.data), sort_keys=True),
            "stop": list(task.stop),
        },
    }


def settings_text(files: Exported, asked: Sequence[tuple[VerlTask, Sequence[Problem]]]) -> str:
    """Settings for verl's command line, one a line: data, reward, and length of an answer.

    One reward serves both files, so the plain one is named only where it suits both.
    """
    tasks = [task for task, _ in asked]
    verifiers = {_verifier(task) for task in tasks}
    is_whole = any(task.stop or needs_problem(task, problems) for task, problems in asked)
    is_plain = len(verifiers) == 1 and not is_whole
    lines = [f"data.train_files={files.train.absolute()}"]
    if files.held_out is not None:
        lines.append(f"data.val_files={files.held_out.absolute()}")
    lines += [
        f"data.max_response_length={max(task_named(task.task).max_tokens for task in tasks)}",
        f"reward.custom_reward_function.path={PLAIN_REWARD if is_plain else WHOLE_REWARD}",
        "reward.custom_reward_function.name=compute_score",
    ]
    if is_plain:
        lines.append(f"+reward.custom_reward_function.reward_kwargs.verifier={min(verifiers)}")
    if any(task.mode == "completion" for task in tasks):
        lines.append(f'actor_rollout_ref.model.custom_chat_template="{RAW_TEMPLATE}"')
    return "\n".join(lines) + "\n"


def needs_problem(task: VerlTask, problems: Sequence[Problem]) -> bool:
    """Whether the verifier needs more of a problem than its reference answer."""
    grade = verifier_named(_verifier(task)).grade
    first = problems[0]
    bare = Problem(id=first.id, task=first.task, question="", gold=first.gold)
    try:
        grade(first.gold, bare)
    except ConfigError:
        return True
    return False


def _verifier(task: VerlTask) -> str:
    return task.verifier or task_named(task.task).verifier


def _problems(task: VerlTask) -> list[Problem]:
    problems = load_problems(task.task, task.task_options, limit=task.limit)
    ProblemReward(problems, _verifier(task)).close()  # says so if one cannot be judged
    return problems


def _check_apart(problems: Sequence[Problem], held_out: Sequence[Problem]) -> None:
    """Told by what is asked and what is right, not by ids."""
    trained = {problem.content_hash for problem in problems}
    common = [problem.id for problem in held_out if problem.content_hash in trained]
    if common:
        raise InputError(
            f"{len(common)} of {len(held_out)} held-out problems are trained on (such as "
            f"{common[0]}); use other problems (-T seed=...)"
        )


class _Shared:
    """A reward for each verifier, made when first asked for; any thread may ask."""

    def __init__(self) -> None:
        self._made: dict[str, ProblemReward] = {}
        self._lock = threading.Lock()
        renewed_in_children(self)

    def reward(self, verifier: str) -> ProblemReward:
        with self._lock:
            if verifier not in self._made:
                self._made[verifier] = ProblemReward([], verifier)
            return self._made[verifier]

    def renew(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()


_SHARED = _Shared()


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **others: Any,
) -> dict[str, Any]:
    """The score of one completion, as verl's reward managers call it, from any thread.

    Args:
        data_source: Not looked at; nor is what else verl adds.
        solution_str: The completion; what follows a stop text of the task is not judged.
        ground_truth: The reference answer.
        extra_info: As `export_task` writes it.

    Returns:
        `score` and `acc` (1.0 or 0.0), `pred` (the answer found, or ""), `unparsed` and `failed`
        (1.0 or 0.0): the same keys as `pathshift.verify.rewards.compute_score`.

    Raises:
        ConfigError: `extra_info` is not of a file that `export_task` wrote.
    """
    problem, verifier, stop = _asked(ground_truth, extra_info)
    (verdict,) = _SHARED.reward(verifier).verdicts([problem], [cut(solution_str, stop)])
    right = float(verdict.outcome is Outcome.CORRECT)
    return {
        "score": right,
        "acc": right,
        "pred": verdict.answer or "",
        "unparsed": float(verdict.outcome is Outcome.UNPARSED),
        "failed": float(verdict.outcome is Outcome.FAILED),
    }


def _asked(gold: Any, info: Mapping[str, Any] | None) -> tuple[Problem, str, tuple[str, ...]]:
    """Problem, verifier and stop texts of a row."""
    try:
        assert info is not None
        data = info["data"]
        if len(data) > _MOST_DATA:
            raise ValueError(f"data of {len(data):,} characters")
        problem = Problem(
            id=str(info["problem"]), task="verl", question="", gold=str(gold),
            data=dict(json.loads(data)),
        )  # fmt: skip
        stop = info.get("stop")
        return problem, str(info["verifier"]), tuple(map(str, () if stop is None else stop))
    except (AssertionError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"extra_info is not as pathshift writes it ({error!r:.100}); export the task again, or "
            f"use {PLAIN_REWARD} for plain answers"
        ) from None
