"""A comparison written as an HTML report."""

from __future__ import annotations

import sys
from pathlib import Path

from pathshift.analysis.result import Comparison


def write(
    result: Comparison,
    path: Path,
    *,
    folders: tuple[Path, Path] | None = None,
    verifier: str | None = None,
    scale: str,
) -> None:
    """Build the page, with samples where the sides are run folders, and write it.

    Args:
        scale: Badge of the data's scale: "re-analysis", "135M", "toy".
    """
    from pathshift.analysis.drilldown import shown_samples
    from pathshift.report.page import build_page
    from pathshift.report.render import write_report

    shown = (
        shown_samples(result, {"base": folders[0], "tuned": folders[1]}, verifier=verifier)
        if folders
        else []
    )
    page = build_page(
        result,
        title=f"{result.names['base']} → {result.names['tuned']}",
        scale=scale,
        command=" ".join(["pathshift", *sys.argv[1:]]),
        samples=shown,
    )
    write_report(page, path)
