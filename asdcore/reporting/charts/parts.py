"""Chart branches and guards: how alike they rank clips, and the contribution of each."""

from __future__ import annotations

import altair as alt

from asdcore.drawing.colours import BLUE, DARK, INK, ORANGE, PALE
from asdcore.reporting.charts.style import ChartOf, finished, tip


def correlation(clips: str) -> ChartOf:
    """Branches by branches; rows: first, second, value."""
    base = alt.Chart(alt.NamedData("rows")).encode(
        x=alt.X("second:N", sort=None, title=None, axis=alt.Axis(orient="top", labelAngle=-90, labelLimit=190,
                ticks=False, domain=False)),
        y=alt.Y("first:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, ticks=False, domain=False)),
        tooltip=[tip("first", "N"), tip("second", "N"), tip("value", title="Spearman")],
    )  # fmt: skip
    scale = alt.Scale(domain=[-1, 0, 0.3, 0.6, 1], range=["#b8431f", "#f6efe6", "#d3e3f0", "#83b5da", "#174a7c"])
    rect = base.mark_rect(cornerRadius=3).encode(color=alt.Color("value:Q", legend=None, scale=scale))
    dark = alt.expr.abs(alt.datum.value) > 0.75
    text = base.mark_text(fontSize=11, tooltip=None).encode(
        text=alt.Text("value:Q", format=".2f"),
        color=alt.condition(dark, alt.value(PALE), alt.value(DARK)),
    )
    return ChartOf(
        finished(alt.layer(rect, text).properties(height=alt.Step(30))),
        f"How alike branches rank {clips}",
        f"Spearman's rank correlation on {clips}, the mean over machines: branches near 1 say the same twice, near 0 "
        "each adds something of its own.",
    )


def contributions() -> ChartOf:
    """What a system loses without a part; rows: part, change, low, high."""
    short = alt.Axis(labelExpr="replace(datum.label, 'without ', '')", labelLimit=230, ticks=False, domain=False)
    y = alt.Y("part:N", sort=None, title=None, axis=short)
    base = alt.Chart(alt.NamedData("rows")).encode(
        y=y, tooltip=[tip("part", "N"), tip("change", form="+.2f"), tip("low", form="+.2f", title="95 % from"),
                      tip("high", form="+.2f", title="to")],
    )  # fmt: skip
    x = alt.X("change:Q", title="change, points")
    bars = base.mark_bar(height=12, cornerRadiusEnd=3, opacity=0.85).encode(
        x=x, color=alt.condition(alt.datum.change > 0, alt.value(ORANGE), alt.value(BLUE))
    )
    ends = base.mark_rule(color=INK, opacity=0.55, strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, opacity=0.5).encode(x="zero:Q")
    return ChartOf(
        finished(alt.layer(bars, ends, zero).properties(height=alt.Step(26))),
        "What each part brings",
        "The system chosen, fused again without one branch or guard: a blue bar to the left is what that part "
        "brings, an orange one to the right says it does harm; a line across 0 says that either may be chance.",
    )
