"""What an audit found: plain data, the same in Python, in JSON and between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SEVERITIES = ("error", "warning", "note")
"""From "no number made with this means anything" to "know this when you read one"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a probe saw.

    Attributes:
        severity: One of `SEVERITIES`.
        name: The probe's name.
        seen: What was seen, with numbers.
        advice: What to do about it.
    """

    severity: str
    name: str
    seen: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Answers of one kind that are wrong by construction, and what the verifier made of them.

    Attributes:
        asked: Answers judged.
        right: Those taken for right.
        failed: Those that raised or hung.
        partial: Those with a score above 0 that were not taken for right.
    """

    kind: str
    asked: int
    right: int
    failed: int
    partial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The single answer that solves most of the problems.

    Attributes:
        share: Problems it solves, among those it was chosen on.
        held_out: Problems it solves where it is chosen on one half and counted on the other.
        foreign: Problems it solves, among those whose reference is another answer; None where all
            references are this one, or there are none.
    """

    answer: str
    share: float
    held_out: float
    foreign: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What guessing reaches, by k. None where unknown.

    Attributes:
        k: The numbers of tries.
        stated: Mean over problems of 1 - (1-g)^k with the task's own floor g.
        answers: The same with g the share of other problems' reference answers that are accepted:
            an upper-bound reading, since such a guesser knows how answers are distributed. None for
            a k above the answers tried, where a problem that none of them fits would count as safe.
    """

    k: tuple[int, ...]
    stated: tuple[float, ...] | None
    answers: tuple[float | None, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Everything one audit found.

    Attributes:
        task: Spec of the task.
        verifier: Whose judgement was attacked.
        n_problems: Problems looked at.
        seed: Seed of the problems and of the choice of attacks.
        findings: Gravest first.
        attacks: What became of wrong answers, by kind.
        scores: Scores of all wrong answers: counts by bin.
        seconds: Wall time.
    """

    task: str
    verifier: str
    n_problems: int
    seed: int
    findings: tuple[Finding, ...]
    attacks: tuple[Attack, ...] = ()
    constant: Constant | None = None
    floors: Floors | None = None
    scores: Mapping[str, int] | None = None
    seconds: float = 0.0

    @property
    def worst(self) -> str | None:
        """The gravest severity among the findings; None if nothing was found."""
        return next((s for s in SEVERITIES if any(f.severity == s for f in self.findings)), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Audit:
        """The inverse of `to_dict`."""
        floors, constant = value["floors"], value["constant"]
        return cls(
            **{
                **value,
                "findings": tuple(Finding(**row) for row in value["findings"]),
                "attacks": tuple(Attack(**row) for row in value["attacks"]),
                "constant": None if constant is None else Constant(**constant),
                "floors": None if floors is None else Floors(**_tuples(floors)),
            }
        )


def _tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Gravest first, else as they came."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
