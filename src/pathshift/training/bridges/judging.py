"""Rewards from whole problems: what the sampling loop's verdict would be, as a trainer asks for it.

`verify.rewards.Reward` knows a column of answers. A task's verifier may need more (the numbers of
countdown, a program's tests), and a completion of a base model goes on behind its stop text unless
it is cut there. Here both are looked after, so that a reward is 1 exactly where the same text in a
run folder is CORRECT. Imports neither torch nor a trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.verify.judge import Judge
from pathshift.verify.rewards import completion_text, default_workers

PROBLEM = "problem"
"""Column that names the problem of a row, by its id."""
REFERENCE = "reference"
"""Column of reference answers, for `Reward(column=...)` and for readers of the data set."""


class Judged(NamedTuple):
    """A completion and its verdict; `token_ids` is empty where the trainer keeps them to itself."""

    problem: Problem
    text: str
    token_ids: tuple[int, ...]
    verdict: Verdict


class ProblemReward:
    """A reward function for TRL: 1.0 for CORRECT, 0.0 for WRONG and UNPARSED, None for FAILED.

    Callable from any thread; picklable, without `on_judged`.

    Args:
        stop: Texts at which a completion is cut before it is judged.
        on_judged: Called with every batch of completions and verdicts.

    Raises:
        UnknownName, MissingExtra, ConfigError: As `Judge`; a problem lacks what the verifier needs.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        verifier: str,
        *,
        stop: Sequence[str] = (),
        workers: int | None = None,
        on_judged: Callable[[Sequence[Judged]], None] | None = None,
    ) -> None:
        self.__name__ = f"{verifier}_reward"  # what trainers log it as
        self._by_id = {problem.id: problem for problem in problems}
        self._stop = tuple(stop)
        self._on_judged = on_judged
        self._judge = Judge(verifier, workers=workers or default_workers())
        self._judge.check(problems)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_judged": None}

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        **columns: Any,
    ) -> list[float | None]:
        """One reward for each completion, in their order.

        Args:
            prompts: Not looked at.
            completions: Texts or conversations, as TRL gives them.
            columns: `problem`, the ids; `completion_ids` and `log_metric` where the trainer has
                them, by which the shares of unparsed and failed answers are logged.

        Raises:
            ConfigError: The column of ids is missing, or an id is none of the problems'.
        """
        problems = self._problems(columns.get(PROBLEM), len(completions))
        texts = [cut(completion_text(one), self._stop) for one in completions]
        verdicts = self.verdicts(problems, texts)
        log_metric = columns.get("log_metric")
        if log_metric is not None and verdicts:
            for outcome in (Outcome.UNPARSED, Outcome.FAILED):
                share = sum(v.outcome is outcome for v in verdicts) / len(verdicts)
                log_metric(f"{self.__name__}/{outcome}", share)
        if self._on_judged is not None:
            token_ids = columns.get("completion_ids") or [()] * len(texts)
            rows = zip(problems, texts, map(tuple, token_ids), verdicts, strict=True)
            self._on_judged([Judged(*row) for row in rows])
        return [reward_of(verdict) for verdict in verdicts]

    def verdicts(self, problems: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text as an answer to its problem."""
        samples = [_sample(problem, n, text) for n, (problem, text) in
                   enumerate(zip(problems, texts, strict=True))]  # fmt: skip
        return self._judge.verdicts(zip(problems, samples, strict=True))

    def close(self) -> None:
        """Ends the worker processes; the next call starts new ones."""
        self._judge.close()

    def _problems(self, ids: Any, n: int) -> list[Problem]:
        if not isinstance(ids, Sequence) or len(ids) != n:
            raise ConfigError(
                f"the data set needs a column {PROBLEM!r} with the id of each row's problem"
            )
        try:
            return [self._by_id[str(i)] for i in ids]
        except KeyError as error:
            raise ConfigError(
                f"problem {error.args[0]!r:.80} is none of the reward's {len(self._by_id)}; make "
                "both from the same task"
            ) from None


def cut(text: str, stop: Sequence[str]) -> str:
    r"""The text up to the first stop text, as the sampling loop cuts it.

    >>> cut(" 37\n\nQuestion: What", ("\n",))
    ' 37'
    """
    places = [at for mark in stop if (at := text.find(mark)) >= 0]
    return text[: min(places)] if places else text


def reward_of(verdict: Verdict) -> float | None:
    """1.0 or 0.0; None where there is no verdict."""
    if verdict.outcome is Outcome.FAILED:
        return None
    return float(verdict.outcome is Outcome.CORRECT)


def _sample(problem: Problem, number: int, text: str) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=number, seed=0, text=text, n_tokens=None,
        finish_reason="unknown",
    )  # fmt: skip
