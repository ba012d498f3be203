"""A training run as lines for a terminal: a head, a row a step, a foot."""

from __future__ import annotations

from pathshift.analysis.watching import Watched, WatchedStep
from pathshift.cli.summary import short, signed

_HEAD = (
    "  step   pass@1  pass@k      k   at k=1 [band]            at that k [band]         certified"
)


def head(run: Watched) -> list[str]:
    """What is compared with what, and the names of the columns."""
    base = run.base
    what = base.name if base.step is None else f"step {base.step}"
    settings = run.settings
    return [
        f"{base.n_problems:,} problems; every step against {what}; {settings['level']:.0%} over "
        f"{settings['looks']} looks",
        "",
        _HEAD,
    ]


def row(step: WatchedStep) -> str:
    """One step: both ends of its curve and what they differ by."""
    facts = "".join(
        f"  {label} {value:.3g}"
        for label, value in (("entropy", step.entropy), ("cut", step.truncated))
        if value is not None
    )
    return (
        f"{_name(step):>6}   {short(step.curve[0])}   {short(step.curve[-1])} {step.k[-1]:>6}   "
        f"{_difference(step, 0):<24} {_difference(step, -1):<24} {step.certified}{facts}"
    ).rstrip()


def _name(step: WatchedStep) -> str:
    return "base" if step.step is None else str(step.step)


def _difference(step: WatchedStep, i: int) -> str:
    if step.difference is None:
        return "-"
    if step.low is None or step.high is None:
        return signed(step.difference[i])
    return f"{signed(step.difference[i])} [{signed(step.low[i])}, {signed(step.high[i])}]"


def foot(run: Watched) -> list[str]:
    """The sentence, the best checkpoints, and every caveat."""
    best = ", ".join(_name(step) for step in (run.base, *run.steps) if step.is_pareto)
    lines = ["", run.sentence] if run.steps else []
    if run.steps:
        lines.append(f"Pareto-best (none is better at pass@1 and at pass@k): {best}")
    return [*lines, *(f"note: {note}" for note in run.notes)]
