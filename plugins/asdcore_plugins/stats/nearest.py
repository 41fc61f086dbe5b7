"""The nearest row of a large bank, exact, and the same to the last bit in any company.

Products of all rows say roughly how far they are, fast; among those that may be the nearest the distance is summed anew
from differences, in an order that depends on the pair alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Features = NDArray[np.float32] | Floats
    Indices = NDArray[np.intp]

BLOCK = 64
"""Queries whose rough distances to the whole bank are held at once."""


class NearestRow:
    """A bank of rows (m, D), in several references that are each some of them.

    metric : "cosine" (half of one minus the cosine similarity) or "euclidean", as :func:`asdcore.distances` has them.
    members : {reference: indices of rows}. owner : (m,) the clip that each row is of.
    """

    def __init__(self, rows: Features, metric: str, members: Mapping[str, Indices], owner: Indices) -> None:
        import numpy as np

        self._metric, self._members, self._owner = metric, dict(members), owner
        self._bank = prepared(rows, metric)
        self._lengths = np.square(self._bank).sum(axis=1)

    def distances(self, rows: Features, owner: Indices | None = None) -> dict[str, Floats]:
        """(n, D) -> {reference: distance to the nearest row (n,)}, rows of the same ``owner`` (n,) passed over."""
        import numpy as np

        queries = prepared(rows, self._metric)
        least = {name: np.empty(len(queries)) for name in self._members}
        for start in range(0, len(queries), BLOCK):
            block = slice(start, start + BLOCK)
            rough, slack = self._rough(queries[block])
            if owner is not None:
                rough[owner[block, None] == self._owner] = np.inf
            for i, near in enumerate(rough):
                for name, members in self._members.items():
                    least[name][start + i] = self._least(queries[start + i], members, near[members], slack[i])
        return {name: one / 4.0 if self._metric == "cosine" else np.sqrt(one) for name, one in least.items()}

    def _rough(self, queries: Floats) -> tuple[Floats, Floats]:
        """|q|^2 + |b|^2 - 2 q.b (n, m), and by how much two of a query's may be off together (n,).

        A sum of D products is off by at most D / 2 eps times the sum of their sizes, in whatever order it is made.
        """
        import numpy as np

        norms = np.square(queries).sum(axis=1)
        slack = 8.0 * (queries.shape[1] + 4) * np.finfo(np.float64).eps * (norms + self._lengths.max())
        return norms[:, None] + self._lengths - 2.0 * (queries @ self._bank.T), slack

    def _least(self, query: Floats, members: Indices, rough: Floats, slack: float) -> float:
        import numpy as np

        possible = members[rough <= rough.min() + slack]
        return float(np.square(self._bank[possible] - query).sum(axis=1).min())


def prepared(features: Features, metric: str) -> Floats:
    """(n, D) -> (n, D), or (n, D + 1) of unit length for the cosine; a zero vector points along the last axis."""
    import numpy as np

    rows = np.array(features, dtype=np.float64, order="C")
    if metric == "euclidean":
        return rows
    length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.hstack([np.divide(rows, length, out=rows, where=length > 0), length == 0])
