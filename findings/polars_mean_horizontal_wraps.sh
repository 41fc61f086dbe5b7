#!/usr/bin/env bash
# The mean of four bytes by polars lies below all of them: mean_horizontal returns floats, but adds up in the type of the columns.
#
# Versions: polars 2.1.0, numpy 2.4.6 (Python 3.11).
# Expected: A mean lies between the least and the largest value. mean() of a column, in a group as in a rolling window, and
#           list.mean() widen small integers first, and the Float64 of mean_horizontal says that it does, too.
# Seen:     The sum across the columns wraps around in their own type, and what is left of it is then divided as a float. Two
#           channels of 16 bits mixed to one get clicks of full scale where both are loud, and nowhere else; of bytes (quantized
#           embeddings, spectrograms) most means are wrong. dot() wraps in the same way, and returns Int64: the energy of a
#           recording of 16 bits. No error, no warning. Columns cast to Float64 first are right. (Known for sum_horizontal,
#           which at least returns the narrow type.)
# Output:
#   [217, 163, 130, 69] as UInt8: mean_horizontal 16.75, list.mean 144.75
#   two channels of 16 bits: 0.5 % of the means wrong, by 32768
#   energy by dot: -48232, of the same samples as Int64: 84057998232
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check polars==2.1.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
import polars as pl

row = [217, 163, 130, 69]
table = pl.DataFrame([row], schema=dict.fromkeys("abcd", pl.UInt8), orient="row")
across = table.select(
    wide=pl.mean_horizontal(pl.all().cast(pl.Float64)),
    mean=pl.mean_horizontal(pl.all()),
    listed=pl.concat_list(pl.all()).list.mean(),
).row(0, named=True)
print(f"{row} as UInt8: mean_horizontal {across['mean']}, list.mean {across['listed']}")
assert across == {"wide": 144.75, "mean": 16.75, "listed": 144.75}

stereo = np.clip(9000 * np.random.default_rng(0).standard_normal((1000, 2)), -32768, 32767).astype(np.int16)
channels = pl.DataFrame(stereo, schema=["left", "right"])
mixed = channels.select(pl.mean_horizontal("left", "right")).to_series()
off = np.abs(mixed.to_numpy() - stereo.mean(axis=1))
print(f"two channels of 16 bits: {100 * np.mean(off > 0):.1f} % of the means wrong, by {off.max():.0f}")
assert mixed.dtype == pl.Float64 and off.max() == 32768 and 0 < np.mean(off > 0) < 0.05

left = pl.col("left")
energy, wide = channels.select(a=left.dot(left), b=left.cast(pl.Int64).dot(left.cast(pl.Int64))).row(0)
print(f"energy by dot: {energy}, of the same samples as Int64: {wide}")
assert wide == int(np.sum(stereo[:, 0].astype(np.int64) ** 2)) and energy < wide / 1000
PY
