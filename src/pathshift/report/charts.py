"""A comparison's charts as Vega-Lite specifications, made through Altair.

Each function returns plain JSON values, the same for the same input. Imports Altair: load this
module late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from pathshift.analysis.result import Comparison
from pathshift.report import palette, rows
from pathshift.report.rows import Row

Spec = dict[str, Any]

BAND = 0.16
DASHED = [5, 4]
CONFIG: Spec = {
    "background": "transparent",
    "font": "sans-serif",
    # The container's label speaks for the whole chart; one label a mark would be noise.
    "aria": False,
    "view": {"stroke": None},
    # Room for "-0.00" beside every y axis: charts below each other then share their x positions.
    "axisY": {"minExtent": 40},
    "axis": {
        "labelColor": palette.INK, "titleColor": palette.INK, "titleFontWeight": "normal",
        "titleFontSize": 12, "labelFontSize": 11, "titlePadding": 8,
        "domainColor": palette.INK, "domainOpacity": 0.4,
        "tickColor": palette.INK, "tickOpacity": 0.4,
        "gridColor": palette.INK, "gridOpacity": 0.1,
    },
    "legend": {
        "labelColor": palette.INK, "labelFontSize": 12, "orient": "top", "title": None,
        "symbolStrokeWidth": 3, "symbolOpacity": 1,
    },
}  # fmt: skip


def curves(result: Comparison) -> Spec:
    """pass@k of both models with their bands, and the floor dashed, on a log axis of k."""
    wide = rows.curve_rows(result)
    names = ["base", "tuned"] if result.floor is None else ["base", "tuned", "floor"]
    shades = alt.Scale(domain=names, range=[palette.BASE, palette.TUNED, palette.FLOOR])
    dashes = alt.Scale(domain=names, range=[[1, 0], [1, 0], DASHED])
    color = alt.Color("curve:N", scale=shades, legend=alt.Legend(symbolType="stroke"))
    dash = alt.StrokeDash("curve:N", scale=dashes, legend=alt.Legend(symbolType="stroke"))
    chart = alt.Chart(inline(rows.long_rows(wide))).encode(x=k_axis(result.k), color=color)
    # Lines and bands, not bars: an axis that starts near the lowest of them tells more.
    near = alt.Scale(zero=False)
    low, value = (alt.Y(f"{field}:Q", title="pass@k", scale=near) for field in ("low", "value"))
    band = chart.mark_area(opacity=BAND).encode(y=low, y2="high:Q")
    line = chart.mark_line(strokeWidth=2.5).encode(y=value, strokeDash=dash)
    floor = () if result.floor is None else ("floor",)
    fields = ("base", "base_low", "base_high", "tuned", "tuned_low", "tuned_high", *floor)
    return finish([band, line, hover(wide, k_axis(result.k), fields)], height=330)


def difference(result: Comparison) -> Spec:
    """Tuned minus base with its band, the zero line, and the certified ranges shaded."""
    wide, title = rows.curve_rows(result), "difference in pass@k"
    chart = alt.Chart(inline(wide)).encode(x=k_axis(result.k))
    band = chart.mark_area(opacity=BAND, color=palette.INK).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q"
    )
    line = chart.mark_line(strokeWidth=2.5, color=palette.INK).encode(
        y=alt.Y("difference:Q", title=title)
    )
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=palette.INK, strokeDash=DASHED)
    layers = [band, zero.encode(y=alt.Y("zero:Q", title=title)), line]
    stripes = hover(wide, k_axis(result.k), ("difference", "low", "high"))
    return finish([*certified(result, k_axis(result.k)), *layers, stripes], height=250)


def certified(result: rows.Certified, x: alt.X) -> list[alt.Chart]:
    """The certified ranges shaded from top to bottom; none where nothing is certified."""
    found = rows.certified_rows(result)
    if not found:
        return []
    shades = {"gain certified": palette.GAIN, "loss certified": palette.LOSS}
    present = [kind for kind in shades if any(row["kind"] == kind for row in found)]
    kinds = alt.Scale(domain=present, range=[shades[kind] for kind in present])
    shaded = alt.Chart(inline(found)).mark_rect(opacity=0.2)
    x = x.copy()
    x.shorthand = "start:Q"
    return [shaded.encode(x=x, x2="end:Q", color=alt.Color("kind:N", scale=kinds))]


def amplification(result: Comparison) -> Spec | None:
    """Base samples that k tuned ones are worth, log-log, with the line of equal worth.

    None where no k has a worth within the base's samples.
    """
    found = rows.worth_rows(result)
    if not any("base_k" in row for row in found):
        return None
    ends = [min(1.0, *(row["low"] for row in found)), result.k[-1]]
    y_scale = alt.Scale(type="log", base=2, domain=ends, nice=False)
    y_axis = alt.Axis(values=_powers(*ends), labelOverlap=True, format=".6~g")
    title = "base samples of equal worth"
    x = k_axis(result.k, "k tuned samples")
    y = alt.Y("base_k:Q", scale=y_scale, axis=y_axis, title=title)
    low = alt.Y("low:Q", scale=y_scale, axis=y_axis, title=title)
    chart = alt.Chart(inline(found)).encode(x=x)
    band = chart.mark_area(opacity=BAND, color=palette.TUNED).encode(y=low, y2="high:Q")
    line = chart.mark_line(strokeWidth=2.5, color=palette.TUNED).encode(y=y)
    corners: list[Row] = [{"k": k, "base_k": k} for k in (result.k[0], result.k[-1])]
    equal = alt.Chart(inline(corners)).mark_line(color=palette.INK, strokeDash=DASHED, clip=True)
    tips = [
        alt.Tooltip("k:Q", format="d"),
        alt.Tooltip("base_k:Q", format=".2f", title="base samples"),
        alt.Tooltip("interval:N"),
    ]
    layers = [band, equal.encode(x=x, y=y), line, _stripes(found, x, tips)]
    return finish(layers, height=300)


def histogram(result: Comparison) -> Spec:
    """Problems by share of correct samples, twelve bins, base beside tuned."""
    labels = list(result.histogram["bins"])
    bars: list[Row] = [
        {"bin": label, "model": model, "problems": count}
        for model in ("base", "tuned")
        for label, count in zip(labels, result.histogram[model], strict=True)
    ]
    models = alt.Scale(domain=["base", "tuned"], range=[palette.BASE, palette.TUNED])
    x = alt.X("bin:N", sort=labels, title="share correct", axis=alt.Axis(labelAngle=-45))
    chart = (
        alt.Chart(inline(bars))
        .mark_bar()
        .encode(
            x=x,
            xOffset=alt.XOffset("model:N", sort=["base", "tuned"]),
            y=alt.Y("problems:Q", title="problems"),
            color=alt.Color("model:N", scale=models),
            tooltip=["model:N", "bin:N", "problems:Q"],
        )
    )
    return finish([chart], height=300)


def scatter(result: Comparison) -> Spec:
    """Each problem's success rate under both models; equal points become one, larger point."""
    points = rows.scatter_rows(result.problems)
    domain = ["both", "base only", "tuned only", "neither"]
    shades = [palette.BOTH, palette.BASE, palette.TUNED, palette.NEITHER]
    most = max([2, *(row["problems"] for row in points)])
    size = alt.Size("problems:Q", legend=None, scale=alt.Scale(domain=[1, most], range=[28, 500]))
    x, y = _share_axis("x", "base"), _share_axis("y", "tuned")
    circles = alt.Chart(inline(points)).mark_circle(opacity=0.75)
    chart = circles.encode(
        x=x,
        y=y,
        size=size,
        # Two columns: four entries in a row would be cut on a phone.
        color=alt.Color(
            "solved_by:N",
            scale=alt.Scale(domain=domain, range=shades),
            legend=alt.Legend(columns=2),
        ),
        tooltip=[
            alt.Tooltip("solved_by:N", title="solved by"),
            "base:N",
            "tuned:N",
            "problems:Q",
            "ids:N",
        ],
    )
    corners: list[Row] = [{"base_rate": v, "tuned_rate": v} for v in (0, 1)]
    equal = alt.Chart(inline(corners)).mark_line(color=palette.INK, strokeDash=DASHED, opacity=0.5)
    return finish([equal.encode(x=x, y=y), chart], height=400)


def finish(layers: Sequence[Any], *, height: int) -> Spec:
    """One specification as wide as its container, without Altair's own settings."""
    chart = alt.layer(*layers).properties(width="container", height=height)
    spec: Spec = chart.to_dict()
    spec["config"] = CONFIG
    return spec


def inline(values: list[Row]) -> alt.InlineData:
    """Rows that stand in the page itself."""
    return alt.InlineData(values=values)


def k_axis(k: list[int], title: str = "k (samples per problem)") -> alt.X:
    """The field `k` on a log axis from the first to the last."""
    return alt.X(
        "k:Q",
        title=title,
        scale=alt.Scale(type="log", base=2, domain=[k[0], k[-1]], nice=False),
        axis=alt.Axis(values=_powers(k[0], k[-1]), labelOverlap=True, format=".6~g"),
    )


def _share_axis(channel: str, model: str) -> Any:
    kind = alt.X if channel == "x" else alt.Y
    return kind(
        f"{model}_rate:Q",
        title=f"{model}: share of samples correct",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2f"),
    )


def _powers(low: float, high: float) -> list[float]:
    """Powers of two between the ends, and the upper end where it stands clear of them."""
    ticks = [2.0**e for e in range(-20, 21) if low <= 2.0**e <= high]
    return ticks if ticks and high / ticks[-1] < 1.4 else [*ticks, high]


def hover(found: list[Row], x: alt.X, fields: Sequence[str], k: str = "k") -> alt.Chart:
    """The numbers of each row as a tooltip; `k` is what its axis counts."""
    tips = [alt.Tooltip("k:Q", format=",d", title=k)]
    tips += [
        alt.Tooltip(f"{name}:Q", format=".3f", title=name.replace("_", " ")) for name in fields
    ]
    return _stripes(found, x, tips)


def _stripes(found: list[Row], x: alt.X, tips: Sequence[alt.Tooltip]) -> alt.Chart:
    """Invisible stripes, one a k, that carry the numbers of that k as their tooltip."""
    stripes = alt.Chart(inline(found)).mark_rule(opacity=0, strokeWidth=9)
    hover: alt.Chart = stripes.encode(x=x, tooltip=tips)
    return hover
