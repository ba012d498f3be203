"""A review taken back: marks laid on the runs they came from, and the table of the manual check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.analysis.result import Share, plain_values
from pathshift.errors import InputError
from pathshift.records import Outcome, Verdict
from pathshift.stats.agreement import Resampling, agreement_table, cohen_interval, cohen_kappa
from pathshift.stats.exact import clopper_pearson
from pathshift.stats.passk import IntArray
from pathshift.store.reviews import Item, Key, Side, read_key, read_sheet
from pathshift.store.run import RunFolder

SIDES: tuple[Side, ...] = ("base", "tuned")

_OUTCOMES = {"yes": Outcome.CORRECT, "no": Outcome.WRONG, "unsure": Outcome.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFound:
    """What a person found on one side.

    Attributes:
        problems: Problems with at least one chain that was marked yes or no.
        sound: Of these, with at least one chain marked yes.
        share: sound / problems with its exact 95% interval.
        chains, sound_chains: The same counted by chains.
        unsure: Problems whose chains are all unsure, or on which two reviewers disagree; left out.
    """

    problems: int
    sound: int
    share: Share
    chains: int
    sound_chains: int
    unsure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two reviewers on the chains that both marked yes or no.

    Attributes:
        table: Chains by both marks: yes/yes, yes/no, no/yes, no/no.
        raw: Share of equal marks, with its exact 95% interval.
        kappa: Cohen's kappa; None where only one mark was used.
    """

    chains: int
    table: Mapping[str, int]
    raw: Share
    kappa: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A review taken back.

    Attributes:
        items: Chains on the sheet.
        marked: Of these, marked by everyone who was given a sheet.
        sides: By side.
        agreement: None unless two sheets were given.
        runs: Run folder by side.
        verdicts: What is to be stored in each run.
    """

    items: int
    marked: int
    sides: Mapping[str, SideFound]
    agreement: Agreement | None
    runs: Mapping[Side, Path]
    verdicts: Mapping[Side, tuple[Verdict, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the single verdicts left out."""
        fields = asdict(replace(self, verdicts={}))
        fields.pop("verdicts")
        fields["runs"] = {side: str(run) for side, run in self.runs.items()}
        plain: dict[str, Any] = plain_values(fields)
        return plain


def take(sheets: Sequence[Path], *, runs: Mapping[Side, Path] | None = None) -> Reviewed:
    """Marks of one sheet, or of the same sheet marked by two, laid on the runs they came from.

    Args:
        sheets: One or two; the key of the first counts.
        runs: Where the runs are now, if they have moved.

    Raises:
        InputError: no key, a sheet that was changed beside its marks, or two different sheets.
    """
    if not 1 <= len(sheets) <= 2:
        raise InputError(f"--take wants one sheet, or the same marked by two, got {len(sheets)}")
    key = read_key(sheets[0])
    marked = [_checked(sheet, key) for sheet in sheets]
    marks = {token: _joined([given[token] for given in marked]) for token in key.contents}
    places = {side: _place(side, key, sheets[0], runs or {}) for side in SIDES if side in key.runs}
    return Reviewed(
        items=len(marks),
        marked=sum(all(given[token] for given in marked) for token in marks),
        sides={side: _side(side, key, marks) for side in places},
        agreement=_agreement(*marked, key=key) if len(marked) == 2 else None,
        runs=places,
        verdicts={side: _verdicts(side, places[side], key, marks) for side in places},
    )


def _checked(sheet: Path, key: Key) -> dict[str, str | None]:
    """A sheet's marks by token."""
    items = read_sheet(sheet)
    if {item.token for item in items} != set(key.contents):
        raise InputError(f"{sheet} is not the sheet that the key beside the first one belongs to")
    for number, item in enumerate(items, 1):
        if item.content != key.contents[item.token]:
            raise InputError(
                f"{sheet}, row {number}: question, reference or chain was changed; only marks may "
                "be: make the sheet anew"
            )
    return {item.token: item.mark for item in items}


def _joined(marks: Sequence[str | None]) -> str | None:
    """One mark of all reviewers: what they agree on, else unsure; None if one has not marked."""
    if any(mark is None for mark in marks):
        return None
    return marks[0] if len(set(marks)) == 1 else "unsure"


def _place(side: Side, key: Key, sheet: Path, given: Mapping[Side, Path]) -> Path:
    place = given.get(side) or sheet.parent / key.runs[side]
    if not place.is_dir():
        raise InputError(
            f"the {side} run is not at {place} any more; give the runs: "
            f"pathshift review BASE TUNED --take {sheet}"
        )
    return place


def _side(side: Side, key: Key, marks: Mapping[str, str | None]) -> SideFound:
    by_problem: dict[str, set[str]] = {}
    chains = {"yes": 0, "no": 0, "unsure": 0}
    for token, origins in key.origins.items():
        mark, here = marks[token], [o.problem_id for o in origins if o.side == side]
        if mark is None or not here:
            continue
        chains[mark] += 1
        by_problem.setdefault(here[0], set()).add(mark)
    known = [found for found in by_problem.values() if found & {"yes", "no"}]
    sound = sum("yes" in found for found in known)
    return SideFound(
        problems=len(known),
        sound=sound,
        share=_exact(sound, len(known)),
        chains=chains["yes"] + chains["no"],
        sound_chains=chains["yes"],
        unsure=len(by_problem) - len(known),
    )


def _exact(part: int, whole: int) -> Share:
    if not whole:
        return Share(None, None, None)
    return Share(part / whole, *clopper_pearson(part, whole))


def _agreement(
    first: Mapping[str, str | None], second: Mapping[str, str | None], *, key: Key
) -> Agreement:
    both = [t for t in first if first[t] in ("yes", "no") and second[t] in ("yes", "no")]
    a, b = (np.array([given[t] == "no" for t in both], dtype=np.int64) for given in (first, second))
    table = agreement_table(a, b, 2)
    names = ("yes/yes", "yes/no", "no/yes", "no/no")
    return Agreement(
        chains=len(both),
        table=dict(zip(names, (int(x) for x in table.ravel()), strict=True)),
        raw=_exact(int((a == b).sum()), len(both)),
        kappa=_kappa(a, b, [key.origins[t][0].problem_id for t in both]),
    )


def _kappa(a: IntArray, b: IntArray, problems: Sequence[str]) -> Share:
    """Chains of one problem count as one cluster."""
    if not len(a):
        return Share(None, None, None)
    kappa = cohen_kappa(agreement_table(a, b, 2))
    if np.isnan(kappa):
        return Share(None, None, None)
    number = {p: i for i, p in enumerate(dict.fromkeys(problems))}
    cluster = np.array([number[p] for p in problems])
    edges = cohen_interval(a, b, cluster, Resampling(np.random.default_rng(0)))
    return Share(kappa, edges.low, edges.high)


def _verdicts(
    side: Side, run: Path, key: Key, marks: Mapping[str, str | None]
) -> tuple[Verdict, ...]:
    """Marks as verdicts; unsure is FAILED, never wrong.

    Raises:
        InputError: a sample does not hold the chain that was shown.
    """
    shown = {
        (o.problem_id, o.sample_no): token
        for token, origins in key.origins.items() for o in origins if o.side == side
    }  # fmt: skip
    if shown:
        _check_samples(side, run, key, shown)
    return tuple(
        Verdict(
            problem_id=problem_id,
            sample_no=number,
            outcome=_OUTCOMES[mark],
            detail="the reviewer cannot say, or two disagree" if mark == "unsure" else "",
        )
        for (problem_id, number), token in shown.items()
        if (mark := marks[token]) is not None
    )


def _check_samples(side: Side, run: Path, key: Key, shown: Mapping[tuple[str, int], str]) -> None:
    folder = RunFolder(run)
    problems = {p.id: p for p in folder.problems()}
    samples = folder.samples(problem_ids=sorted({problem_id for problem_id, _ in shown}))
    held = _held(((problems[s.problem_id], s) for s in samples if s.problem_id in problems), shown)
    for place, token in shown.items():
        if held.get(place) != key.contents[token]:
            raise InputError(
                f"{run} is not the {side} run of this review: its sample {place[0]}#{place[1]} "
                "does not hold the chain that was shown"
            )


def _held(
    pairs: Iterable[tuple[Any, Any]], shown: Mapping[tuple[str, int], str]
) -> dict[tuple[str, int], str]:
    """Content hash of every shown sample as the run has it."""
    return {
        (s.problem_id, s.sample_no): Item(
            token="", question=p.question, reference=p.gold, chain=s.text
        ).content
        for p, s in pairs
        if (s.problem_id, s.sample_no) in shown
    }
