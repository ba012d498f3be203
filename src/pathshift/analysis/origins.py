"""Where the tuned model's answers come from: four parts, and what is missing for them.

Diversity reads samples and verdicts alone. Perplexity, reach and shift read scores as well: what
each model gives to its own and to the other's samples. A part that cannot be had is None, and the
reason stands beside it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from pathshift.analysis.diversity import diversity
from pathshift.analysis.diversity_result import Diversity
from pathshift.analysis.perplexity import Perplexities, perplexity
from pathshift.analysis.reach import reach
from pathshift.analysis.reach_result import Reach
from pathshift.analysis.result import plain_values
from pathshift.analysis.scored import Bootstrapping, matched
from pathshift.analysis.shift import shift
from pathshift.analysis.shift_result import Shift
from pathshift.errors import InputError, RunError
from pathshift.store.run import RunFolder, keys_in
from pathshift.store.scores import folder_of, scorer_like

ORIGINS_SCHEMA = 1
PARTS = ("perplexity", "reach", "shift")
"""What needs scores."""
CONTROLS = ("control of perplexity", "control of shift")
NEEDS_TOKENS = ("shift", "control of shift")

ONE_MODEL = (
    "both runs are of one model under two policies: at temperature 1 no token's probability "
    "differs, and what moved, moved by the policies"
)

_Found = TypeVar("_Found", Perplexities, Reach, Shift)


class _Shared(TypedDict):
    """Arguments that all parts take."""

    verifier: str | None
    common: bool
    bootstrap: Bootstrapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Scores that are not there, or not for all samples.

    Attributes:
        scorer: Run folder of the model that has to score, under its policy.
        run: Run folder of the samples.
        parts: What waits for them.
        sums: Folder of scores that hold no tokens and stand in the way; None if there is none.
    """

    scorer: Path
    run: Path
    parts: tuple[str, ...]
    sums: Path | None = None

    @property
    def can_be_scored(self) -> bool:
        """Whether scoring now would fill it."""
        return self.sums is None and bool(
            RunFolder(self.scorer).manifest.config.get("weights_hash")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What is not there and why; `command` makes it, and is None where no command can."""

    parts: tuple[str, ...]
    reason: str
    command: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Everything.

    Attributes:
        floor: What one blind guess reaches, mean over the problems; None if they do not say.
        is_one_model: Both runs have the same weights: a shift would be rounding alone.
        settings: How it was computed.
    """

    names: Mapping[str, str]
    scale: str
    n_problems: int
    floor: float | None
    is_one_model: bool
    diversity: Diversity
    perplexity: Perplexities | None
    reach: Reach | None
    shift: Shift | None
    missing: tuple[Missing, ...]
    settings: Mapping[str, Any]

    @property
    def level(self) -> float:
        """Chance that an interval holds."""
        return float(self.settings["level"])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        parts = {name: getattr(self, name) for name in (*PARTS, "diversity")}
        missing = [
            {"parts": list(one.parts), "reason": one.reason, "command": one.command}
            for one in self.missing
        ]
        return {
            "schema": ORIGINS_SCHEMA,
            "names": dict(self.names),
            "scale": self.scale,
            "n_problems": self.n_problems,
            "floor": self.floor,
            "is_one_model": self.is_one_model,
            **{name: None if part is None else part.to_dict() for name, part in parts.items()},
            "missing": missing,
            "settings": plain_values(self.settings),
        }


def origins(
    base: Path,
    tuned: Path,
    *,
    reference: Path | None = None,
    verifier: str | None = None,
    bootstrap: Bootstrapping | None = None,
) -> Origins:
    """All four parts on the problems that both runs have, as far as scores are there.

    Args:
        base: A run folder; so are the others.
        reference: Answers of a third party, scored by the base, for perplexity.
        verifier: Whose verdicts count; by default those of each run's own verifier.
        bootstrap: How the intervals are drawn.

    Raises:
        RunError: a folder is no run, lacks the verdicts or is damaged.
        CountsError: the two runs have no problem in common.
    """
    bootstrap = bootstrap or Bootstrapping()
    paths = diversity(
        base, tuned, verifier=verifier, level=bootstrap.level, replicates=bootstrap.replicates,
        seed=bootstrap.seed,
    )  # fmt: skip
    shared: _Shared = {"verifier": verifier, "common": True, "bootstrap": bootstrap}
    reasons: dict[str, Exception] = {}
    found = _found(
        "perplexity", lambda: perplexity(base, tuned, reference=reference, **shared), reasons
    )
    reached = _found("reach", lambda: reach(base, tuned, **shared), reasons)
    moved = _found("shift", lambda: shift(base, tuned, **shared), reasons)
    floors = matched(base, tuned, verifier=verifier, common=True).floors()
    forks = {} if moved is None else {
        "fork_quantile": moved.fork_quantile, "fork_entropy": moved.fork_entropy
    }  # fmt: skip
    return Origins(
        names=paths.names,
        scale=paths.scale,
        n_problems=paths.n_problems,
        floor=None if floors is None else float(floors.mean()),
        is_one_model=_weights(base) is not None and _weights(base) == _weights(tuned),
        diversity=paths,
        perplexity=found,
        reach=reached,
        shift=moved,
        missing=_missing(gaps(base, tuned, reference), reasons),
        settings={
            **paths.settings, **forks, "reference": None if reference is None else str(reference)
        },
    )  # fmt: skip


def _found(
    name: str, compute: Callable[[], _Found], reasons: dict[str, Exception]
) -> _Found | None:
    """A part; None, with the error kept, where scores or what they rest on are not there."""
    try:
        return compute()
    except (RunError, InputError) as error:
        # What derives from these two is damage or a wrong argument, not a want of scores.
        if type(error) not in (RunError, InputError):
            raise
        reasons[name] = error
        return None


def _weights(run: Path) -> str | None:
    return RunFolder(run).manifest.config.get("weights_hash") or None


def gaps(base: Path, tuned: Path, reference: Path | None = None) -> list[Gap]:
    """Scores that are not there, in the order in which they are best made: a model at a time."""
    third = () if reference is None else (Gap(scorer=base, run=reference, parts=("perplexity",)),)
    wanted = (
        Gap(scorer=base, run=base, parts=CONTROLS),
        Gap(scorer=base, run=tuned, parts=PARTS),
        *third,
        Gap(scorer=tuned, run=tuned, parts=("shift",)),
        Gap(scorer=tuned, run=base, parts=CONTROLS),
    )
    return [gap for gap in map(_lacking, wanted) if gap.parts]


def _lacking(gap: Gap) -> Gap:
    """With the parts that still wait: sums do for all but the shift, which goes by token."""
    folder = RunFolder(gap.run)
    if gap.scorer == gap.run and folder.has_traces:
        return replace(gap, parts=())
    scorer = scorer_like(gap.run, gap.scorer)
    if scorer is None:
        return gap
    scores = folder_of(gap.run, scorer.name)
    is_whole = folder.sampled() <= keys_in(scores)
    if scorer.has_traces:
        return replace(gap, parts=() if is_whole else gap.parts)
    parts = tuple(part for part in gap.parts if part in NEEDS_TOKENS or not is_whole)
    return replace(gap, parts=parts, sums=scores)


def _missing(found: Sequence[Gap], reasons: Mapping[str, Exception]) -> tuple[Missing, ...]:
    """One entry for each model that has to score, and one for all that scoring will not mend."""
    to_score = [gap for gap in found if gap.can_be_scored]
    entries = [
        _command(scorer, [gap for gap in to_score if gap.scorer == scorer])
        for scorer in dict.fromkeys(gap.scorer for gap in to_score)
    ]
    entries += [
        Missing(parts=gap.parts, reason=_in_the_way(gap), command=None)
        for gap in found
        if not gap.can_be_scored
    ]
    told = {part for entry in entries for part in entry.parts}
    entries += [
        Missing(parts=(name,), reason=str(error), command=None)
        for name, error in reasons.items()
        if name not in told or isinstance(error, InputError)
    ]
    return tuple(entries)


def _command(scorer: Path, waiting: Sequence[Gap]) -> Missing:
    runs = [str(gap.run) for gap in waiting]
    return Missing(
        parts=tuple(dict.fromkeys(part for gap in waiting for part in gap.parts)),
        reason=f"{' and '.join(runs)} lacks scores of the model of {scorer}",
        command=shlex.join(["pathshift", "score", "--as", str(scorer), *runs]),
    )


def _in_the_way(gap: Gap) -> str:
    if gap.sums is not None:
        return f"{gap.sums} holds sums and no tokens; remove it and score again"
    return f"{gap.scorer} does not say which weights drew it, so no score is known to be theirs"
