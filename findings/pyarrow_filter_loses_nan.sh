#!/usr/bin/env bash
# A filter that pyarrow applies while it reads a Parquet file drops rows of NaN that the same filter keeps in memory.
#
# Versions: pyarrow 26.0.1, polars 2.1.0, numpy 2.4.6 (Python 3.11).
# Expected: pq.read_table(file, filters=f) holds the rows of pq.read_table(file).filter(f).
# Seen:     The minimum and maximum that the file stores for a row group leave NaN out. From them pyarrow concludes
#           that no row can fit, and skips the row group with its NaN: "not (x <= 5)" and "x != 1" find the NaN in
#           memory and lose it from the file. If another row of the row group fits, the NaN comes back, so the result
#           depends on how the rows were split into row groups. polars keeps NaN with the same statistics.
# Output:
#   not (x <= 5), one row group:   memory [nan, 7.0], file [nan, 7.0]
#   not (x <= 5), two row groups:  memory [nan, 7.0], file [7.0]
#   x != 1, two row groups:        memory [nan, 7.0], file [7.0]
#   polars, x != 1, two row groups: lazy scan [nan, 7.0]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check pyarrow==26.0.1 polars==2.1.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

table = pa.table({"x": [1.0, 1.0, float("nan"), 7.0]})
high, other = ~(pc.field("x") <= 5), pc.field("x") != 1


def both(condition, rows):
    pq.write_table(table, "x.parquet", row_group_size=rows)
    file = pq.read_table("x.parquet", filters=condition)["x"].to_pylist()
    return f"memory {table.filter(condition)['x'].to_pylist()}, file {file}"


whole, split, unequal = both(high, 4), both(high, 3), both(other, 3)
lazy = pl.scan_parquet("x.parquet").filter(pl.col("x") != 1).collect()["x"].to_list()
print("not (x <= 5), one row group:  ", whole)
print("not (x <= 5), two row groups: ", split)
print("x != 1, two row groups:       ", unequal)
print("polars, x != 1, two row groups: lazy scan", lazy)
assert whole == "memory [nan, 7.0], file [nan, 7.0]"
assert split == unequal == "memory [nan, 7.0], file [7.0]"
assert str(lazy) == "[nan, 7.0]"
PY
