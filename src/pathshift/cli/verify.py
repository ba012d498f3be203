"""pathshift verify: judge the samples of a run, again or by another rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    verifier: Annotated[
        str | None, typer.Option(help="Name of the verifier. [default: the run's own]")
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Judge the samples that this verifier has not judged yet. Samples are never drawn anew.

    Example: pathshift verify runs/a --verifier number-lenient
    """
    from pathshift.rollout.sampling import verify_run
    from pathshift.store.counts import run_counts

    judged = verify_run(run, verifier)
    counts = run_counts(run, verifier=verifier)
    totals = {
        name: sum(getattr(p, name) or 0 for p in counts.counts)
        for name in ("n", "c", "unparsed", "failed")
    }
    name = str(counts.settings["verifier"])
    speaker = Speaker(json, quiet=quiet)
    speaker.say(
        f"{run}: {judged:,} samples judged by {name}; of {totals['n'] + totals['failed']:,} in all "
        f"{totals['c']:,} are correct, {totals['unparsed']:,} unparsed, {totals['failed']:,} failed"
    )
    speaker.advise(f"next: pathshift show {run} --verifier {name}")
    speaker.result({"run": str(run), "verifier": name, "judged": judged, **totals})
