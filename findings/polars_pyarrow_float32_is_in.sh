#!/usr/bin/env bash
# In float32, polars finds 0.1 by == and not by is_in, pyarrow by isin and not by ==; in a file not always.
#
# Versions: polars 2.1.0, pyarrow 26.0.1, numpy 2.4.6 (Python 3.11).
# Expected: "x is one of [0.1]" means "x == 0.1", whatever a library makes of a float32 beside a Python float, and a
#           filter finds the same rows in a Parquet file as in the table that was read from it.
# Seen:     polars rounds the 0.1 of a comparison to float32; the list of is_in stays float64, and no float32 but a half,
#           a quarter ... equals one of it. pyarrow does the opposite: it widens the column for ==, and rounds the list of
#           isin. For a file it first compares the list with the least and largest value of the row group, unrounded: a
#           row group that ends with the float32 next to 0.7 cannot hold 0.7, and is skipped. So isin finds a value in a
#           file, and loses it where it is the least or largest one, and whoever splits the row groups anew finds others.
#           polars is the same in a file. No error, no warning. Values cast to float32 before they are looked for avoid
#           all of it.
# Output (rows found of [0.1, 0.4, 0.5, 0.7]):
#   looked for   polars ==   polars is_in   pyarrow ==   pyarrow isin   pyarrow isin, from the file
#   0.1                  1              0            0              1                             0
#   0.4                  1              0            0              1                             1
#   0.5                  1              1            1              1                             1
#   0.7                  1              0            0              1                             0
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

values = (0.1, 0.4, 0.5, 0.7)
pq.write_table(pa.table({"x": np.array(values, dtype=np.float32)}), "x.parquet")
frame, table = pl.read_parquet("x.parquet"), pq.read_table("x.parquet")
x, field = pl.col("x"), pc.field("x")


def in_polars(expression):
    found = frame.filter(expression).height
    assert pl.scan_parquet("x.parquet").filter(expression).collect().height == found
    return found


print("looked for   polars ==   polars is_in   pyarrow ==   pyarrow isin   pyarrow isin, from the file")
seen = {}
for value in values:
    from_file = len(pq.read_table("x.parquet", filters=field.isin([value])))
    found = len(table.filter(field == value)), len(table.filter(field.isin([value]))), from_file
    seen[value] = in_polars(x == value), in_polars(x.is_in([value])), *found
    print(f"{value:<12}{seen[value][0]:10}{seen[value][1]:15}{found[0]:13}{found[1]:15}{found[2]:30}")
assert seen == {0.1: (1, 0, 0, 1, 0), 0.4: (1, 0, 0, 1, 1), 0.5: (1, 1, 1, 1, 1), 0.7: (1, 0, 0, 1, 0)}
for value in values:
    rounded = pa.scalar(value, pa.float32())
    assert len(table.filter(field == rounded)) == in_polars(x.is_in(pl.Series([value], dtype=pl.Float32).implode())) == 1
    assert len(pq.read_table("x.parquet", filters=field.isin(pa.array([value], pa.float32())))) == 1
PY
