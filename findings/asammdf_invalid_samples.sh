#!/usr/bin/env bash
# A sample that an MDF file marks as invalid is left out, made up, or handed over, depending on the method of asammdf.
#
# Versions: asammdf 8.8.28, numpy 2.4.6, pandas 3.1.1, pyarrow 26.0.1 (Python 3.11).
# Expected: MDF 4 has a bit for each sample of a channel that says it is invalid. Methods that read the channel agree on what
#           becomes of such a sample, or their documentation says where they differ.
# Seen:     MDF.get leaves it out, so that a vibration gets shorter and everything behind the gap moves forward.
#           MDF.to_dataframe, iter_groups and the exports to CSV and Parquet put a number there that nobody has measured,
#           straight between its neighbours, without a mark. MDF.select and iter_channels return what stands in the file,
#           with the bits beside it. A file converted to MDF 3, which has no such bits, holds the invalid number for good. The
#           documentation of to_dataframe does not mention it. get(..., ignore_invalidation_bits=True), or
#           select, with the bits, or a check of the number of samples, avoids it.
# Output (of [20, 21, 9999, 22, 23], the third invalid):
#   get                       [20.0, 21.0, 22.0, 23.0]
#   to_dataframe              [20.0, 21.0, 21.5, 22.0, 23.0]
#   export to CSV             [20.0, 21.0, 21.5, 22.0, 23.0]
#   export to Parquet         [20.0, 21.0, 21.5, 22.0, 23.0]
#   select                    [20.0, 21.0, 9999.0, 22.0, 23.0], bits [False, False, True, False, False]
#   converted to 3.30, get    [20.0, 21.0, 9999.0, 22.0, 23.0]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check asammdf==8.8.28 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6 \
    || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
from pathlib import Path

import numpy as np
import pandas as pd
from asammdf import MDF, Signal

samples, invalid = np.array([20.0, 21.0, 9999.0, 22.0, 23.0]), np.array([False, False, True, False, False])
with MDF(version="4.10") as mdf:
    mdf.append([Signal(samples, np.arange(5) / 10, name="x", invalidation_bits=invalid)])
    mdf.save("x.mf4")
left_out, made_up, handed_over = [20.0, 21.0, 22.0, 23.0], [20.0, 21.0, 21.5, 22.0, 23.0], samples.tolist()
with MDF("x.mf4") as mdf:
    mdf.export("csv", "x.csv")
    mdf.export("parquet", "x.parquet")
    selected = mdf.select(["x"])[0]
    seen = {
        "get": (mdf.get("x").samples.tolist(), left_out),
        "to_dataframe": (mdf.to_dataframe()["x"].tolist(), made_up),
        "export to CSV": (pd.read_csv(next(Path().glob("x*.csv")))["x"].tolist(), made_up),
        "export to Parquet": (pd.read_parquet("x.parquet")["x"].tolist(), made_up),
        "select": (selected.samples.tolist(), handed_over),
        "converted to 3.30, get": (mdf.convert("3.30").get("x").samples.tolist(), handed_over),
    }
    assert [next(mdf.iter_groups())["x"].tolist(), next(mdf.iter_channels()).samples.tolist()] == [made_up, handed_over]
    assert mdf.get("x", ignore_invalidation_bits=True).samples.tolist() == handed_over
    bits = np.asarray(selected.invalidation_bits).astype(bool).tolist()
for name, (values, _) in seen.items():
    print(f"{name:26}{values}{f', bits {bits}' if name == 'select' else ''}")
assert all(values == expected for values, expected in seen.values()) and bits == invalid.tolist()
assert "invalid" not in MDF.to_dataframe.__doc__.lower()
PY
