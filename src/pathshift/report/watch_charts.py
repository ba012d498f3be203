"""Charts of a training run: its path from pass@1 to pass@k, and how it moved step by step."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from pathshift.analysis.watching import Watched, WatchedStep
from pathshift.report import palette
from pathshift.report.charts import BAND, DASHED, Spec, finish, inline
from pathshift.report.rows import Row


def path(run: Watched, k: int) -> Spec:
    """pass@1 against pass@k, one point a step, joined in the order of training."""
    base = _point(run.base, k)
    points = [_point(step, k) for step in run.steps]
    walked = points if run.base.step is None else [base, *points]
    near = alt.Scale(zero=False)
    x = alt.X("first:Q", title="pass@1", scale=near)
    y = alt.Y("last:Q", title=f"pass@{k}", scale=near)
    line = alt.Chart(inline(walked)).mark_line(color=palette.TUNED, strokeWidth=1.5, opacity=0.6)
    kinds = alt.Scale(
        domain=["base", "step", "Pareto-best"],
        range=[palette.BASE, palette.NEITHER, palette.TUNED],
    )
    dots = alt.Chart(inline([base, *points])).mark_circle(size=90, opacity=1)
    tips = [
        alt.Tooltip("step:Q", format="d"),
        alt.Tooltip("first:Q", format=".3f", title="pass@1"),
        alt.Tooltip("last:Q", format=".3f", title=f"pass@{k}"),
    ]
    dots = dots.encode(x=x, y=y, color=alt.Color("kind:N", scale=kinds), tooltip=tips)
    names = alt.Chart(inline(_named([base, *points])))
    names = names.mark_text(dy=-11, fontSize=11, color=palette.INK).encode(
        x=x, y=y, text=alt.Text("step:Q", format="d")
    )
    return finish([line.encode(x=x, y=y, order="step:Q"), dots, names], height=360)


def _point(step: WatchedStep, k: int) -> Row:
    kind = "base" if step.difference is None else "Pareto-best" if step.is_pareto else "step"
    return {
        "step": step.step,
        "first": step.curve[0],
        "last": step.curve[step.k.index(k)],
        "kind": kind,
    }


def _named(points: Sequence[Row]) -> list[Row]:
    """The points that get their step written beside them: not more than a dozen."""
    every = max(1, -(-len(points) // 12))
    return [point for i, point in enumerate(points) if i % every == 0 or i == len(points) - 1]


def differences(run: Watched, ks: Sequence[int]) -> Spec | None:
    """Difference to the base by step, with its band, at the ks; None where no step has a band."""
    found: list[Row] = [
        {"step": s.step, "k": f"k = {k}", "difference": s.difference[i],
         "low": s.low[i], "high": s.high[i]}
        for s in run.steps
        if s.difference is not None and s.low is not None and s.high is not None
        for k in ks
        if k in s.k
        for i in [s.k.index(k)]
    ]  # fmt: skip
    if not found:
        return None
    names = [f"k = {k}" for k in ks]
    shades = alt.Scale(domain=names, range=[palette.GAIN, palette.LOSS][: len(names)])
    title = "difference to the base in pass@k"
    chart = alt.Chart(inline(found)).encode(x=_step_axis(), color=alt.Color("k:N", scale=shades))
    band = chart.mark_area(opacity=BAND).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    line = chart.mark_line(strokeWidth=2.5, point=len(run.steps) <= 30).encode(
        y=alt.Y("difference:Q", title=title),
        tooltip=[
            alt.Tooltip("step:Q", format="d"),
            "k:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("difference", "low", "high")),
        ],
    )
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=palette.INK, strokeDash=DASHED)
    return finish([band, zero.encode(y=alt.Y("zero:Q", title=title)), line], height=300)


def trainer(run: Watched, name: str, title: str) -> Spec | None:
    """Entropy or truncation by step; None where it is known of fewer than two steps."""
    found: list[Row] = [
        {"step": step.step, "value": getattr(step, name)}
        for step in run.steps
        if getattr(step, name) is not None
    ]
    if len(found) < 2:
        return None
    line = alt.Chart(inline(found)).mark_line(strokeWidth=2.5, color=palette.INK)
    tips = [alt.Tooltip("step:Q", format="d"), alt.Tooltip("value:Q", format=".3f", title=title)]
    chart = line.encode(x=_step_axis(), y=alt.Y("value:Q", title=title), tooltip=tips)
    return finish([chart], height=200)


def _step_axis() -> alt.X:
    return alt.X(
        "step:Q", title="training step", scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )  # fmt: skip
