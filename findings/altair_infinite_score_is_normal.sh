#!/usr/bin/env bash
# A clip whose score is infinite counts as a normal one in every picture of an Altair chart, and NaN does so too.
#
# Versions: altair 6.3.0, vl-convert-python 1.9.0.post1, polars 2.1.0, pandas 3.1.1 (Python 3.11).
# Expected: A comparison in a chart (transform_filter, transform_calculate) is that of the data: infinity is above a threshold of
#           0.5, NaN neither above nor below. A chart saved as SVG shows what it shows as HTML.
# Seen:     JSON has neither number. Of a polars table Altair writes NaN and Infinity all the same, which the JavaScript of a
#           web page knows; vl-convert makes null of both for its pictures, and null is 0 in the expressions of Vega. So the
#           infinite score and the missing one are counted below the threshold, and a maximum leaves them out. Of a pandas
#           table Altair itself writes null, in the web page too. No warning. A filter that asks isValid(datum.score)
#           keeps them out.
# Output (clips with the scores 0.2, 0.9, infinity and NaN; threshold 0.5):
#   polars, SVG: normal 3, anomalous 1; highest score 0.9
#   pandas, SVG: normal 3, anomalous 1; highest score 0.9
#   polars, HTML holds [0.2, 0.9, Infinity, NaN]
#   pandas, HTML holds [0.2, 0.9, null, null]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check altair==6.3.0 vl-convert-python==1.9.0.post1 polars==2.1.0 \
    pandas==3.1.1 || exit 2
venv/bin/python - <<'PY'
import re

import altair as alt
import pandas as pd
import polars as pl
import vl_convert

data = {"clip": list("abcd"), "score": [0.2, 0.9, float("inf"), float("nan")]}


def marks(chart):
    """Return what the marks of a chart say, as vl-convert draws them."""
    return re.findall(r'aria-label="([^"]*)" role="graphics-symbol"', vl_convert.vegalite_to_svg(chart.to_dict()))


def counts(chart):
    return dict(re.fullmatch(r"verdict: (\w+); Count of Records: (\d+)", mark).groups() for mark in marks(chart))


pages = []
for name, table in (("polars", pl.DataFrame(data)), ("pandas", pd.DataFrame(data))):
    judged = alt.Chart(table).transform_calculate(verdict="datum.score > 0.5 ? 'anomalous' : 'normal'")
    bars = judged.mark_bar().encode(x="verdict:N", y="count()")
    found, highest = counts(bars), marks(alt.Chart(table).mark_bar().encode(y="max(score)"))
    print(f"{name}, SVG: normal {found['normal']}, anomalous {found['anomalous']}; highest score {highest[0].split()[-1]}")
    assert found == {"normal": "3", "anomalous": "1"} and highest == ["Max of score: 0.9"]
    asked = judged.transform_filter("isValid(datum.score)").mark_bar().encode(x="verdict:N", y="count()")
    assert counts(asked) == {"normal": "1", "anomalous": "1"}
    pages.append((name, re.findall(r'"score": ([-\w.]+)', bars.to_html())))
for name, values in pages:
    print(f"{name}, HTML holds [{', '.join(values)}]")
assert dict(pages) == {"polars": ["0.2", "0.9", "Infinity", "NaN"], "pandas": ["0.2", "0.9", "null", "null"]}
PY
