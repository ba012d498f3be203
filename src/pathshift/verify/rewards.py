"""The verifier pool as a reward function for trainers; needs neither trl nor verl to be imported.

TRL:

    trainer = GRPOTrainer(reward_funcs=Reward("math", column="solution"), ...)

verl:

    reward.custom_reward_function.path=pkg://pathshift.verify.rewards
    reward.custom_reward_function.name=compute_score

A reward is 1 for CORRECT and 0 for WRONG and UNPARSED. An answer without a verdict (FAILED: a
timeout, a crash) is no wrong answer: TRL gets None for it, verl a score of 0 beside `failed: 1`.
Both may be called from any thread and process; equal answers are judged once.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.verify import extract
from pathshift.verify.forked import renewed_in_children
from pathshift.verify.judge import Judge

MAX_WORKERS = 8
"""Workers that are used if none are asked for: as many as there are processors, up to this."""


class Reward:
    """A reward function for TRL: the verifier's outcome of each completion against a column.

    Picklable, and safe in any thread and in forked or spawned processes; each process has its own
    workers, which start with the first answer that needs one and end with the process.

    Attributes:
        column: The column of the data set that holds the reference: the answer, or a worked
            solution that marks it (a box, a line `#### 18`, "the answer is ...").

    Raises:
        UnknownName: There is no such verifier.
        MissingExtra: Its package is not installed.
        ConfigError: `timeout_s` or `workers` is out of range.
    """

    def __init__(
        self,
        verifier: str = "math",
        *,
        column: str = "solution",
        timeout_s: float = 5.0,
        workers: int | None = None,
    ) -> None:
        self.column = column
        self.__name__ = f"{verifier}_reward"  # what trainers log it as
        self._settings = (verifier, timeout_s, workers)
        n_workers = workers if workers is not None else default_workers()
        self._judge = Judge(verifier, timeout_s=timeout_s, workers=n_workers)

    def __reduce__(self) -> tuple[Callable[[], Reward], tuple[()]]:
        verifier, timeout_s, workers = self._settings
        again = partial(Reward, verifier, column=self.column, timeout_s=timeout_s, workers=workers)
        return again, ()

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        **columns: Any,
    ) -> list[float | None]:
        """One reward for each completion, in their order.

        Args:
            prompts: Not looked at.
            completions: Texts, or conversations of which the last assistant message counts.
            columns: The columns of the data set, a list each, and what the trainer adds; with
                TRL's `log_metric` the shares of unparsed and failed answers are logged.

        Returns:
            1.0, 0.0, or None where there is no reference or no verdict.

        Raises:
            ConfigError: The reference column is missing or of another length.
        """
        golds = self._golds(columns, len(completions))
        verdicts = self.verdicts(golds, [completion_text(one) for one in completions])
        log_metric = columns.get("log_metric")
        if log_metric is not None and verdicts:
            for outcome in (Outcome.UNPARSED, Outcome.FAILED):
                share = sum(v is not None and v.outcome is outcome for v in verdicts)
                log_metric(f"{self.__name__}/{outcome}", share / len(verdicts))
        return [None if verdict is None else _reward(verdict) for verdict in verdicts]

    def verdicts(self, golds: Sequence[Any], texts: Sequence[str]) -> list[Verdict | None]:
        """The verdict on each text; None where its reference is None or empty."""
        references = [_reference(gold) for gold in golds]
        asked = [
            (_problem(gold), _sample(number, text))
            for number, (gold, text) in enumerate(zip(references, texts, strict=True))
            if gold
        ]
        given = {verdict.sample_no: verdict for verdict in self._judge.verdicts(asked)}
        return [given.get(number) for number in range(len(texts))]

    def close(self) -> None:
        """Ends the worker processes; the next call starts new ones."""
        self._judge.close()

    def _golds(self, columns: Mapping[str, Any], n: int) -> Sequence[Any]:
        golds = columns.get(self.column)
        if golds is None:
            raise ConfigError(
                f"the data set has no column {self.column!r} of reference answers; there are: "
                f"{', '.join(columns) or 'none'}. Name it: Reward(column=...)"
            )
        if isinstance(golds, str) or len(golds) != n:
            raise ConfigError(
                f"column {self.column!r} must hold one reference for each of {n} completions, "
                f"got {golds!r:.80}"
            )
        return list(golds)


class _Shared:
    """The rewards behind `compute_score`, one for each setting, made when first asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Reward] = {}
        self._lock = threading.Lock()
        renewed_in_children(self)

    def reward(self, verifier: str, timeout_s: float, workers: int | None) -> Reward:
        key = (verifier, timeout_s, workers)
        with self._lock:
            if key not in self._made:
                self._made[key] = Reward(verifier, timeout_s=timeout_s, workers=workers)
            return self._made[key]

    def renew(self) -> None:
        self._lock = threading.Lock()


_SHARED = _Shared()


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    verifier: str = "math",
    timeout_s: float = 5.0,
    **others: Any,
) -> dict[str, Any]:
    """The score of one completion, in the form that verl's reward managers call and read.

    Args:
        data_source: Not looked at; nor is `extra_info`.
        solution_str: The completion.
        ground_truth: The reference answer, or a worked solution that marks it.
        verifier: As for `Reward`; verl passes on what `custom_reward_function.reward_kwargs` holds.
        others: `workers` as for `Reward`; what else verl adds is not looked at.

    Returns:
        `score` (1.0 or 0.0), `acc` (the same), `pred` (the answer found, or ""), `unparsed` and
        `failed` (1.0 or 0.0): the same keys each time, as verl asks for.
    """
    reward = _SHARED.reward(verifier, timeout_s, others.get("workers"))
    (verdict,) = reward.verdicts([ground_truth], [solution_str])
    return _score(verdict)


def compute_scores(
    data_sources: Sequence[Any],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Any] | None = None,
    *,
    verifier: str = "math",
    timeout_s: float = 5.0,
    **others: Any,
) -> list[dict[str, Any]]:
    """As `compute_score` for a whole batch, for verl's batch reward manager."""
    reward = _SHARED.reward(verifier, timeout_s, others.get("workers"))
    return [_score(verdict) for verdict in reward.verdicts(ground_truths, solution_strs)]


def default_workers() -> int:
    """As many workers as this process may use processors, `MAX_WORKERS` at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MAX_WORKERS, usable or 1))


def completion_text(completion: Any) -> str:
    """What a completion says: a text, or of a conversation the last assistant message.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Mapping):
        return _content(completion)
    if isinstance(completion, Sequence):
        said = [m for m in completion if isinstance(m, Mapping)]
        own = [message for message in said if message.get("role") in ("assistant", None)]
        return _content(own[-1]) if own else ""
    raise ConfigError(
        f"a completion must be a text or a list of messages, got {type(completion).__name__}"
    )


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message; of one in parts, those that are text."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _reference(gold: Any) -> str:
    """The answer within a reference; "" if there is none. A worked solution is read as text is."""
    if gold is None or (isinstance(gold, float) and math.isnan(gold)):
        return ""
    text = str(gold).strip()
    return extract.marked(text) or text


def _problem(gold: str) -> Problem:
    return Problem(id="", task="reward", question="", gold=gold)


def _sample(number: int, text: str) -> Sample:
    return Sample(
        problem_id="", sample_no=number, seed=0, text=text, n_tokens=0, finish_reason="stop"
    )


def _reward(verdict: Verdict) -> float | None:
    if verdict.outcome is Outcome.FAILED:
        return None
    return float(verdict.outcome is Outcome.CORRECT)


def _score(verdict: Verdict | None) -> dict[str, Any]:
    outcome = Outcome.FAILED if verdict is None else verdict.outcome
    right = float(outcome is Outcome.CORRECT)
    return {
        "score": right,
        "acc": right,
        "pred": (verdict.answer if verdict else None) or "",
        "unparsed": float(outcome is Outcome.UNPARSED),
        "failed": float(outcome is Outcome.FAILED),
    }
