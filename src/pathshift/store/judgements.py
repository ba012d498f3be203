"""What a judge's verdicts hold beside outcomes: every vote, and how the judge was asked.

They lie in `verdicts/<name>/` like a verifier's. `detail` of a judged sample is compact JSON of its
votes, so that any rule can be applied later without asking again; `judge.json` beside the shards
says who was asked and how.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError, ConfigMismatch, RunError
from pathshift.records import Outcome, Verdict
from pathshift.store.manifest import write_json
from pathshift.store.rowfiles import parse_json
from pathshift.store.rows import storable

RULES = ("any", "majority", "all")
"""When a chain counts as sound: one vote says so, more than half of the readable ones, or all."""

PREFIX = "judge-"
HUMAN = "human"
"""Name of the verdicts that a person gave in a review; of some samples only."""
SAID_CHARS = 300
"""Characters kept of what a judge said."""
MAX_VOTES = 25
_FILE = "judge.json"
_NAME = re.compile(r"judge-[A-Za-z0-9_.-]{1,90}")


class Mark(StrEnum):
    """What one vote says of a chain."""

    SOUND = "sound"
    UNSOUND = "unsound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One reply of the judge.

    Attributes:
        mark: None if the reply held no readable one.
        said: Its first words, or why it could not be read; at most `SAID_CHARS` are stored.
    """

    mark: Mark | None
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """How a judge is asked; all but the rule must stay the same within one name.

    Attributes:
        model: Name of the model at its server; the server's address is no part of what it is.
        answers: The verifier that says which answers are right.
        prompt_hash: Hash of the judge's instructions.
        rule: How votes become an outcome; may be changed without asking again.
    """

    model: str
    answers: str
    votes: int
    rule: str
    temperature: float
    max_tokens: int
    seed: int
    prompt_hash: str

    def __post_init__(self) -> None:
        """Check every range."""
        if self.rule not in RULES:
            raise ConfigError(f"a rule is one of {', '.join(RULES)}, got {self.rule!r}")
        if not 1 <= self.votes <= MAX_VOTES:
            raise ConfigError(f"votes must be 1 to {MAX_VOTES}, got {self.votes}")
        if not 0 <= self.temperature <= 2:
            raise ConfigError(f"a judge's temperature must be 0 to 2, got {self.temperature}")
        if self.votes > 1 and self.temperature == 0:
            raise ConfigError(
                "at temperature 0 all votes are one; use --votes 1 or a temperature above 0"
            )
        if self.max_tokens < 1:
            raise ConfigError(f"a judge's tokens must be at least 1, got {self.max_tokens}")

    @property
    def told(self) -> str:
        """In a few words, what differs most often first."""
        return (
            f"{self.rule} of {self.votes} by {self.model}, T={self.temperature:g}, "
            f"answers by {self.answers}, prompt {self.prompt_hash[:8]}, seed {self.seed}"
        )


def judge_name(text: str) -> str:
    """The folder name in what a user wrote: judge-NAME or verdicts/judge-NAME.

    Raises:
        ConfigError: it does not begin with judge-, so it could be taken for a verifier.
    """
    name = text.removeprefix("verdicts/")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{text[:80]!r} is no name for a judge's verdicts; "
            "give judge- followed by letters, digits, - . _"
        )
    return name


def name_for(model: str) -> str:
    """Default name of a judge's verdicts.

    >>> name_for("Qwen/Qwen3-8B")
    'judge-Qwen3-8B'
    """
    last = model.rstrip("/").rsplit("/", 1)[-1]
    return PREFIX + (re.sub(r"[^A-Za-z0-9_.-]+", "-", last).strip("-")[:80] or "model")


def decided(votes: Sequence[Vote], rule: str) -> Mark | None:
    """What the readable votes say together; None if there is none.

    A tie is no majority: the chain is unsound.
    """
    marks = [vote.mark for vote in votes if vote.mark is not None]
    if not marks:
        return None
    sound = marks.count(Mark.SOUND)
    is_sound = {"any": sound > 0, "majority": 2 * sound > len(marks), "all": sound == len(marks)}
    return Mark.SOUND if is_sound[rule] else Mark.UNSOUND


def chain_outcome(answer: Outcome, votes: Sequence[Vote], rule: str) -> Outcome:
    """Outcome of answer and chain together.

    Only a right answer can become right; a right answer without a readable vote is FAILED, never
    wrong. Other outcomes stay as the answer's verifier has them.
    """
    if answer is not Outcome.CORRECT:
        return answer
    mark = decided(votes, rule)
    if mark is None:
        return Outcome.FAILED
    return Outcome.CORRECT if mark is Mark.SOUND else Outcome.WRONG


def votes_text(votes: Sequence[Vote]) -> str:
    """Votes as the compact JSON of a verdict's `detail`."""
    rows = [[vote.mark, storable(vote.said)[:SAID_CHARS]] for vote in votes]
    return json.dumps({"votes": rows}, ensure_ascii=False, separators=(",", ":"))


def votes_of(verdict: Verdict) -> tuple[Vote, ...]:
    """The inverse; no votes where the sample was copied and not judged.

    Raises:
        RunError: the detail is of another kind: these are not a judge's verdicts.
    """
    if not verdict.detail.startswith('{"votes":'):
        return ()
    try:
        rows = json.loads(verdict.detail)["votes"][:MAX_VOTES]
        return tuple(Vote(mark=mark and Mark(mark), said=str(said)) for mark, said in rows)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(
            f"the votes on sample {verdict.problem_id}#{verdict.sample_no} cannot be read "
            f"({str(error)[:80]}); judge the run anew under another name"
        ) from None


def read_judge(folder: Path) -> JudgeSettings | None:
    """How the verdicts in a folder were made; None if no judge made them.

    Args:
        folder: `verdicts/<name>` of a run.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        fields: Any = parse_json(path.read_bytes()[:100_000], str(path))
        return JudgeSettings(**fields)
    except (TypeError, ValueError, ConfigError) as error:
        raise RunError(f"{path} does not say how a judge was asked ({str(error)[:120]})") from None


def settle_judge(folder: Path, settings: JudgeSettings) -> JudgeSettings | None:
    """Write how the judge is asked, or check it against what is there; return what was there.

    Raises:
        ConfigMismatch: the folder was judged in another way; the rule alone may change.
    """
    have = read_judge(folder)
    if have is not None:
        for name, want in asdict(settings).items():
            old = getattr(have, name)
            if old != want and name != "rule":
                raise ConfigMismatch(
                    f"{folder} was judged with {name}={old!r}, now asked with {name}={want!r}: "
                    "votes of two judges are not mixed; use another --out"
                )
    if have != settings:
        write_json(asdict(settings), folder / _FILE)
    return have
