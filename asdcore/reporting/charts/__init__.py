"""Make all charts: Vega-Lite specifications, each with a sentence that says how to read it.

results  charts of systems
machine  charts of one machine and system
parts    charts of branches and guards
style    tooltips and layout

Every chart reads a data set named ``rows``, which the page fills, so a chart that shows one machine at a time is one
specification. Ink is ``currentColor``: charts follow the page into dark mode and print. The colours are safe for
people who are red-green colour-blind (after Okabe and Ito, 2008).
"""

from __future__ import annotations

from collections.abc import Collection

from asdcore.reporting.charts.machine import feature_map, histogram, roc, strip
from asdcore.reporting.charts.parts import contributions, correlation
from asdcore.reporting.charts.results import cost, heat_map, official, trade_off
from asdcore.reporting.charts.style import ChartOf

__all__ = ["ChartOf", "all_charts"]


def all_charts(cells: list[str], labelled: bool, logarithmic: Collection[str]) -> dict[str, ChartOf]:
    """Return {id: chart} of every chart that a report with or without labels can have.

    cells : the official cells. logarithmic : the costs ("macs", "seconds") that are above 0 for all systems.
    """
    always = {
        "strip": strip(labelled),
        "spearman-train": correlation("train normals"),
        "spearman-test": correlation("test clips"),
        "map": feature_map(),
    }
    apart = {f"histogram-{domain}": histogram(domain, labelled) for domain in ("source", "target", "unknown")}
    if not labelled:
        return apart | always
    heat = {f"heat-{i}": heat_map(cell) for i, cell in enumerate(cells)}
    more = {
        "official": official(),
        "roc": roc(False),
        "roc-tail": roc(True),
        "trade-off": trade_off(),
        "contributions": contributions(),
        "cost-macs": cost("macs", "MACs of a 10 s clip", "macs" in logarithmic),
        "cost-seconds": cost("seconds", "seconds of the run", "seconds" in logarithmic),
    }
    return heat | more | apart | always
