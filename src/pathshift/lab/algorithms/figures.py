"""The study's charts as Vega-Lite specifications. Imports Altair: load this module late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pathshift.report import palette
from pathshift.report.charts import BAND, DASHED, Spec, finish, hover, inline, k_axis
from pathshift.report.rows import Row

_Told = Mapping[str, Any]
_SHADES = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#332288", "#117733")
"""Of ways beside the base: Okabe and Ito's without the base's blue, then Tol's dark ones."""


def _scale(labels: Sequence[str]) -> alt.Scale:
    own = [label for label in labels if label not in ("base", "floor")]
    colours = {label: _SHADES[i % len(_SHADES)] for i, label in enumerate(own)}
    colours |= {"base": palette.BASE, "floor": palette.FLOOR}
    return alt.Scale(domain=list(labels), range=[colours[label] for label in labels])


def curves(one: _Told) -> Spec:
    """pass@k of every way on one set, the base with its band, and the floor dashed."""
    k: list[int] = one["k"]
    lines = {way["label"]: way["curve"] for way in one["ways"]}
    if one["floor"] is not None:
        lines["floor"] = one["floor"]
    labels = list(lines)
    long: list[Row] = [
        {"k": each, "way": label, "value": value}
        for label, line in lines.items()
        for each, value in zip(k, line, strict=True)
    ]
    base = one["ways"][0]
    banded: list[Row] = [
        {"k": each, "low": low, "high": high}
        for each, low, high in zip(k, base["low"], base["high"], strict=True)
    ]
    dash = alt.Scale(
        domain=labels, range=[DASHED if label == "floor" else [1, 0] for label in labels]
    )
    x = k_axis(k)
    stroke = alt.Legend(symbolType="stroke", columns=4)
    drawn = alt.Chart(inline(long)).mark_line(strokeWidth=2)
    line_chart = drawn.encode(
        x=x, y=alt.Y("value:Q", title="pass@k"),
        color=alt.Color("way:N", scale=_scale(labels), legend=stroke),
        strokeDash=alt.StrokeDash("way:N", scale=dash, legend=None),
    )  # fmt: skip
    band = alt.Chart(inline(banded)).mark_area(opacity=BAND, color=palette.BASE)
    wide: list[Row] = [
        {"k": each} | {label.replace(".", "_"): line[i] for label, line in lines.items()}
        for i, each in enumerate(k)
    ]
    names = [label for label in labels if label.isidentifier()]
    return finish(
        [band.encode(x=x, y=alt.Y("low:Q", title="pass@k"), y2="high:Q"), line_chart,
         hover(wide, x, names)],
        height=340,
    )  # fmt: skip


def coverage_against_kl(looks: Sequence[_Told]) -> Spec:
    """pass@k of the largest k at every look against the divergence from the base."""
    points: list[Row] = [
        {"kl": kl, "value": curve[-1], "way": one["arm"], "run": f"{one['arm']} {one['seed']}",
         "step": step}
        for one in looks
        for kl, curve, step in zip(one["kl"], one["curves"], one["steps"], strict=True)
    ]  # fmt: skip
    labels = list(dict.fromkeys(one["arm"] for one in looks))
    k = looks[0]["k"][-1]
    chart = alt.Chart(inline(points)).encode(
        x=alt.X("kl:Q", title="divergence from the base (nats a token)"),
        y=alt.Y("value:Q", title=f"pass@{k}", scale=alt.Scale(zero=False)),
        color=alt.Color("way:N", scale=_scale(labels), legend=alt.Legend(columns=4)),
    )
    tips = [
        "way:N",
        "step:Q",
        alt.Tooltip("kl:Q", format=".4f"),
        alt.Tooltip("value:Q", format=".3f"),
    ]
    line = chart.mark_line(opacity=0.5).encode(detail="run:N", order="step:Q")
    return finish([line, chart.mark_circle(size=50).encode(tooltip=tips)], height=320)


def pairs(judged: _Told, margin: float) -> Spec:
    """Every pair's difference with its interval between the margins."""
    rows: list[Row] = [
        {"pair": f"{one['first']} − {one['second']}", "value": one["value"], "low": one["low"],
         "high": one["high"]}
        for one in judged["pairs"]
    ]  # fmt: skip
    y = alt.Y("pair:N", title=None, sort=None)
    x = alt.X("value:Q", title="difference in pass@k")
    chart = alt.Chart(inline(rows)).encode(y=y)
    bar = chart.mark_rule(strokeWidth=2, color=palette.INK).encode(
        x=alt.X("low:Q", title="difference in pass@k"), x2="high:Q"
    )
    dot = chart.mark_circle(size=60, color=palette.TUNED, opacity=1).encode(
        x=x,
        tooltip=[
            "pair:N",
            *(alt.Tooltip(f"{n}:Q", format=".4f") for n in ("value", "low", "high")),
        ],
    )
    edges = alt.Chart(inline([{"edge": -margin}, {"edge": margin}]))
    limit = edges.mark_rule(color=palette.INK, strokeDash=DASHED).encode(x="edge:Q")
    return finish([limit, bar, dot], height=max(120, 22 * len(rows)))


def gaps(one: _Told) -> Spec:
    """Delta_SE of every way with its interval."""
    rows: list[Row] = [
        {"way": way["label"], **{name: way["gap"][name] for name in ("value", "low", "high")}}
        for way in one["ways"]
        if "gap" in way
    ]
    k = next((way["gap"]["k"] for way in one["ways"] if "gap" in way), 1)
    title = f"base pass@{k} − pass@1"
    chart = alt.Chart(inline(rows)).encode(x=alt.X("way:N", title=None, sort=None))
    bar = chart.mark_bar(color=palette.TUNED, opacity=0.7).encode(y=alt.Y("value:Q", title=title))
    rule = chart.mark_rule(strokeWidth=2, color=palette.INK).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q"
    )
    return finish([bar, rule], height=260)


def cells(one: _Told) -> Spec:
    """Problems by who solved them, as stacked bars, a way each."""
    words = {
        "both": "both",
        "base_only": "base only",
        "tuned_only": "tuned only",
        "neither": "neither",
    }
    rows: list[Row] = [
        {"way": way["label"], "solved by": word, "problems": way["cells"][key], "order": i}
        for way in one["ways"]
        if "cells" in way
        for i, (key, word) in enumerate(words.items())
    ]
    shades = [palette.BOTH, palette.BASE, palette.TUNED, palette.NEITHER]
    chart = alt.Chart(inline(rows)).mark_bar()
    return finish(
        [chart.encode(
            x=alt.X("problems:Q"), y=alt.Y("way:N", title=None, sort=None), order="order:Q",
            color=alt.Color(
                "solved by:N", scale=alt.Scale(domain=list(words.values()), range=shades),
                legend=alt.Legend(columns=2),
            ),
        )],
        height=260,
    )  # fmt: skip
