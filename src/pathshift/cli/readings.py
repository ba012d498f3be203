"""What `pathshift show` says beside pass@k: reliability, guessing, verifier error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathshift.analysis.answers import AnswerFloor
    from pathshift.analysis.disagreement import Accepted, Disagreement
    from pathshift.analysis.readings import BeyondFloor, CurvePoint, Readings
    from pathshift.cli.output import Speaker
    from pathshift.records import CountTable


def tell_readings(
    speaker: Speaker,
    run: Path,
    table: CountTable,
    *,
    against: str | None,
    false_positive: float | None,
    answers: bool,
) -> dict[str, Any]:
    """Say the readings that apply and were asked for; their JSON values."""
    from pathshift.analysis.answers import answer_floor
    from pathshift.analysis.disagreement import disagreement
    from pathshift.analysis.readings import readings

    told: dict[str, Any] = {}
    found = readings(table, false_positive=false_positive)
    if found is not None:
        told["readings"] = found.to_dict()
        _say(speaker, _beside(found))
    if answers:
        reading = answer_floor(run, verifier=str(table.settings["verifier"]))
        told["answers"] = reading.to_dict()
        _say(speaker, _answers(reading))
    if against is not None:
        both = disagreement(run, str(table.settings["verifier"]), against)
        told["against"] = both.to_dict()
        _say(speaker, _against(both))
    return told


def _say(speaker: Speaker, lines: Iterator[str]) -> None:
    for line in lines:
        speaker.say(line)


def _beside(found: Readings) -> Iterator[str]:
    last = found.curve[-1]
    if last.g_pass is not None and found.cover is not None:
        yield (
            f"half of {last.k} draws right (G-pass@{last.k}): {last.g_pass:.3f}; mean over larger "
            f"shares (mG-pass@{last.k}): {found.mg_pass:.3f}"
        )
        covered = ", ".join(
            f"{c.tau:g}: {c.share:.3f} [{c.low:.3f}, {c.high:.3f}]" for c in found.cover
        )
        yield f"problems with success probability of at least (Cover@) {covered}"
    if found.beyond is not None:
        yield _beyond(found.beyond, "what blind guessing explains")
    if found.false_positive is not None:
        yield f"if the verifier takes {found.false_positive:.3%} of wrong answers for right:"
        yield from map(_corrected, found.curve)


def _corrected(point: CurvePoint) -> str:
    assert point.corrected is not None
    return (
        f"pass@{point.k:<5} {point.value:.3f}   without them {max(0.0, point.corrected):.3f}   "
        f"no ability reaches {point.no_ability:.3f}"
    )


def _beyond(beyond: BeyondFloor, null: str) -> str:
    return (
        f"solved beyond {null}: {beyond.solved} of {beyond.problems} problems; solved at least "
        f"once: {beyond.any_success}, of which guessing alone would bring {beyond.by_chance:.1f}"
    )


def _answers(reading: AnswerFloor) -> Iterator[str]:
    curve = "  ".join(f"{k}: {v:.3f}" for k, v in zip(reading.k, reading.curve, strict=True))
    yield f"{reading.label}: guessing by the distribution of this run's answers reaches {curve}"
    yield _beyond(
        reading.beyond, f"it ({reading.label}; rare genuine solutions are discounted too)"
    )


def _against(both: Disagreement) -> Iterator[str]:
    first, second = both.verifiers
    columns = list(next(iter(both.table.values())))
    yield f"{first} (rows) against {second} (columns), {both.samples:,} samples:"
    yield f"{'':<10}" + "".join(f"{name:>10}" for name in columns)
    for name, row in both.table.items():
        yield f"{name:<10}" + "".join(f"{row[column]:>10,}" for column in columns)
    yield _rate(first, second, both.first_only, both.solved_by_first_only)
    yield _rate(second, first, both.second_only, both.solved_by_second_only)
    for k, a, b in zip(both.k, both.first, both.second, strict=True):
        yield f"pass@{k:<5} {a:.3f} by {first}   {b:.3f} by {second}"
    for case in both.examples:
        yield (
            f"{case.problem_id}#{case.sample_no}: reference {_line(case.gold)}, "
            f"{case.first} by {first} ({_line(case.first_answer)}), "
            f"{case.second} by {second} ({_line(case.second_answer)})"
        )


def _rate(name: str, judge: str, accepted: Accepted, solved: int) -> str:
    if accepted.rate is None:
        return f"{judge} rejects nothing"
    return (
        f"{name} accepts {accepted.count:,} of the {accepted.of:,} samples that {judge} rejects "
        f"({accepted.rate:.3%} [{accepted.low:.3%}, {accepted.high:.3%}]); {solved} problems are "
        f"solved by {name} only"
    )


def _line(text: str | None) -> str:
    """Foreign text in one short line; what a terminal could take for a command is escaped."""
    return repr(text if text is None or len(text) <= 60 else f"{text[:59]}…")
