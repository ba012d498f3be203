"""What a reader of a foreign log is given, and what it returns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome

MAX_FIELD_CHARS = 1_000_000
"""Longest text of a field; 128k tokens are about half of it."""


SHAPE_ERRORS = (
    TypeError, AttributeError, KeyError, IndexError, ValueError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading a field of another kind than the format's ends in."""


@contextmanager
def foreign(where: str) -> Iterator[None]:
    """Around the reading of one row: a field of an unexpected kind is the log's fault, and named.

    Readers take the fields of a format as its tools write them; a file is under no such obligation.
    """
    try:
        yield
    except SHAPE_ERRORS as error:
        reason = " ".join(str(error).split())[:120]
        raise LogError(
            f"{where}: a field is not of the kind that this format has ({reason}); "
            "is it another format? --format names one"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSample:
    """One completion as a log holds it.

    Attributes:
        question: What the log keeps of what was asked: the question, or the whole prompt.
        gold: Reference answer; empty if the log has none.
        text: The completion.
        where: File and row, for messages.
        problem_id: The tool's own name of the problem; None where only its text tells.
        number: The tool's own number of the draw; None where only the order of rows tells.
        outcome: What became of it; None if the log does not say and a verifier has to.
        answer: What the tool took as the answer.
        finish_reason: As in `records.Sample`.
        n_tokens: Sampled tokens.
        entropy: Mean entropy of its tokens, in nats.
        detail: Why, where the outcome is FAILED.
        model: Who answered; a log with two models is refused.
        step: Training step; a log with two steps is refused.
    """

    question: str
    gold: str
    text: str
    where: str
    problem_id: str | None = None
    number: int | None = None
    outcome: Outcome | None = None
    answer: str | None = None
    finish_reason: str = "unknown"
    n_tokens: int | None = None
    entropy: float | None = None
    detail: str = ""
    model: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a user says about a log that it does not say itself.

    Attributes:
        format: Name in `formats.FORMATS`; None to recognise it.
        score: Which of several scores says what is right: a column, reward function, scorer,
            metric or filter of the log.
        threshold: Score from which on a sample is right, for rewards that are not 0 or 1.
        columns: For the generic format: role (question, gold, text, correct, id, n, ...) to column.
    """

    format: str | None = None
    score: str | None = None
    threshold: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """What is known of a file before it is read.

    Attributes:
        path: The file.
        keys: Names of the fields of its first row, or of its one JSON object.
        first: The first row, or the object.
        content: The whole content of a JSON file, so that it is parsed once.
    """

    path: Path
    keys: frozenset[str] = frozenset()
    first: Mapping[str, Any] = field(default_factory=dict)
    content: Any = None

    def has(self, *names: str) -> bool:
        """Whether all these fields are there."""
        return self.keys.issuperset(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A recognised log.

    Attributes:
        format: Name in `formats.FORMATS`.
        peeks: The files it consists of, in the order they are read.
        samples_in: Reads one of the files from its beginning, as often as asked.
        settings: What the log says of how it was made, under the names of a run's manifest.
        judged_by: Whose judgement its outcomes are, as `judge_name` makes it; empty if there is
            none.
        lacks: What a reader must know that this format does not hold.
    """

    format: str
    peeks: tuple[Peek, ...]
    samples_in: Callable[[Peek], Iterator[LoggedSample]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    judged_by: str = ""
    lacks: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of its files."""
        return tuple(peek.path for peek in self.peeks)

    def samples(self) -> Generator[tuple[int, LoggedSample]]:
        """All samples, each with the number of its file, from 0."""
        for shard, peek in enumerate(self.peeks):
            with foreign(str(peek.path)):
                for sample in self.samples_in(peek):
                    yield shard, sample


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFormat:
    """One format.

    Attributes:
        name: What `--format` calls it.
        summary: One line for a listing.
        matches: Whether a file is of this format.
        read: From the peeked files of one log to the log.
        step_of: Training step of a file, where the tool writes one file a step.
    """

    name: str
    summary: str
    matches: Callable[[Peek], bool]
    read: Callable[[tuple[Peek, ...], ReadOptions], Log]
    step_of: Callable[[Path], int | None] = lambda path: None


def verdict_of(correct: object, where: str, options: ReadOptions, name: str) -> Outcome:
    """Outcome of a score: true/false, 0/1, or a reward with the user's threshold.

    None and NaN are samples that nobody judged: FAILED, never WRONG.

    Raises:
        LogError: a reward that is neither 0 nor 1, and no threshold.
    """
    if correct is None or correct != correct:
        return Outcome.FAILED
    if isinstance(correct, bool):
        return Outcome.CORRECT if correct else Outcome.WRONG
    if not isinstance(correct, int | float):
        raise LogError(
            f"{where}: {name}={str(correct)[:40]!r} is neither true or false nor a number"
        )
    if options.threshold is not None:
        return Outcome.CORRECT if correct >= options.threshold else Outcome.WRONG
    if correct not in (0, 1):
        raise LogError(
            f"{where}: {name}={as_text(correct)[:40]} is a reward, not right or wrong; say from "
            "which value on a sample is right (--threshold), or which column says so (--score)"
        )
    return Outcome.CORRECT if correct == 1 else Outcome.WRONG


def judge_name(tool: str, score: str | None) -> str:
    """Whose judgement an outcome is, as a plain name: a run folder has a folder of that name.

    >>> judge_name("inspect", "match/strict")
    'inspect-match-strict'
    """
    name = f"{tool}-{score}" if score else tool
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)[:80].strip("-")


def settled(outcome: Outcome, finish_reason: str, *, has_answer: bool = True) -> Outcome:
    """The outcome, with a wrong sample that was cut or gave no answer set down as UNPARSED.

    >>> settled(Outcome.WRONG, "length").value, settled(Outcome.CORRECT, "length").value
    ('unparsed', 'correct')
    """
    if outcome is Outcome.WRONG and (finish_reason == "length" or not has_answer):
        return Outcome.UNPARSED
    return outcome


_TAIL = re.compile(r"####[ \t]*([^\n]+)")


def reference(value: object) -> str:
    r"""A reference answer: of a whole solution its end, `#### 18` or the last `\boxed{...}`.

    >>> reference("3 trays hold 36.\n#### 36"), reference(r"so \boxed{\frac{1}{2}}.")
    ('36', '\\frac{1}{2}')
    """
    text = as_text(value).strip()
    if tails := _TAIL.findall(text):
        return str(tails[-1]).strip()
    start = text.rfind("\\boxed{")
    return _braced(text[start + len("\\boxed") :]) if start >= 0 else text


def _braced(text: str) -> str:
    depth = 0
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return text[1:place]
    return text


def as_text(value: object) -> str:
    """A field as text: None is empty, a whole float loses its .0, a list of one is its item.

    >>> as_text(18.0), as_text(["37"]), as_text([1, "x"])
    ('18', '37', '[1, "x"]')
    """
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple) and len(value) == 1:
        return as_text(value[0])
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return str(value)


CUT = ("length", "max_tokens", "max_length", "model_length")
"""Finish reasons that mean: cut by the token limit."""


def finish_of(reason: object) -> str:
    """A tool's finish reason as ours."""
    if reason is None or reason in ("", "unknown"):
        return "unknown"
    return "length" if reason in CUT else "stop"


def whole(value: object) -> int | None:
    """A count as the log has it; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(value) if 0 <= value < 2**31 else None
