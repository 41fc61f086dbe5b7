"""Chart one machine and system: score distributions, single clips, ROC curves, and the map of features."""

from __future__ import annotations

import altair as alt

from asdcore.drawing.colours import INK, NORMALS
from asdcore.reporting.charts.style import ChartOf, by_group, finished, threshold, tip


def histogram(domain: str, labelled: bool) -> ChartOf:
    """Score distributions of one domain, or of all clips; rows: group, edge, from, to, share, n, threshold."""
    base = alt.Chart(alt.NamedData("rows"))
    area = base.mark_area(interpolate="step-after", line={"strokeWidth": 1.5}, opacity=0.32).encode(
        x=alt.X("edge:Q", title="anomaly score", scale=alt.Scale(zero=False, nice=False)),
        y=alt.Y("share:Q", stack=None, title="share of clips", axis=alt.Axis(format="%", tickCount=4)),
        color=by_group(labelled),
        tooltip=[tip("group", "N"), tip("from", title="score from"), tip("to"), tip("share", form=".1%"),
                 tip("n", form="d", title="clips")],
    )  # fmt: skip
    rule = threshold(base)
    what = "All clips" if domain == "unknown" else f"{domain.capitalize()} domain"
    return ChartOf(
        finished(alt.layer(area, rule).properties(height=170)),
        what,
        "How scores are spread within each group; what lies right of the dashed line is called an anomaly, and the "
        "outermost bins hold all beyond them.",
    )


def strip(labelled: bool) -> ChartOf:
    """Every test clip as a tick; rows: row, clip, group, domain, score, threshold."""
    base = alt.Chart(alt.NamedData("rows"))
    ticks = base.mark_tick(thickness=1.6, size=20, opacity=0.65).encode(
        x=alt.X("score:Q", title="anomaly score", scale=alt.Scale(zero=False)),
        y=alt.Y("row:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False, domain=False)),
        color=by_group(),
        tooltip=[tip("clip", "N"), tip("group", "N"), tip("domain", "N"), tip("score")],
    )
    return ChartOf(
        finished(alt.layer(ticks, threshold(base)).properties(height=alt.Step(30))),
        "Every test clip",
        "One tick a test clip: "
        + (
            "blue ticks right of orange ones are what costs AUC"
            if labelled
            else "what lies right of the line is called anomalous"
        )
        + "; hover names the clip.",
    )


def roc(tail: bool) -> ChartOf:
    """ROC curves, all of them or the pAUC region; rows: normals, x, y, fp, tp."""
    far = 0.1 if tail else 1.0
    base = alt.Chart(alt.NamedData("rows"))
    x = alt.X("x:Q", title="false positive rate", scale=alt.Scale(domain=[0, far], nice=False))
    y = alt.Y("y:Q", title="true positive rate", scale=alt.Scale(domain=[0, 1]))
    axes = {"x": x.axis(format="%", tickCount=5), "y": y.axis(format="%", tickCount=5)}
    color = alt.Color("normals:N", scale=alt.Scale(domain=list(NORMALS), range=list(NORMALS.values())),
                      legend=alt.Legend(orient="bottom", title="normals", titleOrient="left",
                                        labelExpr="replace(datum.label, ' normals', '')"))  # fmt: skip
    tips = [tip("normals", "N"), tip("x", form=".1%", title="false positives"), tip("fp", form="d", title="clips"),
            tip("y", form=".1%", title="true positives"), tip("tp", form="d", title="anomalies")]  # fmt: skip
    line = base.mark_line(clip=True, strokeWidth=2, point={"size": 14, "filled": True}).encode(
        **axes, color=color, order="order:Q", tooltip=tips
    )
    chance = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": far, "y": far}])).mark_line(
        color=INK, opacity=0.4, strokeDash=[4, 4]
    ).encode(x="x:Q", y="y:Q")  # fmt: skip
    region = alt.Chart(alt.Data(values=[{"a": 0, "b": 0.1}])).mark_rect(color=INK, opacity=0.07).encode(
        x="a:Q", x2="b:Q"
    )  # fmt: skip
    title = "pAUC region, enlarged" if tail else "ROC"
    caption = (
        "The same curves for the first 10 % of false positives, the part that pAUC measures: a few high normals push a "
        "curve to the right here."
        if tail
        else "How many anomalies are found (up) for how many false alarms (right); the dashed line is chance, the "
        "shaded part is enlarged beside it."
    )
    layers = [chance, line] if tail else [region, chance, line]
    return ChartOf(finished(alt.layer(*layers).properties(height=260)), title, caption)


def feature_map() -> ChartOf:
    """Features of one machine; rows: x, y, ink, split, clip, group, domain, attributes."""
    hidden = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    points = alt.Chart(alt.NamedData("rows")).mark_point(filled=True, size=46, opacity=0.75).encode(
        x=alt.X("x:Q", title="first axis", axis=hidden, scale=alt.Scale(zero=False)),
        y=alt.Y("y:Q", title="second axis", axis=hidden, scale=alt.Scale(zero=False)),
        color=alt.Color("ink:N", scale=None),
        shape=alt.Shape("split:N", legend=alt.Legend(orient="bottom", title=None, symbolFillColor=INK,
                                                     symbolStrokeColor=INK),
                        scale=alt.Scale(domain=["train", "test"], range=["circle", "triangle-up"])),
        tooltip=[tip("clip", "N"), tip("group", "N"), tip("domain", "N"), tip("attributes", "N")],
    )  # fmt: skip
    return ChartOf(
        finished(points.properties(height=380)),
        "Map of features",
        "Clips that sound alike to the encoder lie near each other: a system can tell apart what lies apart here.",
    )
