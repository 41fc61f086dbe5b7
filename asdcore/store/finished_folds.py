"""Parts of a chunk of scores, kept as they are done, so that what was killed goes on after the last of them.

They lie beside the chunk, in a folder of its name, and go when it is written. What takes no time is not kept: writing
it down would take longer.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from asdcore.errors import StoreError
from asdcore.store.tables import CHUNK_SCORES, read_table, write_table

WORTH = 1.0
"""Seconds that a part must have taken to be kept."""


class Parts:
    """The finished parts of the chunk that will be written to ``path``, whose name says all that determines them."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_suffix(".parts")

    def get(self, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return a part: as it is kept, or made and kept. One that is damaged is made again."""
        path = self.folder / f"{name}.parquet"
        if path.exists():
            try:
                return read_table(CHUNK_SCORES, path, "")
            except StoreError:
                pass
        started = time.monotonic()
        part = make()
        if time.monotonic() - started >= WORTH:
            write_table(CHUNK_SCORES, part, path)
        return part.sort(CHUNK_SCORES.key)

    def remove(self) -> None:
        """Remove what is kept: the chunk has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)
