"""How long it takes to bring features in and out, beside plain pyarrow on the same table.

In: pyarrow reads the table and writes it again. Out: it writes the table. That is what a script without any check
would do. Import and export check every value besides, and hash what they write.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from figures import cpu_seconds, show

CLIPS, DIM = 10_000, 768


def exchange() -> list[bool]:
    """10,000 vectors of 768 values, in and out, each at half the rate of pyarrow or better."""
    import numpy as np
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    from asdcore.exchange.exported import write_table
    from asdcore.exchange.imported import import_features

    values = np.random.default_rng(0).normal(size=(CLIPS, DIM)).astype(np.float32)
    digests = [f"{i:064x}" for i in range(CLIPS)]
    clips = pl.DataFrame({"clip": [f"fan/train/{i:05d}.wav" for i in range(CLIPS)], "sha256": digests})
    columns = {"audio_sha256": digests, "embedding": pa.FixedSizeListArray.from_arrays(values.ravel(), DIM)}
    before = os.environ.get("ASDCORE_STORE")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["ASDCORE_STORE"] = str(folder / "store")
        table = folder / "table.parquet"
        pq.write_table(pa.table(columns), table)
        names = iter(range(100))
        arrays = list(values)
        ours_in = cpu_seconds(lambda: import_features(table, f"vectors-{next(names)}"), times=3)
        theirs_in = cpu_seconds(lambda: pq.write_table(pq.read_table(table), folder / "again.parquet"), times=3)
        ours_out = cpu_seconds(lambda: write_table(folder / "out.parquet", clips, arrays), times=3)
        theirs_out = cpu_seconds(lambda: pq.write_table(pa.table(columns), folder / "plain.parquet"), times=3)
    if before is None:
        del os.environ["ASDCORE_STORE"]
    else:
        os.environ["ASDCORE_STORE"] = before
    show(f"features import, {CLIPS:,} x {DIM}: CPU", ours_in, None, "s")
    show(f"features export, {CLIPS:,} x {DIM}: CPU", ours_out, None, "s")
    return [
        show("features import over pyarrow reading and writing", ours_in / theirs_in, 2.0, "times"),
        show("features export over pyarrow writing", ours_out / theirs_out, 2.0, "times"),
    ]
