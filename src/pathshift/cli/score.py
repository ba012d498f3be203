"""pathshift score: what a model gives to the samples of a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.models.protocol import Model
    from pathshift.rollout.scoring import Scoring


def score(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, the model's own or others'.")],
    model: Annotated[
        str | None, typer.Option(help="Model spec: smollm2, hf:PATH_OR_ID, fake:base.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--as", help="Score as this run would: its model, under its policy."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the scorer's folder. [default: from model and policy]")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Score under this policy too. [default: the run's]")
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="[default: the run's]")] = None,
    top_k: Annotated[int | None, typer.Option(help="[default: the run's]")] = None,
    min_p: Annotated[float | None, typer.Option(help="[default: the run's]")] = None,
    tokens: Annotated[
        bool,
        typer.Option("--tokens/--sums", help="Keep every token's score, or each sample's sum."),
    ] = True,
    dtype: Annotated[
        str, typer.Option(help="fp32; bf16 moves a token's log-probability by .04 in the middle.")
    ] = "fp32",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads. [default: torch's choice]")
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Log-probabilities of a run's completions under a model: at temperature 1 untruncated, and
    under the policy that drew them. Nothing is sampled. Run it again to go on where it ended.

    A run sampled with --store tokens is scored by the tokens that were drawn; else its texts are
    encoded again.

    Example: pathshift score --as runs/base runs/base runs/tuned

    Example: pathshift score --model smollm2 runs/base
    """
    from pathshift.errors import ConfigError
    from pathshift.models.load import LoadOptions, load_model
    from pathshift.rollout.scoring import Scoring
    from pathshift.store.run import RunFolder
    from pathshift.store.scores import policy_stated

    for run in runs:
        RunFolder(run)  # a misspelt folder is told before a model is loaded
    speaker = Speaker(json, quiet=quiet)
    stated: dict[str, Any] = {}
    if like is not None:
        config = RunFolder(like).manifest.config
        model, stated = model or str(config["model"]), policy_stated(config)
    if model is None:
        raise ConfigError("who is to score? give --model SPEC, or --as RUN")
    speaker.advise(f"loading {model}")
    loaded = load_model(model, LoadOptions(dtype=dtype, device=device, threads=threads))
    asked = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "min_p": min_p}
    given = {key: value for key, value in asked.items() if value is not None}
    scoring = Scoring(name=name, traced=tokens, **(stated | given))
    results = [_score(run, loaded, scoring, speaker) for run in runs]
    speaker.advise("next: pathshift paths BASE TUNED (where the tuned model's answers come from)")
    speaker.result({"scores": results})


def _score(run: Path, model: Model, scoring: Scoring, speaker: Speaker) -> dict[str, Any]:
    from pathshift.rollout.scoring import score_run

    with resumable("what was scored is kept"):
        scorer, progress = score_run(
            run, model, scoring, on_progress=ProgressLine(quiet=speaker.quiet)
        )
    told = _told(run, scorer.name)
    for line in told["lines"]:
        speaker.say(line)
    return {"run": str(run), **asdict(scorer), **asdict(progress), **told["facts"]}


def _told(run: Path, name: str) -> dict[str, Any]:
    """What a scorer holds: how many, how likely, what has no score and why."""
    from collections import Counter

    import numpy as np

    from pathshift.store.scores import read_scores

    table = read_scores(run, name)
    sums = table.column("logprob_sum").to_pylist()
    reasons = Counter(
        detail for detail, value in zip(table.column("detail").to_pylist(), sums, strict=True)
        if value is None
    )  # fmt: skip
    tokens = sum(table.column("n_tokens").to_pylist())
    known = [value for value in sums if value is not None]
    from_text = sum(source == "text" for source in table.column("tokens_from").to_pylist())
    impossible = sum(value == -np.inf for value in known)
    facts = {
        "scored": len(known), "not_scored": dict(reasons), "encoded_again": from_text,
        "impossible": impossible,
        "nats_per_token": -sum(known) / tokens if tokens and np.isfinite(sum(known)) else None,
    }  # fmt: skip
    line = f"{run}: {len(known):,} samples scored as {name}"
    if facts["nats_per_token"] is not None:
        line += f", {facts['nats_per_token']:.3f} nats a token"
    lines = [line]
    if impossible:
        lines.append(f"  {impossible:,} of them impossible under it (probability 0)")
    if from_text:
        lines.append(f"  {from_text:,} of them by their text, encoded again")
    lines += [f"  {count:,} without a score: {reason}" for reason, count in reasons.most_common(3)]
    return {"lines": lines, "facts": facts}
