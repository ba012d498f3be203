"""What a training did, set against its base: the summary and the report, or the commands for it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pathshift.cli import report_file
from pathshift.cli.output import Speaker

if TYPE_CHECKING:
    from pathshift.rollout.plan import SampleConfig
    from pathshift.training.recipes import RlRecipe

PROMPT, REPORT = "prompt.txt", "report.html"


def show(recipe: RlRecipe, out: Path, spec: str, step: int, speaker: Speaker) -> None:
    """Compare the first look at the held-out problems with the last; without looks, say how to.

    Args:
        spec: The trained model's.
        step: The last one.
    """
    if recipe.boundary is None or not step:
        for command in commands(recipe, out, spec):
            speaker.advise(f"next: {command}")
        return
    _compare(out, step, speaker)
    speaker.advise(f"next: {shlex.join(['pathshift', 'watch', str(out), '--once'])}")


def _compare(out: Path, step: int, speaker: Speaker) -> None:
    from pathshift.analysis.comparison import compare

    first, last = (out / "runs" / f"step-{one:06d}" for one in (0, step))
    result = compare(first, last, names=("before training", f"after {step} steps"))
    scale = str(result.settings["scale"])
    report_file.tell(result, out / REPORT, speaker, scale=scale, folders=(first, last))
    speaker.advise(f"next: {shlex.join(['pathshift', 'compare', str(first), str(last)])}")


def commands(recipe: RlRecipe, out: Path, spec: str) -> list[str]:
    """Commands that sample base and trained model as the training asked, and compare them."""
    runs = [str(out / "runs" / name) for name in ("base", "tuned")]
    asked = ["--tasks", recipe.asked.task, *_flags(recipe.asked, out)]
    sampled = [
        [
            "pathshift",
            "sample",
            "--model",
            model,
            *asked,
            "--n",
            "32",
            "--limit",
            "100",
            "--out",
            run,
        ]
        for model, run in zip((recipe.model, spec), runs, strict=True)
    ]
    return [shlex.join(command) for command in [*sampled, ["pathshift", "compare", *runs]]]


def _flags(asked: SampleConfig, out: Path) -> list[str]:
    """How the training asked; its prompt template is kept in the training folder."""
    flags = [part for k, v in asked.task_options.items() for part in ("-T", f"{k}={v}")]
    if asked.mode != "auto":
        flags.append(f"--{asked.mode}")
    if asked.template is not None:
        kept = out / PROMPT
        kept.write_text(asked.template, encoding="utf-8")
        flags += ["--prompt-template", str(kept)]
    for name in ("system", "max_tokens", "verifier"):
        if (value := getattr(asked, name)) is not None:
            flags += [f"--{name.replace('_', '-')}", str(value)]
    for text in asked.stop or ():
        flags += ["--stop", text.replace("\n", "\\n")]
    return flags
