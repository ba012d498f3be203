"""pathshift intervene: give the base the first tokens of the tuned model's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli import sample_flags as flags
from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker
from pathshift.cli.sample import load_options, pairs
from pathshift.errors import ConfigError

if TYPE_CHECKING:
    from pathshift.analysis.intervention_result import Estimate, Intervention
    from pathshift.models.load import LoadOptions
    from pathshift.rollout.prefixes import Cut
    from pathshift.store.prefixes import PrefixNote

DEFAULT_AT = "1,2,4,8,16"


def intervene(
    tuned: Annotated[Path, typer.Argument(help="Run folder of the tuned model.")],
    model: flags.ModelSpec,
    out: Annotated[Path, typer.Option(help="Folder for the completions: base and tuned in it.")],
    base: Annotated[
        Path | None,
        typer.Option(help="The base's own run: its prompts and policy, its prefixes as a control."),
    ] = None,
    tuned_model: Annotated[
        str | None,
        typer.Option(help="Spec of the tuned model: it completes too; access against execution."),
    ] = None,
    at: Annotated[
        str, typer.Option(help="Lengths: tokens (words if none are stored), or shares like .1,.5.")
    ] = DEFAULT_AT,
    n: Annotated[int, typer.Option("--n", help="Samples of every prefix.")] = 16,
    problems: Annotated[
        str,
        typer.Option(
            help="Of those the tuned model solves: cells (the base never or rarely), all, gained "
            "(the base never), lost (the base more often)."
        ),
    ] = "cells",
    per_problem: Annotated[int, typer.Option(help="Samples cut of each problem.")] = 1,
    limit: Annotated[int | None, typer.Option(help="First such problems only.")] = None,
    level: Annotated[float, typer.Option(help="Chance that a band holds at all lengths.")] = 0.95,
    model_option: flags.ModelOptions = None,
    dtype: flags.Dtype = "fp32",
    device: flags.Device = "cpu",
    threads: flags.Threads = None,
    seed: flags.Seed = 0,
    flush_every: flags.FlushEvery = 30.0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """From which prefix on does the base complete what the tuned model solves?

    The base gets the first tokens of a right answer of the tuned model and goes on from there;
    beginnings that hold the answer are left out. Controls: the base alone, its own right
    beginnings (with --base), wrong beginnings of the tuned model. Run it again to go on.

    Example: pathshift intervene runs/tuned --model hf:./base --base runs/base --out runs/prefixes
    """
    from pathshift.analysis.intervention import intervention
    from pathshift.rollout.prefixed import for_the_tuned
    from pathshift.rollout.prefixes import PrefixConfig, cut_samples

    config = PrefixConfig(
        at=_lengths(at), problems=problems, per_problem=per_problem, limit=limit, seed=seed
    )
    speaker = Speaker(json, quiet=quiet)
    cut = cut_samples(tuned, config, base)
    speaker.advise(_introduced(cut, n))
    options = load_options(
        pairs(model_option or [], "-M"), dtype=dtype, device=device, threads=threads,
        rows=None,
    )  # fmt: skip
    draw = _Drawing(cut, n, options, flush_every, speaker)
    draw(model, out / "base", lambda note: True)
    if tuned_model is not None:
        draw(tuned_model, out / "tuned", for_the_tuned)
    found = intervention(
        out / "base", None if tuned_model is None else out / "tuned", level=level, seed=seed
    )
    for line in lines(found):
        speaker.say(line)
    speaker.advise(f"next: pathshift show {out / 'base'} (what was continued, and how)")
    speaker.result(found.to_dict())


def _lengths(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--at {text!r} must be numbers joined by commas, as 1,2,4") from None


def _introduced(cut: Cut, n: int) -> str:
    given = sum(bool(one.note.text) for one in cut.asked)
    left_out = sum(len(one.note.uses) for one in cut.asked if not one.note.text)
    alone = len(cut.asked) - given
    return (
        f"{alone} problems alone and from {given} beginnings, cut by {cut.unit}, x {n} samples "
        f"({left_out} beginnings left out: answer given away, or no shorter than the sample)"
    )


class _Drawing:
    """What both models' completions have in common."""

    def __init__(
        self, cut: Cut, n: int, options: LoadOptions, flush_every: float, speaker: Speaker
    ) -> None:
        self.cut, self.n, self.options = cut, n, options
        self.flush_every, self.speaker = flush_every, speaker

    def __call__(self, spec: str, out: Path, wanted: Callable[[PrefixNote], bool]) -> None:
        """Load a model and draw its run; an interrupt closes the shard and exits with 130."""
        from pathshift.models.load import load_model
        from pathshift.rollout.prefixed import prefixed_run
        from pathshift.rollout.sampling import draw_samples

        self.speaker.advise(f"loading {spec}")
        plan, model = prefixed_run(self.cut, load_model(spec, self.options), self.n, wanted=wanted)
        with resumable(f"what was drawn is in {out}"):
            draw_samples(
                plan, model, out,
                on_progress=ProgressLine(quiet=self.speaker.quiet),
                shard_seconds=self.flush_every,
            )  # fmt: skip


def lines(found: Intervention) -> Iterator[str]:
    """The result for a terminal."""
    yield f"{found.names['base']} goes on from beginnings of {found.names['tuned']}"
    yield f"{found.n_problems:,} problems x {found.n} samples a beginning, lengths in {found.unit}"
    yield ""
    yield found.sentence
    yield ""
    yield (
        f"{'length':>7} {'problems':>8} {'leaked':>6}  {'from right beginnings':<23}"
        f"{'gain over alone':<26}{'own right':>10}{'wrong':>8}"
    )
    right, own, wrong = (curve.points for curve in found.curves)
    for r, o, w in zip(right, own, wrong, strict=True):
        is_certified = "  certified" if r.length in found.certified else ""
        others = ["", ""] if r.length == 0 else [_short(o.completion), _short(w.completion)]
        yield (
            f"{r.length:>7g} {r.problems:>8} {r.leaked:>6}  {_spelled(r.completion, ''):<23}"
            f"{_spelled(r.gain, '+') if r.length else 'alone':<26}{others[0]:>10}{others[1]:>8}"
            f"{is_certified}"
        )
    for split in found.splits or []:
        yield _split_line(split.length, split.total, split.access, split.share)
    for note in found.notes:
        yield f"note: {note}"


def _split_line(length: float, total: Estimate, access: Estimate, share: Estimate) -> str:
    if total.value is None:
        return f"split at {length:g}: no ratio, for one of the models never succeeded"
    told = "" if share.value is None else f", share of access {_spelled(share, '')}"
    return (
        f"split at {length:g}: ln(tuned/base) {_spelled(total, '+')}"
        f" = access {_spelled(access, '+')} + execution{told}"
    )


def _spelled(one: Estimate, sign: str) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def _short(one: Estimate) -> str:
    return "-" if one.value is None else f"{one.value:.3f}"
