"""Charts of a fair comparison: both models' curves, and the difference beside a naive one.

The axis counts samples or tokens. Imports Altair: load this module late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from pathshift.analysis.paired_rows import Curves
from pathshift.analysis.result import Range
from pathshift.report import palette
from pathshift.report.charts import BAND, DASHED, Spec, certified, finish, hover, inline, k_axis
from pathshift.report.formats import is_number
from pathshift.report.rows import DIGITS, Row, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """What is drawn over one axis.

    Attributes:
        k: What the axis counts.
        counts: One word for it: "k", "tokens".
        axis, value: Titles of both axes.
        floor: What blind guessing reaches, by k; None where it is not drawn.
        naive: The difference of settings chosen and read off on the same samples, by k.
    """

    k: list[int]
    counts: str
    axis: str
    value: str
    curves: Curves
    gain_certified: list[Range]
    loss_certified: list[Range]
    floor: Sequence[float] | None = None
    naive: Sequence[float] | None = None


def curves(found: Pictured) -> Spec:
    """Both models' curves, and the floor dashed."""
    wide, x = _rows(found), k_axis(found.k, found.axis)
    names = ["base", "tuned"] if found.floor is None else ["base", "tuned", "floor"]
    shades = alt.Scale(domain=names, range=[palette.BASE, palette.TUNED, palette.FLOOR])
    dashes = alt.Scale(domain=names, range=[[1, 0], [1, 0], DASHED])
    long = [{"k": row["k"], "curve": n, "value": row[n]} for row in wide for n in names if n in row]
    stroke = alt.Legend(symbolType="stroke")
    line = alt.Chart(inline(long)).mark_line(strokeWidth=2.5)
    chart = line.encode(
        x=x,
        y=alt.Y("value:Q", title=found.value, scale=alt.Scale(zero=False)),
        color=alt.Color("curve:N", scale=shades, legend=stroke),
        strokeDash=alt.StrokeDash("curve:N", scale=dashes, legend=stroke),
    )
    return finish([chart, hover(wide, x, names, found.counts)], height=290)


def difference(found: Pictured) -> Spec:
    """Tuned minus base with its band, the certified ranges shaded, and the naive one dashed."""
    wide, x, title = _rows(found), k_axis(found.k, found.axis), f"difference in {found.value}"
    y = alt.Y("difference:Q", title=title)
    band = alt.Chart(inline(wide)).mark_area(opacity=BAND, color=palette.INK)
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=palette.INK, strokeDash=DASHED)
    layers = [
        *certified(found, x),
        band.encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q"),
        zero.encode(y=alt.Y("zero:Q", title=title)),
    ]
    line = alt.Chart(inline(_lines(wide))).mark_line(strokeWidth=2.5, color=palette.INK)
    # The caption names the dotted line: on a phone a legend of four entries would be cut.
    dashes = alt.Scale(domain=["fair", "naive"], range=[[1, 0], [2, 3]])
    dash = alt.StrokeDash("line:N", scale=dashes, legend=None)
    layers.append(line.encode(x=x, y=y, strokeDash=dash))
    naive = () if found.naive is None else ("naive",)
    tips = hover(wide, x, ("difference", "low", "high", *naive), found.counts)
    return finish([*layers, tips], height=250)


def _lines(wide: Sequence[Row]) -> list[Row]:
    return [
        {"k": row["k"], "line": line, "difference": row[name]}
        for row in wide
        for line, name in (("fair", "difference"), ("naive", "naive"))
        if name in row
    ]


def _rows(found: Pictured) -> list[Row]:
    names = ("base", "tuned", "difference", "low", "high")
    lists = {name: getattr(found.curves, name) for name in names}
    more = {"floor": found.floor, "naive": found.naive}
    lists |= {name: values for name, values in more.items() if values is not None}
    return [
        {"k": found.k[i]}
        | {name: round(v[i], DIGITS) for name, v in lists.items() if is_number(v[i])}
        for i in drawn(found.k)
    ]
