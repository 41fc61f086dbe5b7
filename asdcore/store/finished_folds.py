"""Keep the finished folds of a chunk of scores, so that a killed run resumes after the last of them.

They lie beside the chunk, in a folder of its name, and are removed when the chunk is written. Folds that take less than
a second are not kept: writing would take longer.
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
    """The finished parts of the chunk of scores that will be written to ``path``."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_suffix(".parts")

    def get(self, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return a part: read if it is kept, else made and kept. A damaged part is made again."""
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
        """Remove all parts: the chunk has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)
