"""Rows of a bank that a query must not use: those of its own clip, or of all clips that it must not rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.stats.arrays import Flags, Indices


@dataclass(frozen=True)
class ExcludedRows:
    """Which rows each query must not use.

    Parameters
    ----------
    queries
        (n,) the clip that each query belongs to.
    rows
        (m,) the clip that each row belongs to.
    gone
        (n, clips) True for clips whose rows a query must not use; None excludes only its own clip.
    """

    queries: Indices
    rows: Indices
    gone: Flags | None = None

    def of(self, queries: slice) -> ExcludedRows:
        """Return the same for some of the queries."""
        return ExcludedRows(self.queries[queries], self.rows, None if self.gone is None else self.gone[queries])

    def exclude(self, distances: NDArray[Any], block: slice) -> None:
        """Set the distances (n, b) of a block of rows to infinity for excluded rows."""
        rows = self.rows[block]
        if self.gone is not None:
            distances[np.take(self.gone, rows, axis=1)] = np.inf
        elif self.queries.min() <= rows.max() and rows.min() <= self.queries.max():
            distances[self.queries[:, None] == rows] = np.inf
