"""Render the HTML page, with styles, script, charts, data and the Vega libraries inside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from importlib.util import find_spec
from typing import Any

from asdcore.drawing.colours import DOMAINS, GROUPS
from asdcore.errors import AsdcoreError
from asdcore.reporting.content import Content
from asdcore.reporting.vega import libraries

LIBRARIES = {"altair": "altair", "jinja2": "jinja2", "vl_convert": "vl-convert-python"}
"""Import names and distributions of the extra ``report``."""


def check_libraries() -> None:
    """Raise AsdcoreError if a library that the report needs is not installed."""
    if missing := missing_libraries():
        raise AsdcoreError(missing)


def missing_libraries() -> str | None:
    """Return which libraries of the report are missing and how to install them, or None."""
    missing = [name for module, name in LIBRARIES.items() if find_spec(module) is None]
    advice = "Run \"pip install 'asdcore[report]'\"."
    return f"A report needs {', '.join(missing)}, not installed here. {advice}" if missing else None


def render(content: Content) -> str:
    """Return the page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from asdcore.reporting.charts import all_charts
    from asdcore.reporting.charts.style import built_unchecked

    environment = Environment(
        loader=PackageLoader("asdcore.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with built_unchecked():
        made = all_charts(content.cells, content.labelled, content.logarithmic)
    charts = {name: asdict(chart) for name, chart in made.items()}
    ink = {"domain": DOMAINS, "label": GROUPS}
    specs = {name: chart["spec"] for name, chart in charts.items()}
    return environment.get_template("page.html.jinja").render(
        **content.words,
        charts=charts,
        cells=content.cells,
        labelled=content.labelled,
        style=Markup(_file("page.css")),
        script=Markup(_file("page.js")),
        libraries=Markup(_inline(libraries())),
        data=Markup(_json({**content.data, "specs": specs, "labelled": content.labelled, "ink": ink})),
    )


def _file(name: str) -> str:
    return (resources.files("asdcore.reporting") / "templates" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """Return JSON for a script element, escaped so that nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _inline(script: str) -> str:
    """Return a script for a script element, escaped so that nothing in it ends the element."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
