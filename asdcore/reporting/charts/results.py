"""Chart systems: official score, cells by machine, source against target, and cost."""

from __future__ import annotations

import altair as alt

from asdcore.drawing.colours import BLUE, DARK, INK, PALE
from asdcore.reporting.charts.style import SLANTED, ChartOf, finished, tip

WORTH = {
    "domain": [40, 50, 62, 80, 100],
    "range": ["#b8431f", "#f6efe6", "#d3e3f0", "#83b5da", "#174a7c"],
}
"""Colours of a cell in percent: 50 is chance, below it a system calls normal what is not."""

ROW = 26
"""Pixels of a row of cells."""


def official() -> ChartOf:
    """Systems with official score and interval; rows: system, score, low, high."""
    y = alt.Y("system:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, ticks=False, domain=False))
    scale = alt.Scale(zero=False, nice=True, padding=6)
    tips = [tip("system", "N"), tip("score", title="score"), tip("low", title="95 % from"),
            tip("high", title="to")]  # fmt: skip
    base = alt.Chart(alt.NamedData("rows"))
    line = base.mark_rule(strokeWidth=5, opacity=0.35, color=BLUE, strokeCap="round").encode(
        y=y, x=alt.X("low:Q", scale=scale, title="score, percent"), x2="high:Q", tooltip=tips
    )
    point = base.mark_point(filled=True, size=110, opacity=1, color=BLUE).encode(
        y=y, x=alt.X("score:Q", scale=scale), tooltip=tips
    )
    text = base.mark_text(dy=-11, fontWeight=600, color=INK).encode(
        y=y, x=alt.X("score:Q", scale=scale), text=alt.Text("score:Q", format=".1f")
    )
    return ChartOf(
        finished(alt.layer(line, point, text).properties(height=alt.Step(44))),
        "Score",
        "The dot is the score of a system over all machines, the bar its 95 % interval: other clips of the same "
        "machines would put the score elsewhere in it.",
    )


def heat_map(cell: str) -> ChartOf:
    """One official cell, machines by systems; rows: place, system, estimate, low, high."""
    base = alt.Chart(alt.NamedData("rows")).encode(
        x=alt.X("system:N", sort=None, title=None, axis=alt.Axis(orient="top", labelAngle=-35, labelLimit=150,
                ticks=False, domain=False)),
        y=alt.Y("place:N", sort=None, title=None, axis=alt.Axis(labelLimit=130, ticks=False, domain=False)),
        tooltip=[tip("place", "N", title="machine"), tip("system", "N"), tip("estimate", title=cell),
                 tip("low", title="95 % from"), tip("high", title="to")],
    )  # fmt: skip
    color = alt.Color("estimate:Q", legend=None, scale=alt.Scale(clamp=True, interpolate="rgb", **WORTH))
    rect = base.mark_rect(cornerRadius=3, cursor="pointer", stroke="transparent", strokeWidth=2).encode(color=color)
    white = alt.expr.if_(alt.datum.estimate > 86, True, alt.datum.estimate < 43)
    text = base.mark_text(fontSize=11, tooltip=None, cursor="pointer").encode(
        text=alt.Text("estimate:Q", format=".0f"),
        color=alt.condition(white, alt.value(PALE), alt.value(DARK)),
    )
    return ChartOf(
        finished(alt.layer(rect, text).properties(height=alt.Step(ROW), padding=SLANTED)),
        cell,
        f"{cell} of every machine and system in percent: 50 (pale) is chance, 100 perfect, orange worse than chance; "
        "hover for the interval, click to see why below.",
    )


def trade_off() -> ChartOf:
    """Source against target AUC; rows: system, label, source, target, official."""
    scale = alt.Scale(zero=False, nice=True, padding=24)
    base = alt.Chart(alt.NamedData("rows")).encode(
        x=alt.X("source:Q", scale=scale, title="source AUC, percent"),
        y=alt.Y("target:Q", scale=scale, title="target AUC, percent"),
        tooltip=[tip("system", "N"), tip("source"), tip("target"), tip("official", title="score")],
    )
    points = base.mark_point(filled=True, size=120, opacity=0.9, color=BLUE)
    text = base.mark_text(dy=-12, color=INK, tooltip=None).encode(text="label:N")
    return ChartOf(
        finished(alt.layer(points, text).properties(height=280)),
        "Source against target",
        "Each point is a system, by harmonic means over machines: up and to the right is better, and a step right that "
        "goes down was bought from the target domain.",
    )


def cost(column: str, title: str, logarithmic: bool) -> ChartOf:
    """Official score against one cost; rows: system, label, official, macs, parameters, seconds."""
    scale = alt.Scale(type="log" if logarithmic else "linear", nice=False, padding=40)
    base = alt.Chart(alt.NamedData("rows")).encode(
        x=alt.X(f"{column}:Q", title=title, scale=scale,
                axis=alt.Axis(format="~s", tickCount=4)),
        y=alt.Y("official:Q", title="score, percent", scale=alt.Scale(zero=False, padding=20)),
        tooltip=[tip("system", "N"), tip("official", title="score"), tip("macs", form=",d", title="MACs"),
                 tip("parameters", form=",d"), tip("seconds", title="seconds of the run")],
    )  # fmt: skip
    points = base.mark_point(filled=True, size=120, opacity=0.9, color=BLUE)
    text = base.mark_text(dy=-12, color=INK, tooltip=None).encode(text="label:N")
    axis = ", on a logarithmic axis" if logarithmic else ""
    return ChartOf(
        finished(alt.layer(points, text).properties(height=240)),
        f"Score against {title.split(' of ')[0]}",
        f"Each point is a system: up and to the left is more for less ({title}{axis}).",
    )
