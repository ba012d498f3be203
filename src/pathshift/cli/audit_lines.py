"""What `pathshift audit` says: lines for a terminal, a table for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathshift.rollout.audit.result import Audit, Floors

_LABEL = {"answers": "by the distribution of answers (upper-bound reading)", "stated": "floor"}


def lines_of(audit: Audit) -> Iterator[str]:
    """One audit in full."""
    yield (
        f"{audit.task} · verifier: {audit.verifier} · {audit.n_problems} problems · seed "
        f"{audit.seed} · {audit.seconds:.1f} s"
    )
    for finding in audit.findings:
        yield f"{finding.severity:<8} {finding.name}: {finding.seen}"
        yield f"{'':<8} -> {finding.advice}"
    if not audit.findings:
        yield "nothing found"
    if audit.attacks:
        told = ", ".join(f"{a.kind} {a.right}/{a.asked}" for a in audit.attacks)
        yield f"wrong answers taken for right: {told}"
        yield _slip(audit)
    if audit.constant is not None:
        constant = audit.constant
        yield (
            f"best single answer: {constant.answer[:40]!r} solves {constant.share:.1%} "
            f"({constant.held_out:.1%} where chosen on other problems)"
        )
    if audit.floors is not None:
        yield from _floors(audit.floors)


def _slip(audit: Audit) -> str:
    """The false-positive rate that was seen, and what it alone would reach."""
    from pathshift.stats.exact import clopper_pearson

    right = sum(a.right for a in audit.attacks)
    judged = sum(a.asked - a.failed for a in audit.attacks)
    if not judged:
        return "false positives: not known, since the verifier judged none of these"
    # Two-sided at 90%: its upper end is the one-sided 95% bound.
    high = clopper_pearson(right, judged, level=0.9).high
    reach = " ".join(f"{k}: {1 - (1 - high) ** k:.3f}" for k in (1, 16, 256, 1024))
    return (
        f"false positives: {right / judged:.2%} of the judged, below {high:.2%} with 95%; at that "
        f"rate no ability reaches pass@k {reach}"
    )


def _floors(floors: Floors) -> Iterator[str]:
    for name in ("stated", "answers"):
        curve = getattr(floors, name)
        if curve is not None:
            values = " ".join(
                f"{k}: {value:.3f}"
                for k, value in zip(floors.k, curve, strict=True)
                if value is not None
            )
            yield f"guessing, {_LABEL[name]}, reaches pass@k {values}"


def line_of(audit: Audit) -> str:
    """One audit in one line."""
    worst = audit.worst or "clean"
    names = list(dict.fromkeys(f.name for f in audit.findings if f.severity != "note"))
    return f"{worst:<8} {audit.task.partition(':')[2] or audit.task:<28} {', '.join(names)}"


def summary_of(audits: Sequence[Audit]) -> Iterator[str]:
    """How many tasks have what."""
    worst = Counter(audit.worst or "clean" for audit in audits)
    told = ", ".join(f"{worst[s]} {s}" for s in ("error", "warning", "note", "clean") if worst[s])
    yield f"{len(audits)} data sets; gravest finding: {told}"
    by_name = Counter(
        (finding.severity, finding.name)
        for audit in audits
        for finding in {(f.severity, f.name): f for f in audit.findings}.values()
    )
    for severity in ("error", "warning", "note"):
        some = {name: n for (kind, name), n in by_name.most_common() if kind == severity}
        if some:
            yield f"{severity}: " + ", ".join(f"{name} {n}" for name, n in some.items())


def markdown_of(audits: Sequence[Audit], *, head: str) -> str:
    """A page: what was run, the summary, one row a data set, and what errors and warnings saw."""
    rows = [
        "| data set | gravest | best single answer | solves | held out | others' answers right "
        "| wrong answers scoring > 0 | errors and warnings |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(audit) for audit in audits),
    ]
    seen = [
        f"- **{audit.task.partition(':')[2] or audit.task}**, {finding.severity} "
        f"`{finding.name}`: {_cell(finding.seen)}."
        for audit in audits
        for finding in audit.findings
        if finding.severity != "note"
    ]
    told = "\n".join(f"- {line}" for line in summary_of(audits))
    return "\n".join([head, "## Summary", "", told, "", "## Data sets", "", *rows, "",
                      "## What was seen", "", *seen, ""])  # fmt: skip


def _row(audit: Audit) -> str:
    constant = audit.constant
    cells = [
        audit.task.partition(":")[2] or audit.task,
        audit.worst or "clean",
        "" if constant is None else f"`{_cell(constant.answer[:24])}`",
        "" if constant is None else f"{constant.share:.2f}",
        "" if constant is None else f"{constant.held_out:.2f}",
        _crossed(audit),
        f"{sum(a.partial for a in audit.attacks)} of {sum(a.asked for a in audit.attacks)}",
        ", ".join(dict.fromkeys(f.name for f in audit.findings if f.severity != "note")),
    ]
    return f"| {' | '.join(cells)} |"


def _crossed(audit: Audit) -> str:
    found = [a for a in audit.attacks if a.kind == "cross-item"]
    return f"{found[0].right} of {found[0].asked}" if found else ""


def _cell(text: str) -> str:
    """Text of a foreign library in a table cell: no pipes, ticks, tags or new lines."""
    line = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
    return line.replace("<", "‹") or " "
