"""A run's chains judged and stored: what is there is kept, what is missing is asked.

Samples whose answer is not right are copied from the answer's verifier. Equal chains of one problem
are asked once. A chain for which nothing came back is held until the server has answered another,
so that a server that dies leaves no verdict behind it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pathshift.authoring.judge import Chat, ask_votes
from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.judgements import (
    JudgeSettings,
    Vote,
    chain_outcome,
    settle_judge,
    votes_of,
    votes_text,
)
from pathshift.store.rows import verdict_table
from pathshift.store.run import RunFolder, RunWriter, SampleKey
from pathshift.store.shards import finish_rewrite, rewrite_shards

SHARD_SECONDS = 10.0
"""Votes are dear: a kill may lose those of the last ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkOptions:
    """What of a run is asked now.

    Attributes:
        only_correct: Leave chains with wrong answers alone.
        limit: At most so many distinct chains now; the rest when the command runs again.
        concurrency: Chains asked at a time.
        retry_failed: Ask again where no vote could be read.
    """

    only_correct: bool = True
    limit: int | None = None
    concurrency: int = 4
    retry_failed: bool = False

    def __post_init__(self) -> None:
        """Check every range."""
        if not 1 <= self.concurrency <= 256:
            raise ConfigError(f"concurrency must be 1 to 256, got {self.concurrency}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be at least 1, got {self.limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """How far the judging is; numbers are distinct chains.

    Attributes:
        kept: Judged before.
        asked: Judged now.
        held: Of these, not on disk yet: the server gave nothing and has answered nobody since.
        failed: Of these, without a readable vote.
        wanted: To judge now.
        left: Left for the next call, by the limit.
        seconds: Since the start.
    """

    kept: int
    asked: int
    held: int
    failed: int
    wanted: int
    left: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Chain:
    """Equal texts of one problem, and the verdicts that wait for their votes."""

    problem: Problem
    text: str
    answers: tuple[Verdict, ...]


def mark_run(
    run: Path,
    name: str,
    settings: JudgeSettings,
    chat: Chat,
    options: MarkOptions,
    *,
    on_progress: Callable[[Marked], None] = lambda marked: None,
) -> Marked:
    """Judge the chains of a run that this judge has not judged.

    Raises:
        RunError: samples without a verdict on their answer, another judge's votes under this name.
        ModelError: the server is gone; what is judged is kept.
    """
    folder = RunFolder(run)
    run_counts(run, verifier=settings.answers)  # says what is missing, before anything is asked
    with RunWriter(run, name) as writer:
        writer.shard_seconds = SHARD_SECONDS
        answers = {_key(v): v for v in folder.verdicts(settings.answers)}
        _prepare(writer, answers, settings, options)
        marking = _Marking(writer, answers, settings, options, on_progress)
        marking.ask_all(chat)
        writer.compact()
    return marking.progress


def _prepare(
    writer: RunWriter,
    answers: Mapping[SampleKey, Verdict],
    settings: JudgeSettings,
    options: MarkOptions,
) -> None:
    """Settle how the judge is asked; apply another rule to the votes that are there.

    Verdicts that are to be asked for again, or now for the first time, leave.
    """
    path = writer.folder.verdicts_path(writer.verifier)
    finish_rewrite(path)
    have = settle_judge(path, settings)
    kept = writer.folder.verdicts(writer.verifier)
    wanted = [v for v in kept if _stays(v, answers[_key(v)], options)]
    if have is not None and have.rule != settings.rule:
        wanted = [_verdict(answers[_key(v)], votes_of(v), settings.rule) for v in wanted]
    if wanted != kept:
        rewrite_shards(verdict_table(wanted), path)


def _stays(verdict: Verdict, answer: Verdict, options: MarkOptions) -> bool:
    votes = votes_of(verdict)
    if not votes:
        return not _is_asked(answer, options)
    return not (options.retry_failed and all(vote.mark is None for vote in votes))


def _is_asked(answer: Verdict, options: MarkOptions) -> bool:
    right = answer.outcome is Outcome.CORRECT
    return right or (not options.only_correct and answer.outcome is Outcome.WRONG)


class _Marking:
    """One call of `mark_run`: what is to be asked and how far it is."""

    def __init__(
        self,
        writer: RunWriter,
        answers: Mapping[SampleKey, Verdict],
        settings: JudgeSettings,
        options: MarkOptions,
        on_progress: Callable[[Marked], None],
    ) -> None:
        self._writer, self._settings, self._options = writer, settings, options
        self._on_progress, self._started = on_progress, time.monotonic()
        self._held: list[Verdict] = []
        done = {_key(v): v for v in writer.folder.verdicts(writer.verifier)}
        asked = {key: answer for key, answer in answers.items() if _is_asked(answer, options)}
        self._copy(a for key, a in answers.items() if key not in done and key not in asked)
        chains, kept = _chains(writer.folder, asked, done)
        self._inherit(chains, kept)
        todo = [c for c in chains if (c.problem.id, c.text) not in kept]
        self.todo = todo[: options.limit]
        self.progress = Marked(
            kept=len(kept), asked=0, held=0, failed=0, wanted=len(self.todo),
            left=len(todo) - len(self.todo), seconds=0.0,
        )  # fmt: skip

    def _copy(self, answers: Iterable[Verdict]) -> None:
        """Samples that no judge is asked about keep what their answer's verifier said."""
        self._writer.add_verdicts([replace(answer, detail="") for answer in answers])

    def _inherit(
        self, chains: Iterable[_Chain], kept: Mapping[tuple[str, str], tuple[Vote, ...]]
    ) -> None:
        """New samples with the text of a judged chain get its votes."""
        found = [(c, kept[c.problem.id, c.text]) for c in chains if (c.problem.id, c.text) in kept]
        self._writer.add_verdicts(
            [_verdict(a, votes, self._settings.rule) for c, votes in found for a in c.answers]
        )

    def ask_all(self, chat: Chat) -> None:
        """Ask about every chain, some at a time, and store the votes as they come."""
        self._on_progress(self.progress)
        at_a_time = self._options.concurrency
        pool = ThreadPoolExecutor(at_a_time)

        def submit(chain: _Chain) -> Future[tuple[_Chain, list[Vote], bool]]:
            return pool.submit(self._ask, chat, chain)

        try:
            for chain, votes, is_lost in _as_they_come(submit, self.todo, at_a_time):
                self._store(chain, votes, is_lost=is_lost)
        finally:
            # Not waiting: after an error or Ctrl-C what came is stored before a slow reply ends.
            pool.shutdown(wait=False, cancel_futures=True)
        self._writer.add([], self._held)

    def _ask(self, chat: Chat, chain: _Chain) -> tuple[_Chain, list[Vote], bool]:
        votes, is_lost = ask_votes(chat, chain.problem, chain.text, self._settings)
        return chain, votes, is_lost

    def _store(self, chain: _Chain, votes: Sequence[Vote], *, is_lost: bool) -> None:
        verdicts = [_verdict(answer, votes, self._settings.rule) for answer in chain.answers]
        if is_lost:
            self._held.extend(verdicts)
        else:
            self._writer.add([], [*self._held, *verdicts])
            self._held = []
        before = self.progress
        self.progress = replace(
            before,
            asked=before.asked + 1,
            held=before.held + 1 if is_lost else 0,
            failed=before.failed + all(vote.mark is None for vote in votes),
            seconds=time.monotonic() - self._started,
        )
        self._on_progress(self.progress)


def _as_they_come(
    submit: Callable[[_Chain], Future[tuple[_Chain, list[Vote], bool]]],
    chains: Sequence[_Chain],
    at_a_time: int,
) -> Iterator[tuple[_Chain, list[Vote], bool]]:
    """Results in the order they end; nothing new is begun after a failure."""
    waiting = iter(chains)
    running = {submit(chain) for chain in islice(waiting, at_a_time)}
    try:
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
                running |= {submit(chain) for chain in islice(waiting, 1)}
    finally:
        for future in running:
            future.cancel()


def _chains(
    folder: RunFolder, asked: Mapping[SampleKey, Verdict], done: Mapping[SampleKey, Verdict]
) -> tuple[list[_Chain], dict[tuple[str, str], tuple[Vote, ...]]]:
    """Chains without verdicts, and the votes by problem and text that are there.

    The first chain of every problem comes first, then every second one: a limit leaves no problem
    out before it must.
    """
    waiting: dict[tuple[str, str], list[Verdict]] = {}
    kept: dict[tuple[str, str], tuple[Vote, ...]] = {}
    for sample in sorted(folder.samples(), key=lambda s: s.sample_no):
        chain, key = (sample.problem_id, sample.text), (sample.problem_id, sample.sample_no)
        if key in done:
            votes = votes_of(done[key])
            if votes:
                kept[chain] = votes
        elif key in asked:
            waiting.setdefault(chain, []).append(asked[key])
    by_id = {p.id: (place, p) for place, p in enumerate(folder.problems())}
    turn: Counter[str] = Counter()
    ranked = []
    for (problem_id, text), judged in waiting.items():
        place, problem = by_id[problem_id]
        ranked.append(((turn[problem_id], place), _Chain(problem, text, tuple(judged))))
        turn[problem_id] += 1
    return [chain for _, chain in sorted(ranked, key=lambda pair: pair[0])], kept


def _key(verdict: Verdict) -> SampleKey:
    return verdict.problem_id, verdict.sample_no


def _verdict(answer: Verdict, votes: Sequence[Vote], rule: str) -> Verdict:
    """The answer's verdict with the votes on its chain; without votes a copy."""
    if not votes:
        return replace(answer, detail="")
    outcome = chain_outcome(answer.outcome, votes, rule)
    return replace(answer, outcome=outcome, detail=votes_text(votes))
