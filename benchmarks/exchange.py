"""How long it takes to bring features in and out, beside plain pyarrow on the same table.

In: pyarrow reads the table and writes it again. Out: it writes the table. That is what a script without any check
would do. Import and export check every value besides, and hash what they write.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from shown import show

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
        ours_in = _cpu(lambda: import_features(table, f"vectors-{next(names)}"))
        theirs_in = _cpu(lambda: pq.write_table(pq.read_table(table), folder / "again.parquet"))
        ours_out = _cpu(lambda: write_table(folder / "out.parquet", clips, arrays))
        theirs_out = _cpu(lambda: pq.write_table(pa.table(columns), folder / "plain.parquet"))
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


def _cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the cheapest of three calls: the rest is other people's work."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)
