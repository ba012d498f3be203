"""A log's rows -> problems with numbered samples, and the counts where the log says what is right.

Rows of one problem are found by the tool's own id, or else by question and reference answer. A
sample's number is the tool's own, or else its place among the rows of its problem. A log that mixes
models or training steps, or holds one draw twice, is refused before anything is written.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal

from pathshift.errors import DuplicateSamples, LogError
from pathshift.records import CountTable, Outcome, Problem, ProblemCount, Sample, Verdict, digest
from pathshift.store.identity import core_hashes
from pathshift.store.importers.duplicates import Draw, doubled_draws
from pathshift.store.importers.files import sha256
from pathshift.store.importers.logged import MAX_FIELD_CHARS, Log, LoggedSample
from pathshift.store.rows import storable

Duplicates = Literal["error", "drop", "keep"]
"""What to do with draws that stand in a log twice."""

MAX_ID_CHARS = 200


@dataclass(slots=True)
class _Tally:
    """What is known of one problem while the rows go by."""

    problem: Problem
    asked: tuple[str, str]
    where: str
    draws: list[Draw] = field(default_factory=list)
    numbers: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """A log brought into order.

    Attributes:
        log: The log.
        problems: In the order of their first rows.
        draws: Every sample kept, by problem.
        dropped: Samples left out as copies: problem and number.
        entropy: Mean entropy over the samples in nats; None unless all state it.
    """

    log: Log
    problems: tuple[Problem, ...]
    draws: tuple[tuple[Draw, ...], ...]
    dropped: frozenset[tuple[str, int]]
    entropy: float | None

    @property
    def is_judged(self) -> bool:
        """Whether the log says of every sample what became of it."""
        return all(draw.outcome is not None for draws in self.draws for draw in draws)

    @property
    def unjudged(self) -> tuple[Problem, ...]:
        """Problems with a sample of which the log does not say what became of it."""
        pairs = zip(self.problems, self.draws, strict=True)
        return tuple(p for p, draws in pairs if any(draw.outcome is None for draw in draws))

    @property
    def n_samples(self) -> int:
        """Samples kept."""
        return sum(map(len, self.draws))

    def rows(self) -> Iterator[tuple[Problem, Sample, Verdict | None]]:
        """Every sample kept, read again with its text; None where the log holds no verdict."""
        placing, files = _Placing(self.log), [sha256(path) for path in self.log.files]
        places: Counter[tuple[int, str]] = Counter()
        for shard, logged in self.log.samples():
            problem, number = placing.place(logged)
            places[shard, problem.id] += 1
            if (problem.id, number) not in self.dropped:
                seed = _seed(files[shard], problem, places[shard, problem.id])
                sample = _sample(logged, problem, number, seed)
                yield problem, sample, _verdict(logged, problem, number)

    def counts(self, name: str) -> CountTable:
        """Counts by the log's own verdicts.

        Raises:
            LogError: the log does not say of every sample what became of it.
        """
        if not self.is_judged:
            raise LogError(
                f"{name}: {self.log.format} logs do not say which samples are right; "
                f"`pathshift import {name} --out RUN` has them judged"
            )
        outcomes = [[draw.outcome or Outcome.FAILED for draw in draws] for draws in self.draws]
        return self.count_table(name, outcomes, self.log.judged_by)

    def count_table(
        self, name: str, outcomes: Sequence[Sequence[Outcome]], judged_by: str
    ) -> CountTable:
        """Counts by the outcomes given, in the order of `problems` and `draws`."""
        cores = core_hashes([problem.question for problem in self.problems])
        parts = zip(self.problems, self.draws, outcomes, cores, strict=True)
        settings = {**self.log.settings, "format": self.log.format, "verifier": judged_by}
        if self.entropy is not None:
            settings["entropy"] = self.entropy
        return CountTable(
            name=name,
            counts=tuple(
                _count(problem, draws, found, core) for problem, draws, found, core in parts
            ),
            settings=settings,
        )


def _count(
    problem: Problem, draws: Sequence[Draw], outcomes: Sequence[Outcome], core: str | None
) -> ProblemCount:
    failed = outcomes.count(Outcome.FAILED)
    # A sample that failed was neither cut nor, unless the log says so, did it cost a token.
    is_known = all(d.finish_reason != "unknown" or d.outcome is Outcome.FAILED for d in draws)
    spent = [0 if d.outcome is Outcome.FAILED and d.n_tokens is None else d.n_tokens for d in draws]
    tokens = [n for n in spent if n is not None]
    return ProblemCount(
        id=problem.id,
        n=len(draws) - failed,
        c=outcomes.count(Outcome.CORRECT),
        unparsed=outcomes.count(Outcome.UNPARSED),
        failed=failed,
        truncated=sum(d.finish_reason == "length" for d in draws) if is_known else None,
        n_tokens=sum(tokens) if len(tokens) == len(draws) else None,
        source=problem.source,
        content_hash=problem.content_hash if problem.question else None,
        core_hash=core,
    )


def assemble(log: Log, *, duplicates: Duplicates = "error") -> Assembly:
    """Read a log once and bring it into order.

    Args:
        duplicates: What to do with draws that stand there twice.

    Raises:
        LogError: a row breaks a rule, or the log mixes models or steps; names file and row.
        DuplicateSamples: one draw stands there twice.
    """
    placing = _Placing(log)
    entropies: list[float | None] = []
    with closing(log.samples()) as samples:
        for shard, logged in samples:
            problem, number = placing.place(logged)
            placing.note(logged, shard, problem, number)
            entropies.append(logged.entropy)
    tallies = list(placing.tallies.values())
    if not tallies:
        raise LogError(f"{_names(log)}: holds no samples")
    dropped = _copies(log, tallies, duplicates)
    return Assembly(
        log=log,
        problems=tuple(tally.problem for tally in tallies),
        draws=tuple(
            tuple(d for d in tally.draws if (tally.problem.id, d.number) not in dropped)
            for tally in tallies
        ),
        dropped=dropped,
        entropy=_mean(entropies),
    )


def _copies(
    log: Log, tallies: Sequence[_Tally], duplicates: Duplicates
) -> frozenset[tuple[str, int]]:
    found = None if duplicates == "keep" else doubled_draws([tally.draws for tally in tallies])
    if found is None:
        return frozenset()
    if duplicates == "error":
        raise DuplicateSamples(
            f"{_names(log)}: {found.sentence}; one draw counted twice makes pass@k wrong: "
            "--duplicates drop keeps one of each, --duplicates keep counts all"
        )
    return frozenset((tallies[i].problem.id, number) for i, number in found.copies)


def _names(log: Log) -> str:
    names = ", ".join(str(path) for path in log.files[:3])
    return names if len(log.files) <= 3 else f"{names} and {len(log.files) - 3} more"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


class _Placing:
    """Gives every row its problem and its number; the same rows in the same order get the same."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.tallies: dict[object, _Tally] = {}
        self._ids: dict[str, str] = {}
        self._next: dict[str, int] = {}
        self._model: tuple[str, str] | None = None
        self._step: tuple[int, str] | None = None

    def place(self, logged: LoggedSample) -> tuple[Problem, int]:
        """The problem of a row and the number of its draw."""
        own = logged.problem_id
        key: object = own if own is not None else (logged.question, logged.gold)
        tally = self.tallies.get(key)
        if tally is None:
            asked = (logged.question, logged.gold)
            tally = self.tallies[key] = _Tally(self._problem(logged), asked, logged.where)
        problem = tally.problem
        if own is not None and tally.asked != (logged.question, logged.gold):
            raise LogError(
                f"{logged.where}: problem {own!r:.80} asks another thing, or has another reference "
                f"answer, than at {tally.where}; two data sets in one log are not counted together"
            )
        if logged.number is not None:
            return problem, logged.number
        number = self._next.get(problem.id, 0)
        self._next[problem.id] = number + 1
        return problem, number

    def note(self, logged: LoggedSample, shard: int, problem: Problem, number: int) -> None:
        """Check a placed row and keep what counting needs of it."""
        self._check(logged)
        tally = self.tallies[
            logged.problem_id if logged.problem_id is not None else (logged.question, logged.gold)
        ]
        before = tally.numbers.get(number)
        tally.numbers[number] = logged.where
        if before is not None:
            raise LogError(
                f"{logged.where}: sample {number} of problem {problem.id!r:.80} stands at {before} "
                "already; name one of the two logs, or import them apart and merge the runs"
            )
        tally.draws.append(
            Draw(
                number, shard, _digest(logged.text), len(logged.text), logged.outcome,
                logged.finish_reason, logged.n_tokens,
            )
        )  # fmt: skip

    def _check(self, logged: LoggedSample) -> None:
        for name in ("question", "gold", "text"):
            if len(getattr(logged, name)) > MAX_FIELD_CHARS:
                raise LogError(
                    f"{logged.where}: its {name} has {len(getattr(logged, name)):,} characters, "
                    f"more than {MAX_FIELD_CHARS:,}; leave that row out"
                )
        if logged.model is not None:
            self._model = self._model or (logged.model, logged.where)
            if self._model[0] != logged.model:
                raise _mixed("models", self._model, (logged.model, logged.where))
        if logged.step is not None:
            self._step = self._step or (logged.step, logged.where)
            if self._step[0] != logged.step:
                raise _mixed("training steps", self._step, (logged.step, logged.where))

    def _problem(self, logged: LoggedSample) -> Problem:
        task = storable(str(self.log.settings.get("task") or self.log.format))
        problem = Problem(
            id="", task=storable(task), question=storable(logged.question),
            gold=storable(logged.gold), source=storable(task),
        )  # fmt: skip
        name = logged.problem_id
        if name is None or not name or len(name) > MAX_ID_CHARS:
            name = f"q-{problem.content_hash[:16]}"
        where = self._ids.setdefault(name, logged.where)
        if where is not logged.where:
            raise LogError(f"{logged.where}: problem {name!r} stands at {where} under another key")
        return replace(problem, id=storable(name))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _mixed(what: str, first: tuple[object, str], second: tuple[object, str]) -> LogError:
    return LogError(
        f"{second[1]}: {what} are mixed, {second[0]!r:.60} here and {first[0]!r:.60} at "
        f"{first[1]}; split the log: one run is of one model at one step"
    )


def _seed(file: str, problem: Problem, place: int) -> int:
    """Of the file and the place in it: a draw has one seed in every import, two never share one."""
    return int(digest("import", file, problem.content_hash, place)[:15], 16)


def _sample(logged: LoggedSample, problem: Problem, number: int, seed: int) -> Sample:
    is_failed = logged.outcome is Outcome.FAILED
    return Sample(
        problem_id=problem.id,
        sample_no=number,
        seed=seed,
        text=logged.text,
        n_tokens=0 if is_failed and logged.n_tokens is None else logged.n_tokens,
        # A text that nobody scored can still be judged; where there is none the draw failed.
        finish_reason="error" if is_failed and not logged.text else logged.finish_reason,
        detail=logged.detail,
    )


def _verdict(logged: LoggedSample, problem: Problem, number: int) -> Verdict | None:
    if logged.outcome is None:
        return None
    return Verdict(
        problem_id=problem.id,
        sample_no=number,
        outcome=logged.outcome,
        answer=logged.answer,
        detail=logged.detail if logged.outcome is Outcome.FAILED else "",
    )
