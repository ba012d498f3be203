"""A comparison written as an HTML report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pathshift.cli.output import Speaker

if TYPE_CHECKING:
    from pathshift.analysis.drilldown import SampleSource, Side
    from pathshift.analysis.fairness import Fairness
    from pathshift.analysis.result import Comparison


def tell(
    result: Comparison,
    report: Path,
    speaker: Speaker,
    *,
    scale: str,
    folders: tuple[Path, Path] | None,
) -> None:
    """Say the summary, write the report, and say where it is; samples are shown of run folders."""
    from pathshift.analysis.drilldown import run_samples
    from pathshift.cli import summary

    speaker.say()
    for line in summary.lines(result):
        speaker.say(line)
    sources: dict[Side, SampleSource] = {}
    if folders:
        sources = {"base": run_samples(folders[0]), "tuned": run_samples(folders[1])}
    write(result, report, sources=sources, scale=scale)
    speaker.say(f"report: {report.resolve()}")


def write(
    result: Comparison,
    path: Path,
    *,
    sources: Mapping[Side, SampleSource],
    scale: str,
    fair: Fairness | None = None,
) -> None:
    """Build the page, with samples of the sides that have any, and write it.

    Args:
        sources: Where the samples are.
        scale: Badge of the data's scale: "re-analysis", "135M", "toy".
        fair: Hygiene and the comparison at each side's best setting.
    """
    from pathshift.analysis.drilldown import shown_samples
    from pathshift.report.page import build_page
    from pathshift.report.render import write_report

    page = build_page(
        result,
        title=f"{result.names['base']} → {result.names['tuned']}",
        scale=scale,
        command=" ".join(["pathshift", *sys.argv[1:]]),
        samples=shown_samples(result, sources),
        fair=fair,
    )
    write_report(page, path)
