"""Charts of where answers come from: perplexities, reach, change by token, distinct paths.

Rows are made and rounded here as well; each function returns plain JSON values. Imports Altair:
load this module late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from pathshift.analysis.diversity_result import CurvePoint, Diversity
from pathshift.analysis.perplexity import Distribution, Perplexities
from pathshift.analysis.reach_result import ProblemReach, Reach
from pathshift.analysis.shift_result import GroupShift, Shift
from pathshift.report import palette
from pathshift.report.charts import BAND, DASHED, Spec, finish, inline
from pathshift.report.formats import is_number
from pathshift.report.rows import DIGITS, ID_LENGTH, Row
from pathshift.report.samples import shortened

SAMPLES = {
    "base": ("base's own", palette.BASE), "tuned": ("tuned model's", palette.TUNED),
    "reference": ("reference", palette.FLOOR),
}  # fmt: skip
"""Whose texts: their name and their colour."""
UNDER = {"policy": "under the policies", "T=1": "at temperature 1"}
LEAST_PROBLEMS = 5
"""Behind a point of the curve of paths; an interval over fewer would dwarf all others."""
MOST_PROBLEMS = 2_000
"""Circles of the scatter plot; the largest file should still open at once."""


def perplexities(found: Perplexities) -> Spec | None:
    """Share of samples by perplexity, one line a distribution: colour whose texts, dash whose p."""
    if found.edges is None:
        return None
    middles = [math.sqrt(a * b) for a, b in zip(found.edges, found.edges[1:], strict=False)]
    rows: list[Row] = []
    for one in found.distributions:
        total = sum(one.counts or [])
        rows += [
            {"perplexity": _round(at), "share": _round(count / total), "which": _which(one)}
            for at, count in zip(middles, one.counts or [], strict=bool(one.counts))
            if total
        ]  # fmt: skip
    chart = alt.Chart(inline(rows)).mark_line(strokeWidth=2.2)
    x = alt.X(
        "perplexity:Q", title="perplexity of a sample (1: certain)",
        scale=alt.Scale(type="log", domain=[found.edges[0], found.edges[-1]], nice=False),
        axis=alt.Axis(values=_log_ticks(found.edges[0], found.edges[-1]), format=".3~g",
                      labelOverlap=True),
    )  # fmt: skip
    chart = chart.encode(
        x=x,
        y=alt.Y("share:Q", title="share of samples", axis=alt.Axis(format=".2f")),
        **_colour_and_dash(found.distributions),
        tooltip=["which:N", _tip("perplexity", ".3f"), _tip("share", ".3f")],
    )
    return finish([chart], height=300)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a log axis: few over decades, many within one."""
    steps = (1, 1.1, 1.2, 1.3, 1.5, 1.7, 2, 2.5, 3, 4, 5, 7) if high / low < 20 else (1, 2, 5)
    every = [step * 10.0**e for e in range(-1, 9) for step in steps]
    return [tick for tick in every if low <= tick <= high]


def _which(one: Distribution) -> str:
    return f"{_samples(one.samples)}, by the {'base' if one.model == 'base' else 'tuned model'}"


def _colour_and_dash(found: Sequence[Distribution]) -> dict[str, Any]:
    """Colour by whose samples, dashed where the tuned model scored; one legend for both."""
    names = [_which(one) for one in found]
    shades = [SAMPLES[one.samples][1] for one in found]
    dashes = [[1, 0] if one.model == "base" else DASHED for one in found]
    # One column: two would be cut on a phone.
    legend = alt.Legend(symbolType="stroke", columns=1, labelLimit=300)
    return {
        "color": alt.Color("which:N", scale=alt.Scale(domain=names, range=shades), legend=legend),
        "strokeDash": alt.StrokeDash(
            "which:N", scale=alt.Scale(domain=names, range=dashes), legend=legend
        ),
    }


def _samples(name: str) -> str:
    return SAMPLES[name][0]


def coverage(found: Reach) -> Spec | None:
    """Share of right tuned samples that the base finds at most N times rarer, with bands."""
    rows: list[Row] = [
        {"factor": n, "share": _round(share), "low": _round(low), "high": _round(high),
         "under": UNDER[profile.under]}
        for profile in _distinct(found)
        for n, share, low, high in zip(
            profile.factor, profile.share, profile.low, profile.high, strict=True
        )
    ]  # fmt: skip
    if not rows:
        return None
    names = list(dict.fromkeys(row["under"] for row in rows))
    shades = alt.Scale(domain=names, range=[palette.TUNED, palette.BOTH][: len(names)])
    legend = alt.Legend(symbolType="stroke") if len(names) > 1 else None
    x = _factors(found.profiles[0].factor, "N: times rarer under the base, at most")
    color = alt.Color("under:N", scale=shades, legend=legend)
    chart = alt.Chart(inline(rows)).encode(x=x, color=color)
    title, shares = "share of right tuned samples", alt.Scale(domain=[0, 1], nice=False)
    band = chart.mark_area(opacity=BAND).encode(
        y=alt.Y("low:Q", title=title, scale=shares), y2="high:Q"
    )
    tips = [_tip("factor", "d"), *(_tip(name, ".3f") for name in ("share", "low", "high"))]
    line = chart.mark_line(strokeWidth=2.5, point=True).encode(
        y=alt.Y("share:Q", title=title, scale=shares), tooltip=tips
    )
    return finish([band, line], height=280)


def _distinct(found: Reach) -> list[Any]:
    """The profiles; the one at T=1 only where it is another."""
    first = found.profiles[:1]
    return first + [p for p in found.profiles[1:] if p.share != first[0].share]


def _factors(values: Sequence[int], title: str) -> alt.X:
    return alt.X(
        "factor:Q", title=title,
        scale=alt.Scale(type="log", base=2, domain=[values[0], values[-1]], nice=False),
        axis=alt.Axis(values=list(values), labelOverlap=True, format=",d"),
    )  # fmt: skip


def absolute(found: Reach) -> Spec | None:
    """Shares that pass ln p >= -ln k, by k: the base's own samples as control, the tuned right."""
    sides = {"base's own": found.absolute.own, "tuned model's right": found.absolute.tuned_correct}
    rows: list[Row] = [
        {"factor": k, "share": _round(share), "samples": name}
        for name, shares in sides.items()
        for k, share in zip(found.absolute.k, shares or [], strict=bool(shares))
    ]
    if not rows:
        return None
    names = [name for name, shares in sides.items() if shares]
    shades = {"base's own": palette.BASE, "tuned model's right": palette.TUNED}
    scale = alt.Scale(domain=names, range=[shades[name] for name in names])
    line = alt.Chart(inline(rows)).mark_line(strokeWidth=2.5, point=True)
    chart = line.encode(
        x=_factors(found.absolute.k, "k"),
        y=alt.Y("share:Q", title="share that passes", scale=alt.Scale(domain=[0, 1], nice=False)),
        color=alt.Color("samples:N", scale=scale, legend=alt.Legend(symbolType="stroke")),
        tooltip=["samples:N", _tip("factor", "d", "k"), _tip("share", ".3f")],
    )
    return finish([chart], height=240)


def bounds(found: Reach) -> Spec | None:
    """Each problem's bound against the base's own rate: a bar from lower limit to estimate."""
    drawn = [one for one in found.problems if one.n_base][:MOST_PROBLEMS]
    if not drawn:
        return None
    rows = [_bound(one) for one in drawn]
    x, y = _rates("direct", "base's own samples: share correct"), _rates("value", "bound", axis="y")
    tips = [
        alt.Tooltip("id:N", title="problem"), alt.Tooltip("own:N", title="base's own"),
        _tip("value", ".4f", "estimate"), _tip("low", ".4f", "lower limit"),
    ]  # fmt: skip
    chart = alt.Chart(inline(rows))
    bars = chart.mark_rule(color=palette.BASE, opacity=0.35, strokeWidth=1.5).encode(
        x=x, y=_rates("low", "bound", axis="y"), y2="value:Q"
    )
    dots = chart.mark_circle(color=palette.BASE, size=55, opacity=0.75).encode(
        x=x, y=y, tooltip=tips
    )
    ends: list[Row] = [{"direct": v, "value": v} for v in (0, 1)]
    equal = alt.Chart(inline(ends)).mark_line(color=palette.INK, strokeDash=DASHED, opacity=0.5)
    return finish([equal.encode(x=x, y=y), bars, dots], height=380)


def _bound(one: ProblemReach) -> Row:
    return {
        "id": shortened(one.id, ID_LENGTH),
        "own": f"{one.c_base} of {one.n_base}",
        "direct": _round(one.c_base / one.n_base),
        "value": _round(one.value),
        "low": _round(one.low),
    }


def _rates(field: str, title: str, *, axis: str = "x") -> Any:
    """A rate on a square-root axis, where small rates keep their distance from 0."""
    kind = alt.X if axis == "x" else alt.Y
    ticks = [0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1]
    return kind(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(type="sqrt", domain=[0, 1], nice=False, clamp=True),
        axis=alt.Axis(values=ticks, format=".2~f", labelOverlap=True),
    )


def changes(found: Shift, kind: str, *, title: str, size: bool = False) -> Spec:
    """A bar a group with its interval: the tuned model's samples beside the base's own.

    Args:
        kind: Field of `SideShift`: by_class, by_phase, by_fork.
        size: The absolute change in place of the signed one.
    """
    sides = {"tuned": found.tuned} | ({} if found.base is None else {"base": found.base})
    rows = [
        _change(group, _samples(side), size=size)
        for side, one in sides.items()
        for group in getattr(one, kind)
    ]
    names = [_samples(side) for side in sides]
    order = [group.name for group in getattr(found.tuned, kind)]
    order += [row["group"] for row in rows if row["group"] not in order]
    y = alt.Y("group:N", title=None, sort=list(dict.fromkeys(order)),
              axis=alt.Axis(labelLimit=120))  # fmt: skip
    offset = alt.YOffset("samples:N", sort=names)
    scale = alt.Scale(domain=names, range=[SAMPLES[side][1] for side in sides])
    color = alt.Color("samples:N", scale=scale)
    chart = alt.Chart(inline(rows)).encode(y=y, yOffset=offset, color=color)
    tips = ["group:N", "samples:N", *(_tip(name, ".4f") for name in ("value", "low", "high")),
            _tip("tokens", ",d")]  # fmt: skip
    bars = chart.mark_bar(opacity=0.55).encode(x=alt.X("value:Q", title=title), tooltip=tips)
    # A colour of their own: on a bar of the same colour an interval would not be seen.
    ends = alt.Chart(inline(rows)).mark_rule(color=palette.INK, strokeWidth=1.5)
    ends = ends.encode(y=y, yOffset=offset, x=alt.X("low:Q", title=title), x2="high:Q")
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=palette.INK, opacity=0.6)
    height = 46 + 34 * len(set(order))
    return finish([bars, ends, zero.encode(x=alt.X("zero:Q", title=title))], height=height)


def _change(group: GroupShift, samples: str, *, size: bool) -> Row:
    found = group.size if size else group.mean
    return {
        "group": group.name, "samples": samples, "tokens": group.n_tokens,
        "value": _round(found.value), "low": _round(found.low), "high": _round(found.high),
    }  # fmt: skip


def positions(found: Shift) -> Spec | None:
    """Mean absolute change by place in the sample, with intervals."""
    sides = {"tuned": found.tuned} | ({} if found.base is None else {"base": found.base})
    rows = [
        _change(group, _samples(side), size=True)
        for side, one in sides.items()
        for group in one.by_position
    ]
    order = list(dict.fromkeys(row["group"] for row in rows))
    if len(order) < 2:
        return None
    names = [_samples(side) for side in sides]
    scale = alt.Scale(domain=names, range=[SAMPLES[side][1] for side in sides])
    title = "mean absolute change, nats"
    x = alt.X("group:O", sort=order, title="token of the sample, counted from 0",
              axis=alt.Axis(labelAngle=0, labelOverlap=True))  # fmt: skip
    color = alt.Color("samples:N", scale=scale, legend=alt.Legend(symbolType="stroke"))
    chart = alt.Chart(inline(rows)).encode(x=x, color=color)
    band = chart.mark_area(opacity=BAND).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    tips = ["group:O", "samples:N", *(_tip(name, ".4f") for name in ("value", "low", "high"))]
    line = chart.mark_line(strokeWidth=2.5, point=True).encode(
        y=alt.Y("value:Q", title=title), tooltip=tips
    )
    return finish([band, line], height=260)


def rarefaction(found: Diversity) -> Spec | None:
    """Distinct paths in m right samples of either model, over the same problems at each m."""
    rows: list[Row] = [
        {"m": point.m, "curve": side, "paths": _round(getattr(point.paths, side)),
         "problems": point.paths.n_problems}
        for point in _points(found)
        for side in ("base", "tuned")
    ]  # fmt: skip
    if len(rows) < 4:
        return None
    shades = alt.Scale(domain=["base", "tuned"], range=[palette.BASE, palette.TUNED])
    line = alt.Chart(inline(rows)).mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=60))
    chart = line.encode(
        x=_sizes(found),
        y=alt.Y("paths:Q", title="distinct paths", scale=alt.Scale(domainMin=1)),
        color=alt.Color("curve:N", scale=shades, legend=alt.Legend(symbolType="stroke")),
        tooltip=["curve:N", _tip("m", "d"), _tip("paths", ".2f"), _tip("problems", "d")],
    )
    return finish([chart], height=230)


def differences(found: Diversity) -> Spec | None:
    """Tuned minus base of the distinct paths in m right samples, with intervals."""
    rows: list[Row] = [
        {"m": point.m, "difference": _round(point.paths.difference), "low": _round(point.paths.low),
         "high": _round(point.paths.high), "problems": point.paths.n_problems}
        for point in _points(found)
    ]  # fmt: skip
    if len(rows) < 2:
        return None
    title, x = "tuned − base", _sizes(found)
    chart = alt.Chart(inline(rows)).encode(x=x)
    bars = chart.mark_rule(color=palette.INK, strokeWidth=2, opacity=0.6).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q"
    )
    dots = chart.mark_circle(color=palette.INK, size=80, opacity=1).encode(
        y=alt.Y("difference:Q", title=title),
        tooltip=[_tip("m", "d"), *(_tip(n, ".2f") for n in ("difference", "low", "high")),
                 _tip("problems", "d")],
    )  # fmt: skip
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=palette.INK, strokeDash=DASHED)
    return finish([bars, zero.encode(y=alt.Y("zero:Q", title=title)), dots], height=200)


def _points(found: Diversity) -> list[CurvePoint]:
    return [point for point in found.curve if point.paths.n_problems >= LEAST_PROBLEMS]


def _sizes(found: Diversity) -> alt.X:
    sizes = [point.m for point in _points(found)]
    return alt.X(
        "m:Q", title="right samples of each model (m)",
        scale=alt.Scale(type="log", base=2, nice=False, padding=12),
        axis=alt.Axis(values=sizes, format="d"),
    )  # fmt: skip


def _tip(field: str, form: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=form, title=title or field)


def _round(value: float) -> float | None:
    return round(float(value), DIGITS) if is_number(value) else None
