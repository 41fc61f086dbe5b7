"""Rows of a bank that a query must not use: those of its own clip, or of all clips that it must not rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.stats.arrays import Flags, Indices


@dataclass(frozen=True)
class ExcludedRows:
    """queries (n,) and rows (m,): whose they are.

    gone : (n, owners) the owners whose rows each query passes over; None for its own alone.
    """

    queries: Indices
    rows: Indices
    gone: Flags | None = None

    def of(self, some: slice) -> ExcludedRows:
        """Return the same for some of the queries."""
        return ExcludedRows(self.queries[some], self.rows, None if self.gone is None else self.gone[some])

    def over(self, distances: NDArray[Any], block: slice) -> None:
        """Make the distances (n, b) to a block of rows infinite where they are passed over."""
        rows = self.rows[block]
        if self.gone is not None:
            distances[np.take(self.gone, rows, axis=1)] = np.inf
        elif self.queries.min() <= rows.max() and rows.min() <= self.queries.max():
            distances[self.queries[:, None] == rows] = np.inf
