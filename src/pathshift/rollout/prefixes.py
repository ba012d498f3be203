"""Beginnings of a tuned model's answers, to be given to its base.

The choosing half of the prefix intervention ("Locked at the Entrance", arXiv 2608.29188): of a
tuned run's correct samples one or a few a problem are cut after some lengths; `rollout.prefixed`
has another model go on from there. Controls: the base alone, the beginnings of the base's own
correct samples, and those of wrong samples of the tuned model.

A beginning in which the reference answer stands, or which the verifier accepts as it is, is left
out: completing it proves nothing. So is one as long as its sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError, RunError
from pathshift.records import Outcome, Problem, Sample
from pathshift.rollout.cutting import answer_in, ends_of, unit_of
from pathshift.store.prefixes import (
    BASE_RIGHT,
    TUNED_RIGHT,
    TUNED_WRONG,
    PrefixNote,
    PrefixUse,
)
from pathshift.store.run import RunFolder
from pathshift.verify.judge import Judge

CHOICES = ("cells", "all", "gained", "lost")
RARE = 0.1
"""The base solves a problem rarely if in at most this share of its samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixConfig:
    """What is cut.

    Attributes:
        at: Lengths: whole numbers of tokens, or shares of the characters below 1.
        problems: Which of those with a correct tuned sample: "all"; "cells" where the base solves
            never or rarely (`RARE`) and less often than the tuned; "gained" where it never does;
            "lost" where it does so more often. Without a base's run "cells" is "all".
        per_problem: Samples cut of each problem and source.
        limit: First such problems only; None for all.
        seed: Of the choice of samples and of the draws.
    """

    at: tuple[float, ...] = (1, 2, 4, 8, 16)
    problems: str = "cells"
    per_problem: int = 1
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        whole = all(length >= 1 and length == int(length) for length in self.at)
        shares = all(0 < length < 1 for length in self.at)
        rules = {
            f"lengths must all be whole numbers from 1 or all shares below 1, got {self.at}": (
                bool(self.at) and (whole or shares)
            ),
            f"problems {self.problems!r} must be one of {', '.join(CHOICES)}": (
                self.problems in CHOICES
            ),
            f"samples a problem must be at least 1, got {self.per_problem}": self.per_problem >= 1,
            f"limit must be at least 1, got {self.limit}": self.limit is None or self.limit >= 1,
        }
        for message, holds in rules.items():
            if not holds:
                raise ConfigError(message)


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem, its prompt, and the beginning that is given away with it."""

    problem: Problem
    prompt: str
    note: PrefixNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Everything that will be asked, and in whose way.

    Attributes:
        unit: What lengths count: "tokens" (the tuned model's), "words" or "characters".
        settings: Configuration of the run whose prompts and policy are used.
        origin: What the manifest says of where the beginnings come from.
    """

    unit: str
    asked: tuple[Asked, ...]
    settings: Mapping[str, Any]
    origin: Mapping[str, Any]
    config: PrefixConfig


def cut_samples(tuned: Path, config: PrefixConfig, base: Path | None = None) -> Cut:
    """Choose samples of the tuned run, and of the base's if there is one, and cut them.

    Prompts and policy are the base run's where one is given, else the tuned one's.

    Raises:
        RunError: No sample of the tuned run is correct, or no problem is of the kind asked for.
        ConfigError: A choice by the base without its run.
    """
    theirs = _Side(tuned)
    ours = None if base is None else _Side(base)
    problems = _chosen(theirs, ours, config)
    taken = _taken(theirs, ours, problems, config)
    unit = unit_of(config.at, [sample for _, _, sample in taken])
    cuts = list(_cuts(taken, config.at, unit))
    leaks = _leaks(str(theirs.config["verifier"]), cuts)
    asking = theirs if ours is None else ours
    return Cut(
        unit=unit,
        asked=tuple(_asked(problems, cuts, leaks, asking)),
        settings=asking.config,
        origin={"model": theirs.config.get("model"), "weights": theirs.config.get("weights_hash"),
                "unit": unit, "at": list(config.at), "problems": config.problems,
                "per_problem": config.per_problem},
        config=config,
    )  # fmt: skip


class _Side:
    """One run: outcomes by the content of the problem, since ids may differ."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        self.config = self.folder.manifest.config
        self.problems = {p.content_hash: p for p in self.folder.problems()}
        self.prompts = self.folder.prompts()
        self._outcomes = self.folder.outcomes(str(self.config["verifier"]))

    def numbers(self, key: str, outcome: Outcome) -> list[int]:
        """Numbers of a problem's samples with an outcome."""
        problem = self.problems.get(key)
        found = {} if problem is None else self._outcomes.get(problem.id, {})
        return sorted(number for number, one in found.items() if one is outcome)

    def rate(self, key: str) -> float | None:
        """Share of correct samples among those judged; None without any."""
        right, *others = (
            len(self.numbers(key, outcome))
            for outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)
        )
        return right / (right + sum(others)) if right + sum(others) else None


def _chosen(theirs: _Side, ours: _Side | None, config: PrefixConfig) -> list[Problem]:
    if ours is None and config.problems in ("gained", "lost"):
        raise ConfigError(
            f"--problems {config.problems} depends on what the base solves; give its run: --base"
        )
    solved = [p for key, p in theirs.problems.items() if theirs.numbers(key, Outcome.CORRECT)]
    if not solved:
        raise RunError(
            f"{theirs.folder.path} has no correct sample by verifier {theirs.config['verifier']}, "
            "so there is no right beginning to give away; draw more samples or other problems"
        )
    found = solved
    if ours is not None:
        found = [
            p
            for p in solved
            if (rate := ours.rate(p.content_hash)) is not None
            and _is_wanted(config.problems, rate, theirs.rate(p.content_hash) or 0.0)
        ]
    if not found:
        raise RunError(
            f"none of the {len(solved)} problems that {theirs.folder.path} solves is of the kind "
            f"--problems {config.problems}; use --problems all"
        )
    return found[: config.limit]


def _is_wanted(kind: str, base: float, tuned: float) -> bool:
    return {
        "all": True,
        "cells": base <= RARE and base < tuned,
        "gained": base == 0,
        "lost": base > tuned,
    }[kind]


_Taken = tuple[Problem, str, Sample]
"""The tuned run's problem, a source, and a sample of it."""


def _taken(
    theirs: _Side, ours: _Side | None, problems: Sequence[Problem], config: PrefixConfig
) -> list[_Taken]:
    sides = [(TUNED_RIGHT, theirs, Outcome.CORRECT), (TUNED_WRONG, theirs, Outcome.WRONG)]
    if ours is not None:
        sides.append((BASE_RIGHT, ours, Outcome.CORRECT))
    return [
        taken
        for source, side, outcome in sides
        for taken in _taken_of(source, side, outcome, problems, config)
    ]


def _taken_of(
    source: str, side: _Side, outcome: Outcome, problems: Sequence[Problem], config: PrefixConfig
) -> Iterator[_Taken]:
    """Some samples of each problem, chosen by a seed of its own."""
    wanted: dict[tuple[str, int], Problem] = {}
    for problem in problems:
        numbers = side.numbers(problem.content_hash, outcome)
        seed = seed_of("prefix", config.seed, source, problem.content_hash)
        order = np.random.default_rng(seed).permutation(len(numbers))[: config.per_problem]
        for i in sorted(order):
            wanted[side.problems[problem.content_hash].id, numbers[i]] = problem
    if not wanted:
        return
    ids = sorted({problem_id for problem_id, _ in wanted})
    for sample in side.folder.samples(problem_ids=ids, traced=side.folder.has_traces):
        found = wanted.get((sample.problem_id, sample.sample_no))
        if found is not None:
            yield found, source, sample


@dataclass(frozen=True, slots=True)
class _Beginning:
    """One sample cut at one length."""

    problem: Problem
    use: PrefixUse
    text: str
    n_tokens: int | None


def _cuts(taken: Sequence[_Taken], at: Sequence[float], unit: str) -> Iterator[_Beginning]:
    for problem, source, sample in taken:
        ends = ends_of(sample, unit)
        for length in sorted(set(at)):
            use = PrefixUse(source=source, length=length, sample_no=sample.sample_no)
            end, n_tokens = _end(sample.text, ends, length)
            if not 0 < end < len(sample.text.rstrip()):
                use = replace(use, left_out="short")
            yield _Beginning(
                problem, use, sample.text[:end], n_tokens if unit == "tokens" else None
            )


def _end(text: str, ends: Sequence[int], length: float) -> tuple[int, int]:
    """Where a length ends in the text, and how many pieces that is; the text's end if beyond."""
    n = sum(end <= length * len(text) for end in ends) if length < 1 else int(length)
    return (ends[n - 1] if 0 < n <= len(ends) else 0 if n == 0 else len(text)), n


def _leaks(verifier: str, cuts: Sequence[_Beginning]) -> set[tuple[str, str]]:
    """Problem and text of the beginnings that answer already."""
    texts = {(cut.problem.id, cut.text): cut.problem for cut in cuts if not cut.use.left_out}
    with Judge(verifier) as judge:
        verdicts = judge.verdicts((p, _as_sample(p, text)) for (_, text), p in texts.items())
    return {
        (problem_id, text)
        for ((problem_id, text), problem), verdict in zip(texts.items(), verdicts, strict=True)
        if verdict.outcome is Outcome.CORRECT or answer_in(text, problem.gold)
    }


def _as_sample(problem: Problem, text: str) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=0, seed=0, text=text, n_tokens=None, finish_reason="stop"
    )


def _asked(
    problems: Sequence[Problem],
    cuts: Sequence[_Beginning],
    leaks: set[tuple[str, str]],
    asking: _Side,
) -> Iterator[Asked]:
    """The model alone and every distinct beginning, once however many samples begin so."""
    cuts_of: dict[str, list[_Beginning]] = {}
    for cut in cuts:
        cuts_of.setdefault(cut.problem.id, []).append(cut)
    for problem in problems:
        prompt = asking.prompts[asking.problems[problem.content_hash].id]
        left_out: list[PrefixUse] = []
        given: dict[str, list[_Beginning]] = {}
        for cut in cuts_of.get(problem.id, []):
            if not cut.use.left_out and (problem.id, cut.text) in leaks:
                left_out.append(replace(cut.use, left_out="leak"))
            elif cut.use.left_out:
                left_out.append(cut.use)
            else:
                given.setdefault(cut.text, []).append(cut)
        note = PrefixNote(problem=problem.id, text="", n_tokens=0, uses=tuple(left_out))
        yield Asked(problem, prompt, note)
        for text, same in given.items():
            uses = tuple(cut.use for cut in same)
            note = PrefixNote(problem=problem.id, text=text, n_tokens=same[0].n_tokens, uses=uses)
            yield Asked(problem, prompt, note)
