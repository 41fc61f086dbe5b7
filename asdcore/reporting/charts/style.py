"""Tooltips and layout that all charts share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

from asdcore.drawing.colours import GROUPS, INK


@dataclass(frozen=True)
class ChartOf:
    """A chart: its specification, its title, and how to read it."""

    spec: dict[str, Any]
    title: str
    caption: str


def tip(field: str, kind: str = "Q", title: str | None = None, form: str = ".2f") -> Any:
    """Return one line of a tooltip: a number ("Q") or a name ("N")."""
    more = {"format": form} if kind == "Q" else {}
    return alt.Tooltip(field=field, type="quantitative" if kind == "Q" else "nominal", title=title or field, **more)


def by_group(labelled: bool | None = None) -> Any:
    """Return the colour of train normals, test normals and anomalies, and of test clips without labels.

    labelled : which of these the legend names; None for no legend.
    """
    colours = alt.Scale(domain=list(GROUPS), range=list(GROUPS.values()))
    named = list(GROUPS)[:3] if labelled else [next(iter(GROUPS)), list(GROUPS)[3]]
    shown = None if labelled is None else alt.Legend(orient="bottom", title=None, values=named)
    return alt.Color("group:N", legend=shown, scale=colours)


def threshold(base: Any) -> Any:
    """Return the dashed line at the threshold of decisions, which every row holds."""
    return base.mark_rule(color=INK, strokeDash=[5, 4], opacity=0.8).encode(
        x=alt.X("mean(threshold):Q"), tooltip=[alt.Tooltip("mean(threshold):Q", format=".4~g", title="threshold")]
    )


@contextmanager
def built_unchecked() -> Iterator[None]:
    """Let Altair check, inside the block, only finished charts and not every part of them as well."""
    with debug_mode(False):
        yield


SLANTED = {"top": 5, "bottom": 5, "left": 5, "right": 24}
"""Pixels around a chart with slanted labels on top: the last one reaches beyond the width that Vega fits."""


def finished(chart: Any) -> dict[str, Any]:
    """Return the specification of a chart that fills its container, in the text colour of the page."""
    shown = chart.properties(
        width="container", background="transparent", autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    ).configure(
        font="system-ui, sans-serif",
        axis=alt.AxisConfig(labelColor=INK, titleColor=INK, domainColor=INK, tickColor=INK, gridColor=INK,
                            gridOpacity=0.1, domainOpacity=0.4, tickOpacity=0.4, labelFontSize=11, titleFontSize=11,
                            titleFontWeight="normal", labelOpacity=0.85, titleOpacity=0.7,
                            labelFlush=False),  # else the outermost labels move toward their neighbours
        legend=alt.LegendConfig(labelColor=INK, titleColor=INK, labelFontSize=11),
        view=alt.ViewConfig(stroke=None),
    )  # fmt: skip
    spec: dict[str, Any] = shown.to_dict()
    spec.pop("$schema")
    return spec
