"""pathshift demo: the main job on real data that comes with the package."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli import report_file
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.result import Comparison
    from pathshift.records import CountTable

NAMES = ("DeepSeek-R1-Distill-Qwen-1.5B", "DeepScaleR-1.5B")
NOTE = (
    "re-analysis of released counts (MIT): temperature .6, 32k tokens; the verifier's timeouts "
    "were scored as wrong by those who drew them"
)
FLOOR = 0.001
"""A blind whole number from 0 to 999: right for AIME's answers, generous for all others."""

LIVE_PROBLEMS, LIVE_SAMPLES = 16, 16
LIVE_SEED = "20261126"
"""Of the sums asked, none of which the child was trained on."""


def demo(
    live: Annotated[
        bool,
        typer.Option("--live", help="Sample SmolLM2-135M and its child by RL as well."),
    ] = False,
    released: Annotated[
        bool, typer.Option("--released/--no-released", help="Re-analyse the released counts.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder for reports and runs.")] = Path(
        "pathshift-demo"
    ),
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """What did RL do to DeepSeek-R1-Distill-Qwen-1.5B? 1,060 problems x 128 samples, re-analysed.

    With --live also: what GRPO on three-digit sums did to SmolLM2-135M, both sampled here and now.

    Example: pathshift demo --live
    """
    from pathshift.store.shards import disk_errors

    speaker = Speaker(json, quiet=quiet)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    values = {}
    if released:
        result = _released(seed)
        report_file.tell(
            result, out / "deepscaler.html", speaker, scale="re-analysis", folders=None
        )
        values["deepscaler"] = result.to_dict()
    if live:
        sampled = _live(out, seed, speaker)
        folders = (out / "base", out / "tuned")
        report_file.tell(sampled, out / "live.html", speaker, scale="135M", folders=folders)
        values["live"] = sampled.to_dict()
    else:
        speaker.advise("next: pathshift demo --live   (samples a 135M model on this machine)")
    speaker.result(values)


def _released(seed: int) -> Comparison:
    from pathshift.analysis.comparison import compare

    tables = [_example(side) for side in ("base", "tuned")]
    return compare(tables[0], tables[1], names=NAMES, seed=seed, floor=FLOOR)


def _example(side: str) -> CountTable:
    from pathshift.store.countfiles import read_counts

    with as_file(files("pathshift") / "examples" / "deepscaler32k" / f"{side}.jsonl") as path:
        return replace(read_counts(path), settings={"note": NOTE})


def _live(out: Path, seed: int, speaker: Speaker) -> Comparison:
    from pathshift.analysis.comparison import compare
    from pathshift.cli.sample import run
    from pathshift.models import pair, smollm2
    from pathshift.models.load import LoadOptions, load_model
    from pathshift.rollout.plan import SampleConfig

    if not smollm2.is_here():
        speaker.advise("downloading SmolLM2-135M-Instruct (93 MB) and unpacking it (540 MB) ...")
        smollm2.get()
    config = SampleConfig(
        task=pair.TASK, task_options={**pair.OPTIONS, "seed": LIVE_SEED}, limit=LIVE_PROBLEMS,
        n=LIVE_SAMPLES, template=pair.template().read_text(encoding="utf-8"), mode="completion",
        stop=pair.STOP, max_tokens=pair.MAX_TOKENS, seed=seed,
    )  # fmt: skip
    for side, name in (("base", "smollm2"), ("tuned", pair.NAME)):
        speaker.advise(f"loading {name}")
        run(config, load_model(name, LoadOptions(rows=LIVE_SAMPLES)), out / side, speaker)
    return compare(out / "base", out / "tuned", names=("SmolLM2-135M", pair.NAME), seed=seed)
